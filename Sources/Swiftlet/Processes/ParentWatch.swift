// A process of `swiftlet up` stops in order when `up` is gone, however that ended: nobody else would stop it.
import Logging
import ServiceLifecycle

struct ParentWatch: Service {
    let parent: ProcessIdentity
    let logger: Logger

    /// Returning ends the group, which is configured to shut down gracefully then.
    func run() async throws {
        await cancelWhenGracefulShutdown {
            if await parent.waitForEnd() { logger.notice("the process that started this one has ended; stopping") }
        }
    }
}
