// Which pods belong to which services, kept current with every change of either: a pod's change touches the services of its
// namespace, a service's change the pods of its namespace, and nobody else. A value.
import KubernetesModel

struct ServiceMembers: Sendable {
    struct Key: Hashable, Sendable {
        var namespace: String
        var name: String
    }

    private var selectors: [String: [String: [String: String]]] = [:]
    private var members: [Key: Set<String>] = [:]
    /// Pod -> its services, by namespace.
    private var services: [Key: Set<String>] = [:]

    /// The service's pods, by name.
    func pods(of service: Key) -> Set<String> { members[service] ?? [] }

    /// nil selector or an empty one: the service's addresses are somebody else's business.
    mutating func set(service: Key, selector: [String: String]?, pods: [(name: String, labels: [String: String])]) {
        for pod in members.removeValue(forKey: service) ?? [] { unlink(Key(namespace: service.namespace, name: pod), service.name) }
        selectors[service.namespace]?[service.name] = nil
        guard let selector, !selector.isEmpty else {
            if selectors[service.namespace]?.isEmpty ?? false { selectors[service.namespace] = nil }
            return
        }
        selectors[service.namespace, default: [:]][service.name] = selector
        for pod in pods where Self.matches(selector, pod.labels) { link(Key(namespace: service.namespace, name: pod.name), service.name) }
    }

    /// Takes in a pod's labels (nil: it is gone); returns the services that must be looked at: those it was in and those it is in.
    mutating func set(pod: Key, labels: [String: String]?) -> Set<String> {
        let before = services[pod] ?? []
        var after: Set<String> = []
        if let labels {
            for (name, selector) in selectors[pod.namespace] ?? [:] where Self.matches(selector, labels) { after.insert(name) }
        }
        for name in before.subtracting(after) { unlink(pod, name) }
        for name in before.subtracting(after) { members[Key(namespace: pod.namespace, name: name)]?.remove(pod.name) }
        for name in after.subtracting(before) { link(pod, name) }
        return before.union(after)
    }

    private mutating func link(_ pod: Key, _ service: String) {
        services[pod, default: []].insert(service)
        members[Key(namespace: pod.namespace, name: service), default: []].insert(pod.name)
    }

    private mutating func unlink(_ pod: Key, _ service: String) {
        services[pod]?.remove(service)
        if services[pod]?.isEmpty ?? false { services[pod] = nil }
    }

    private static func matches(_ selector: [String: String], _ labels: [String: String]) -> Bool {
        selector.allSatisfy { labels[$0.key] == $0.value }
    }
}
