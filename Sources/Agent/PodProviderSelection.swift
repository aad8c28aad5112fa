// Two providers as one: pods of some RuntimeClasses belong to the other, all the rest to the node's standard one.
import KubernetesModel
import RuntimeInterface

actor PodProviderSelection: PodProvider {
    private let standard: any PodProvider
    private let other: any PodProvider
    private let classes: Set<String>
    /// Whose a name was when it was last seen: a new pod under it may belong to the other.
    private var owners: [ObjectKey: Bool] = [:]

    /// `classes` are the other's.
    init(standard: any PodProvider, other: any PodProvider, classes: Set<String>) {
        self.standard = standard
        self.other = other
        self.classes = classes
    }

    private func isOthers(_ pod: Pod) -> Bool { classes.contains(pod.spec.runtimeClassName ?? "") }

    func adopt() async throws {
        try await standard.adopt()
        try await other.adopt()
    }

    /// Each hears of its own pods once: what a complete list leaves out ends.
    func reconcile(_ pods: [Pod]) async {
        owners = Dictionary(pods.map { ($0.observedKey, isOthers($0)) }, uniquingKeysWith: { $1 })
        await standard.reconcile(pods.filter { !isOthers($0) })
        await other.reconcile(pods.filter(isOthers))
    }

    func sync(_ pod: Pod) async {
        let isOthers = isOthers(pod)
        if let former = owners.updateValue(isOthers, forKey: pod.observedKey), former != isOthers {
            await (former ? other : standard).remove(namespace: pod.metadata.namespace ?? "", name: pod.metadata.name)
        }
        await (isOthers ? other : standard).sync(pod)
    }

    func remove(namespace: String, name: String) async {
        owners[ObjectKey(namespace: namespace, name: name)] = nil
        await standard.remove(namespace: namespace, name: name)
        await other.remove(namespace: namespace, name: name)
    }

    func drain() async {
        async let first: Void = standard.drain()
        async let second: Void = other.drain()
        _ = await (first, second)
    }

    func close() async {
        await standard.close()
        await other.close()
    }

    func log(namespace: String, pod: String, container: String, previous: Bool) async -> ContainerLog? {
        if let log = await standard.log(namespace: namespace, pod: pod, container: container, previous: previous) {
            return log
        }
        return await other.log(namespace: namespace, pod: pod, container: container, previous: previous)
    }
}

/// A provider of pods that run elsewhere, as the executable hands it to the agent.
public struct RemotePods: Sendable {
    public var provider: any RemotePodProvider
    /// RuntimeClasses whose pods go there.
    public var handlers: Set<String>
    /// Pods without a class go there too.
    public var isStandard: Bool

    public init(provider: any RemotePodProvider, handlers: Set<String>, isStandard: Bool) {
        self.provider = provider
        self.handlers = handlers
        self.isStandard = isStandard
    }

    /// Beside the node's own pods. `handlers`: the classes that its runtime serves.
    func beside(_ local: any PodProvider, handlers own: Set<String>) -> PodProviderSelection {
        isStandard
            ? PodProviderSelection(standard: provider, other: local, classes: own.subtracting(handlers))
            : PodProviderSelection(standard: local, other: provider, classes: handlers)
    }
}
