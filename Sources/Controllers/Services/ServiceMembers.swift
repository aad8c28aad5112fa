// Which pods belong to which services, kept current with every change of either. Both are found by a label that they have in
// common, so that a change costs what it touches and not what there is. A value.
import KubernetesModel

struct ServiceMembers: Sendable {
    struct Key: Hashable, Sendable {
        var namespace: String
        var name: String
    }

    private struct Pair: Hashable, Sendable {
        var namespace: String
        var label: String
        var value: String
    }

    private var selectors: [Key: [String: String]] = [:]
    /// Each service under one pair of its selector.
    private var anchors: [Pair: Set<String>] = [:]
    private var anchor: [Key: Pair] = [:]
    /// Pods that can have an address, under each of their labels.
    private var labels: [Key: [String: String]] = [:]
    private var labelled: [Pair: Set<String>] = [:]
    private var members: [Key: Set<String>] = [:]
    /// Pod -> its services, by namespace.
    private var services: [Key: Set<String>] = [:]

    /// The service's pods, by name.
    func pods(of service: Key) -> Set<String> { members[service] ?? [] }

    /// nil or empty: the service is gone, or its addresses are somebody else's business.
    mutating func set(service: Key, selector: [String: String]?) {
        for pod in members.removeValue(forKey: service) ?? [] {
            unlink(Key(namespace: service.namespace, name: pod), service.name)
        }
        selectors[service] = nil
        if let old = anchor.removeValue(forKey: service) { Self.remove(service.name, from: &anchors, old) }
        guard let selector, !selector.isEmpty else { return }
        selectors[service] = selector
        let pairs = selector.map { Pair(namespace: service.namespace, label: $0.key, value: $0.value) }
        // The rarest: the fewest pods to look at, now and later.
        guard let rarest = pairs.min(by: { (labelled[$0]?.count ?? 0, $0.label) < (labelled[$1]?.count ?? 0, $1.label) }) else {
            return
        }
        anchor[service] = rarest
        anchors[rarest, default: []].insert(service.name)
        for name in labelled[rarest] ?? [] {
            let pod = Key(namespace: service.namespace, name: name)
            if Self.matches(selector, labels[pod] ?? [:]) { link(pod, service.name) }
        }
    }

    /// Takes in a pod's labels (nil: it is gone, or has ended); returns the services that must be looked at: those it was in
    /// and those it is in.
    mutating func set(pod: Key, labels new: [String: String]?) -> Set<String> {
        let before = services[pod] ?? []
        let old = labels[pod]
        if old == new { return before }
        for (label, value) in old ?? [:] {
            Self.remove(pod.name, from: &labelled, Pair(namespace: pod.namespace, label: label, value: value))
        }
        labels[pod] = new
        var after: Set<String> = []
        for (label, value) in new ?? [:] {
            let pair = Pair(namespace: pod.namespace, label: label, value: value)
            labelled[pair, default: []].insert(pod.name)
            for name in anchors[pair] ?? [] {
                if let selector = selectors[Key(namespace: pod.namespace, name: name)], Self.matches(selector, new ?? [:]) {
                    after.insert(name)
                }
            }
        }
        for name in before.subtracting(after) {
            unlink(pod, name)
            members[Key(namespace: pod.namespace, name: name)]?.remove(pod.name)
        }
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

    private static func remove(_ name: String, from index: inout [Pair: Set<String>], _ pair: Pair) {
        index[pair]?.remove(name)
        if index[pair]?.isEmpty ?? false { index[pair] = nil }
    }

    private static func matches(_ selector: [String: String], _ labels: [String: String]) -> Bool {
        selector.allSatisfy { labels[$0.key] == $0.value }
    }
}
