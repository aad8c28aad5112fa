// What a launch through the resident launcher leaves: its status, and the connection on which the task's supervisor tells the end
// (Sandbox/README.md, "The resident launcher"). A supervisor whose client stays may serve another task afterwards.

import Dispatch
import Glibc
import Synchronization

/// A launch's outcome.
package struct Launched: Sendable {
    /// 0 the task runs, 1 its start failed and the record says where, 2 there is no record.
    package var status: Int32
    /// nil: the end of the supervisor's process is the only news there will be.
    package var news: SupervisorNews?

    package init(status: Int32, news: SupervisorNews? = nil) {
        self.status = status
        self.news = news
    }
}

/// A connection to a supervisor. It is closed when the supervisor hangs up or when nobody waits for the news any more.
package final class SupervisorNews: Sendable {
    private static let queue = DispatchQueue(label: "swiftlet.local.news")
    private let connection: Int32
    // SAFETY: a dispatch source may be used from any thread; the overlay does not declare it Sendable.
    private nonisolated(unsafe) let source: any DispatchSourceRead

    /// Takes the descriptor over.
    package init(connection: Int32) {
        self.connection = connection
        source = DispatchSource.makeReadSource(fileDescriptor: connection, queue: Self.queue)
        source.setCancelHandler { close(connection) }
    }

    deinit {
        source.activate()  // one that never ran may not be released
        source.cancel()
    }

    /// Calls back once the supervisor has said `ended` and has put everything of the task away, which is when it hangs up. One that
    /// hangs up without a word was killed: the end of its process tells that. To be called once.
    package func follow(_ ended: @escaping @Sendable () -> Void) {
        let (connection, source, said) = (connection, source, HeardEnd())
        source.setEventHandler {
            // Everything that is there: what comes together with a hang-up is announced once.
            var word: [UInt8] = Array(repeating: 0, count: 64)
            var count = recv(connection, &word, word.count, Int32(MSG_DONTWAIT))
            while count > 0 || (count < 0 && errno == EINTR) {
                if count > 0, word.starts(with: "ended ".utf8) { said.value.store(true, ordering: .relaxed) }
                count = recv(connection, &word, word.count, Int32(MSG_DONTWAIT))
            }
            guard count == 0 || errno != EAGAIN else { return }
            source.cancel()
            if said.value.load(ordering: .relaxed) { ended() }
        }
        source.activate()
    }

    private final class HeardEnd: Sendable {
        let value = Atomic(false)
    }
}
