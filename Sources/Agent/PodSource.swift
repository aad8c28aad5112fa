// The pods that the API server has bound to this node, as a stream of wishes for the PodProvider.
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
    private let informer: Informer<Pod>

    init(api: any KubernetesAPI, namespace: String, node: String, logger: Logger) {
        self.node = node
        informer = Informer<Pod>(
            api: api, namespace: namespace, options: ListOptions(fieldSelector: "spec.nodeName=\(node)"), logger: logger)
    }

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
                    let metadata = event.object.metadata
                    queue.add(Key(namespace: metadata.namespace ?? "", name: metadata.name))
                }
                await provider.reconcile(informer.objects.filter { $0.spec.nodeName == node })
                group.addTask { await queue.run(workers: Self.workers) { await handle($0, provider) } }
            }
        }
    }

    private func handle(_ key: Key, _ provider: any PodProvider) async {
        if let pod = informer.get(namespace: key.namespace, name: key.name) {
            if pod.spec.nodeName == node { await provider.sync(pod) }
        } else {
            await provider.remove(namespace: key.namespace, name: key.name)
        }
    }
}
