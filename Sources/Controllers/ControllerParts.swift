// What a controller is given, and how it works on its queue: the shell that controllers of nodes and of their pods share.
import KubernetesClient
import KubernetesModel
import Logging

struct ControllerParts: Sendable {
    let api: any KubernetesAPI
    let informers: SharedInformers
    let recorder: EventRecorder
    let now: @Sendable () -> Timestamp
    let logger: Logger

    /// Works on the queue's keys until it is shut down or the task cancelled. A failure is told by its key, `what NAME`, and tried again.
    func work<Key>(
        _ queue: WorkQueue<Key>, workers: Int, of what: String, name: @escaping @Sendable (Key) -> String,
        _ body: @escaping @Sendable (Key) async throws -> Void
    ) async {
        await queue.run(workers: workers) { [logger] key, error in
            logger.debug(
                "\(what) not brought up to date; trying again", metadata: ["\(what)": "\(name(key))", "error": "\(error)"])
        } work: { key in
            try await body(key)
        }
    }
}
