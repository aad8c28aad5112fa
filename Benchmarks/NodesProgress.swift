// How far simulated nodes and their pods are, and an end when they do not get on: agents try again for ever.
import Glibc
import Synchronization

final class NodesProgress: Sendable {
    private struct Counts {
        var registered = 0
        var finished = 0
    }

    private let nodes: Int
    private let pods: Int
    private let counts = Mutex(Counts())

    init(nodes: Int, pods: Int) {
        self.nodes = nodes
        self.pods = pods
    }

    func registered() { counts.withLock { $0.registered += 1 } }
    func finished() { counts.withLock { $0.finished += 1 } }

    /// Tells standard error every five seconds; after `limit` the process ends: what hangs cannot be asked to stop.
    func watch(limit: Duration) {
        let start = ContinuousClock.now
        Task.detached {
            while ContinuousClock.now - start < limit {
                try? await Task.sleep(for: .seconds(5))  // the pace of the telling
                self.say("\((ContinuousClock.now - start).components.seconds) s: \(self.state)")
            }
            self.fail("gave up after \(limit): \(self.state)")
        }
    }

    /// Ends the process.
    func fail(_ reason: String) {
        say(reason)
        exit(1)
    }

    private var state: String {
        let counts = counts.withLock { $0 }
        return "\(counts.registered) of \(nodes) nodes registered, \(counts.finished) of \(pods) pods ended"
    }

    private func say(_ text: String) {
        let line = Array("swiftlet-bench: \(text)\n".utf8)
        _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
