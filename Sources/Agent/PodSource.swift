// The pods that the API server has bound to this node, as a stream of wishes for the PodProvider.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import RuntimeInterface

struct PodSource: Sendable {
    /// Pods are handed to the provider one after the other: it only files them into their workers' mailboxes.
    static let workers = 1

    private struct Key: Hashable, Sendable {
        var namespace: String
        var name: String
    }

    let node: String
    private let local: StaticPods
    private let informer: Informer<BoundPod>
    private let logger: Logger

    /// `namespace` nil: pods of every namespace that are bound to the node.
    init(api: any KubernetesAPI, namespace: String?, node: String, local: StaticPods, logger: Logger) {
        self.node = node
        self.local = local
        self.logger = logger
        informer = Informer<BoundPod>(
            api: api, namespace: namespace, options: ListOptions(fieldSelector: "spec.nodeName=\(node)"), logger: logger)
    }

    /// Mirror pods show what the node runs already: they are nothing to run.
    private func isOurs(_ pod: Pod) -> Bool { pod.spec.nodeName == node && !StaticPod.isMirror(pod) }

    /// Feeds `provider` until cancelled; first with the complete list. A server that ignores field selectors would hand us
    /// other nodes' pods, hence the second look.
    func run(_ provider: any PodProvider) async {
        let queue = WorkQueue<Key>()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await informer.run() }
            await informer.waitUntilSynced()
            if informer.hasSynced, !Task.isCancelled {
                // Before the look at the list, so that a deletion right after it is not missed.
                informer.onEvent { event in
                    // The echo of the agent's own report.
                    if case .updated(let old, let new) = event, new.asksTheSame(as: old) { return }
                    let key = event.object.observedKey
                    queue.add(Key(namespace: key.namespace ?? "", name: key.name))
                }
                let pods = informer.objects.compactMap(read)
                for mirror in pods where StaticPod.isMirror(mirror) {
                    let (namespace, name) = (mirror.metadata.namespace ?? "", mirror.metadata.name)
                    if !local.sawMirror(namespace: namespace, name: name, mirror) {
                        queue.add(Key(namespace: namespace, name: name))
                    }
                }
                await provider.reconcile(pods.filter(isOurs) + local.pods)
                group.addTask { await queue.run(workers: Self.workers) { await handle($0, provider) } }
            }
        }
    }

    private func read(_ bound: BoundPod) -> Pod? {
        do { return try bound.pod() } catch {
            logger.warning(
                "pod ignored: it does not fit", metadata: ["name": "\(bound.observedKey)", "error": "\(JSON.describe(error))"])
            return nil
        }
    }

    private func handle(_ key: Key, _ provider: any PodProvider) async {
        let known = informer.get(namespace: key.namespace, name: key.name)
        let found = known.flatMap(read)
        // It cannot be read: what was last known of it stays.
        if known != nil, found == nil { return }
        // A mirror that goes does not take along what it shows.
        if local.sawMirror(namespace: key.namespace, name: key.name, found) { return }
        if let pod = found {
            if isOurs(pod) { await provider.sync(pod) }
            // Told again by the informer's next relist where it could not be deleted.
            if StaticPod.isMirror(pod) { try? await local.removeOrphan(pod) }
        } else {
            await provider.remove(namespace: key.namespace, name: key.name)
        }
    }
}
