// A task that is not killed at its memory limit but does nothing there any more than read its own pages again: it is ended, as RunP ends
// it, and the report names the limit.
import Cgroups
import Glibc
import Synchronization

final class RunThrashing: Sendable {
    /// For the program to say what it was doing; it is over its limit meanwhile.
    private static let grace = "1000\n"
    /// RunP's; a shorter time to thrash in is looked at so often within it.
    private static let longestIntervalMilliseconds: Int64 = 5_000
    private static let looks: Int64 = 12

    private let watch: MemoryThrashWatch
    private let evidence = Mutex<String?>(nil)

    /// In words, once the task was ended for it.
    var words: String? { evidence.withLock { $0 } }

    /// nil: not asked for. Follows the child of `RunSignals` from here on.
    init?(_ plan: RunPlan, stateDirectory: String) throws(RunFailure) {
        guard let group = plan.watchedGroup, let limit = plan.options.memoryBytes, let time = plan.options.thrashMilliseconds
        else { return nil }
        var rule = MemoryThrashing.Rule()
        rule.seconds = Double(time) / 1000
        let interval = Int32(max(100, min(Self.longestIntervalMilliseconds, time / Self.looks)))
        do throws(CgroupError) {
            watch = try MemoryThrashWatch(rule: rule, intervalMilliseconds: interval)
        } catch {
            throw RunFailure(field: "--thrash-limit", found: "\(error)", expected: "a thread that watches")
        }
        watch.add("task", group: group, limitBytes: limit) { [weak self] evidence in
            self?.evidence.withLock { $0 = evidence.description }
            // Without it the launcher grants its usual time.
            _ = SmallFile.create("\(stateDirectory)/grace", Array(Self.grace.utf8), mode: 0o600)
            RunSignals.send(SIGTERM)
        }
    }
}
