// A process of `swiftlet up` stops in order when `up` is gone, however that ended: nobody else would stop it.
import Logging
import ServiceLifecycle

struct ParentWatch: Service {
    let parent: ProcessIdentity
    let logger: Logger

    /// The kernel tells the end at once; looking again after so long only bounds the blocking call.
    private static let round = Duration.seconds(5)

    /// Returning ends the group, which is configured to shut down gracefully then.
    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                if await parent.waitForEnd(within: Self.round) {
                    logger.notice("the process that started this one has ended; stopping")
                    return
                }
            }
        }
        // In a shutdown that others began there is nothing left to watch.
    }
}
