// Several providers as one: each pod belongs to the one that its RuntimeClass names, all others to the node's standard one.
import KubernetesModel
import RuntimeInterface

actor PodProviderSelection: PodProvider {
    private let standard: any PodProvider
    private let byClass: [String: any PodProvider]
    /// The class with which a name was last seen: a new pod under it may belong to another provider.
    private var classes: [ObjectKey: String] = [:]

    init(standard: any PodProvider, byClass: [String: any PodProvider]) {
        self.standard = standard
        self.byClass = byClass
    }

    private func provider(_ name: String) -> any PodProvider { byClass[name] ?? standard }

    /// "" is the standard one.
    private func providerClass(_ pod: Pod) -> String {
        let name = pod.spec.runtimeClassName ?? ""
        return byClass[name] == nil ? "" : name
    }

    private var all: [(name: String, provider: any PodProvider)] {
        [("", standard)] + byClass.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    func adopt() async throws {
        for (_, provider) in all { try await provider.adopt() }
    }

    func reconcile(_ pods: [Pod]) async {
        let parts = Dictionary(grouping: pods, by: providerClass)
        classes = Dictionary(pods.map { ($0.observedKey, providerClass($0)) }, uniquingKeysWith: { $1 })
        for (name, provider) in all { await provider.reconcile(parts[name] ?? []) }
    }

    func sync(_ pod: Pod) async {
        let name = providerClass(pod)
        if let former = classes.updateValue(name, forKey: pod.observedKey), former != name {
            await provider(former).remove(namespace: pod.metadata.namespace ?? "", name: pod.metadata.name)
        }
        await provider(name).sync(pod)
    }

    func remove(namespace: String, name: String) async {
        classes[ObjectKey(namespace: namespace, name: name)] = nil
        for (_, provider) in all { await provider.remove(namespace: namespace, name: name) }
    }

    func drain() async {
        let providers = all.map(\.provider)
        await withTaskGroup(of: Void.self) { group in
            for provider in providers { group.addTask { await provider.drain() } }
        }
    }

    func close() async {
        for (_, provider) in all { await provider.close() }
    }

    func logFile(namespace: String, pod: String, container: String, previous: Bool) async -> ContainerLogFile? {
        for (_, provider) in all {
            if let file = await provider.logFile(namespace: namespace, pod: pod, container: container, previous: previous) { return file }
        }
        return nil
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
}
