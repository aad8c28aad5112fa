// A launcher that serves one task after the other keeps the directories above their groups open: each task is in its own groups all the
// same, whatever became of those directories.

import Cgroups
import Glibc
import SandboxPolicy
import Testing

@Suite("Groups below directories that are kept open", .enabled(if: Machine.canRun))
struct GroupPlacesTests {
    /// Whether the launcher makes a task's groups, or finds them there as the agent's tasks do.
    @Test("each task is in its own groups, also when the directories above were removed and made anew", arguments: [true, false])
    func ownGroups(launcherMakes: Bool) throws {
        try withOperationLab { lab in
            let server = try ResidentServer(lab.directory, spares: 1)
            defer { try? server.kill() }
            let outer = "swiftlet-places-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
            for round in 0..<9 {
                let plan = Machine.cgroups.plan([
                    CgroupLevel("\(outer)/pod\(round % 2)/c", CgroupLimits(memoryBytes: 64 << 20, pids: 3))
                ])
                defer { Self.remove(plan) }
                if !launcherMakes { try Cgroup.apply(plan) }
                var jail = ResidentLauncherTests.jail
                let joining = plan.joiningOperations
                jail.supervision = launcherMakes ? plan.makingOperations + joining + plan.removingOperations : joining
                // With init and the shell the third process is the last one.
                let script = "(/bin/true | /bin/true | /bin/true) 2> /dev/null && exit 1; exit 7"
                let directory = lab.make("task\(round)")
                let answers = try server.run(lab.plan(jail, script).text, directory)
                #expect(answers.end == "ended 7 0\n", "\(round): \(answers)")
                let state = Lab.text("\(directory)/state.json")
                // What the groups themselves say of it.
                #expect(!state.contains("\"pidsLimitHits\":0,") && !state.contains("\"memoryPeakBytes\":0,"), "\(round): \(state)")
                #expect(!launcherMakes || Self.left(plan).isEmpty)
                // The next round meets the same directories, or others in their place.
                if round % 3 != 2 { continue }
                for join in plan.joins { Self.removeAbove(join.path, down: outer) }
            }
        }
    }

    /// What the launcher has still not removed, given time.
    private static func left(_ plan: CgroupPlan) -> [String] {
        let there = { plan.removals.filter { access($0, F_OK) == 0 } }
        for _ in 0..<3000 where !there().isEmpty { usleep(10_000) }  // groups go behind the answer
        return there()
    }

    /// The innermost groups; the next round or `removeAbove` has those above.
    private static func remove(_ plan: CgroupPlan) {
        for path in plan.removals {
            for _ in 0..<3000 where rmdir(path) != 0 && errno == EBUSY { usleep(10_000) }  // its last process may still be ending
        }
    }

    private static func removeAbove(_ path: String, down outer: String) {
        guard let end = path.range(of: "/\(outer)")?.upperBound else { return }
        for _ in 0..<3000 where rmdir(path) != 0 && errno == EBUSY { usleep(10_000) }  // as above
        for pod in ["pod0", "pod1"] { rmdir("\(path[..<end])/\(pod)") }
        rmdir(String(path[..<end]))
    }
}
