// What a process of `swiftlet up` does when `up` is gone without having stopped it: killed, or crashed.
import Glibc
import Logging
import ServiceLifecycle

struct ParentWatch: Service {
    enum Reaction: Sendable {
        /// Ends the group of services in order.
        case stop
        /// Ends this process at once, as if it were killed too: its tasks go on, the next `up` finds them again, and
        /// `down` ends them.
        case vanish
    }

    let parent: ProcessIdentity
    let reaction: Reaction
    let logger: Logger

    /// Returning ends the group, which is configured to shut down gracefully then.
    func run() async throws {
        await cancelWhenGracefulShutdown {
            guard await parent.waitForEnd() else { return }
            logger.notice("the process that started this one has ended", metadata: ["reaction": "\(reaction)"])
            if reaction == .vanish { exit(0) }
        }
    }
}
