// Labels and annotations of a copy, which follow those of its pod as long as it lives. Pure.
import AgentCore
import JSON
import KubernetesModel
import KusciaModel

struct ClusterMetadata: Sendable, Hashable {
    var labels: [String: String]
    var annotations: [String: String]

    /// The pod's own without what is ours, with what the operator adds.
    init(_ pod: Pod, _ configuration: RunKConfiguration) {
        labels = pod.metadata.labels.filter { !Self.isOurs($0.key) }.merging(configuration.labelsToAdd) { $1 }
        annotations = pod.metadata.annotations.filter { !Self.isOurs($0.key) || KusciaAnnotation.ofAppImage.contains($0.key) }
        annotations["kubectl.kubernetes.io/last-applied-configuration"] = nil
        annotations.merge(configuration.annotationsToAdd) { $1 }
    }

    private static func isOurs(_ key: String) -> Bool { key.hasPrefix(Kuscia.group + "/") || key.hasPrefix("swiftlet.io/") }

    /// What a copy says that it was given: a hash of all, then the keys ("l:" a label's, "a:" an annotation's). What the cluster's own
    /// people and webhooks add or change is compared with nothing and stays.
    var mark: String {
        let keys = labels.keys.map { "l:\($0)" }.sorted() + annotations.keys.map { "a:\($0)" }.sorted()
        let pairs = [labels, annotations].map {
            $0.sorted { $0.key < $1.key }.map { "\($0.key)\u{0}\($0.value)" }.joined(separator: "\u{1}")
        }
        return ([String(StableHash.of(pairs.joined(separator: "\u{2}")), radix: 36)] + keys).joined(separator: " ")
    }

    /// The merge patch that brings a copy to this; nil: it was given the same, or nobody noted what it was given.
    func change(of copy: Pod) -> JSONValue? {
        guard let given = copy.metadata.annotations[ClusterMark.copied], given != mark else { return nil }
        let keys = given.split(separator: " ").dropFirst()
        func merge(_ wanted: [String: String], _ prefix: String) -> [String: JSONValue] {
            let former = keys.filter { $0.hasPrefix(prefix) }.map { (String($0.dropFirst(prefix.count)), JSONValue.null) }
            return Dictionary(former, uniquingKeysWith: { $1 }).merging(wanted.mapValues { .string($0) }) { $1 }
        }
        var changed = merge(annotations, "a:")
        changed[ClusterMark.copied] = .string(mark)
        return ["metadata": ["labels": .object(JSONObject(merge(labels, "l:"))), "annotations": .object(JSONObject(changed))]]
    }
}
