// How far simulated nodes and their pods are, told every ten seconds, and an end when they do not get on: agents would try for
// ever.
import Glibc
import Synchronization

final class NodesProgress: Sendable {
    private struct Counts {
        var registered = 0
        /// As a client that watches nodes sees it.
        var ready = 0
        var bound = 0
        var ended = 0
    }

    /// What two processes had used of the processors by then.
    private struct Use {
        var at = ContinuousClock.now
        var server: Double?
        var own: Double?
    }

    private static let interval = Duration.seconds(10)

    private let nodes: Int
    private let pods: Int
    /// 0: the server's processor time is not known.
    private let server: Int
    private let counts = Mutex(Counts())

    init(nodes: Int, pods: Int, server: Int) {
        self.nodes = nodes
        self.pods = pods
        self.server = server
    }

    func registered() { counts.withLock { $0.registered += 1 } }
    func ready(_ count: Int) { counts.withLock { $0.ready = count } }
    func bound() { counts.withLock { $0.bound += 1 } }
    func ended() { counts.withLock { $0.ended += 1 } }

    /// Tells standard error; after `limit` the process ends: what hangs cannot be asked to stop.
    func watch(limit: Duration) {
        let start = ContinuousClock.now
        Task.detached {
            var before = self.use()
            while ContinuousClock.now - start < limit {
                try? await Task.sleep(for: min(Self.interval, limit - (ContinuousClock.now - start)))  // the pace of the telling
                let now = self.use()
                self.say("\((now.at - start).components.seconds) s: \(self.state); \(self.load(before, now))")
                before = now
            }
            self.fail("gave up after \(limit) (--limit): \(self.state)")
        }
    }

    /// Ends the process.
    func fail(_ reason: String) {
        say(reason)
        exit(1)
    }

    func say(_ text: String) {
        let line = Array("swiftlet-bench: \(text)\n".utf8)
        _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private var state: String {
        let counts = counts.withLock { $0 }
        return "of \(nodes) nodes \(counts.registered) registered, \(counts.ready) Ready; "
            + "of \(pods) pods \(counts.bound) bound, \(counts.ended) Succeeded"
    }

    private func use() -> Use {
        Use(server: server > 0 ? ProcessSample.cpuSeconds(pid: server) : nil, own: ProcessSample.cpuSeconds(pid: Int(getpid())))
    }

    /// Of one processor, in percent.
    private func load(_ before: Use, _ now: Use) -> String {
        let passed = Double((now.at - before.at) / .milliseconds(1)) / 1000
        func percent(_ first: Double?, _ second: Double?) -> String {
            guard let first, let second, passed > 0 else { return "?" }
            return "\(Int((second - first) / passed * 100))"
        }
        return "server \(percent(before.server, now.server)) % of a core, agents \(percent(before.own, now.own))"
    }
}
