// What RunK is told of the organisation's own cluster: where pods go there, what is added to them, what stands in for local data.
import JSON
import KubernetesModel
import KusciaModel

public struct RunKConfiguration: Sendable, Hashable {
    /// What happens to a pod that mounts data of the node (a claim that `claims` does not name).
    public enum LocalData: String, Sendable, Hashable, CaseIterable {
        /// The pod fails at admission, and is told what to use instead.
        case refuse
        /// An empty directory stands in: what the task writes there is gone with it.
        case scratch
    }

    /// How a pod's declared ports are reached inside the cluster.
    public enum Exposure: String, Sendable, Hashable, CaseIterable {
        case none = "None"
        /// A Service of the pod's own, named like its copy.
        case clusterIP = "ClusterIP"
        case nodePort = "NodePort"
        /// The pod has its node's network and ports, as it has on a Lite of one machine.
        case hostNetwork = "HostNetwork"
    }

    /// This node's name: marks what is ours in the target namespace.
    public var node: String
    /// Tells two sources apart that share the target namespace: two masters may have a pod of the same namespace, name and node.
    public var source: String
    /// The target namespace.
    public var namespace: String
    public var labelsToAdd: [String: String]
    public var annotationsToAdd: [String: String]
    /// `spec.affinity` and entries of `spec.tolerations`, as the API has them.
    public var affinity: JSONValue?
    public var tolerations: [JSONValue]
    public var nodeSelector: [String: String]
    /// e.g. "kata"; nil: the cluster's default.
    public var runtimeClassName: String?
    public var serviceAccountName: String?
    /// Resolvers of the pods; none: the cluster's own.
    public var dnsServers: [String]
    public var dnsSearches: [String]
    /// Claim of the pod -> claim in the target namespace. A key may end in "*"; "*" as value is "of the same name".
    /// Where many claims meet in one, each has a directory of its own in it.
    public var claims: [String: String]
    public var localData: LocalData
    public var exposure: Exposure

    public init(
        node: String, source: String = "", namespace: String, labelsToAdd: [String: String] = [:],
        annotationsToAdd: [String: String] = [:],
        affinity: JSONValue? = nil, tolerations: [JSONValue] = [], nodeSelector: [String: String] = [:],
        runtimeClassName: String? = nil,
        serviceAccountName: String? = nil, dnsServers: [String] = [], dnsSearches: [String] = [], claims: [String: String] = [:],
        localData: LocalData = .refuse, exposure: Exposure = .clusterIP
    ) {
        self.node = node
        self.source = source
        self.namespace = namespace
        self.labelsToAdd = labelsToAdd
        self.annotationsToAdd = annotationsToAdd
        self.affinity = affinity
        self.tolerations = tolerations
        self.nodeSelector = nodeSelector
        self.runtimeClassName = runtimeClassName
        self.serviceAccountName = serviceAccountName
        self.dnsServers = dnsServers
        self.dnsSearches = dnsSearches
        self.claims = claims
        self.localData = localData
        self.exposure = exposure
    }

    /// The claim that stands for `claim`, and the directory in it; nil: none does. An exact key wins over a pattern, a longer over a
    /// shorter one.
    func claim(for claim: String) -> (name: String, directory: String?)? {
        if let exact = claims[claim] { return (exact == "*" ? claim : exact, nil) }
        let patterns = claims.keys.filter { $0.hasSuffix("*") && claim.hasPrefix($0.dropLast()) }
        guard let pattern = patterns.max(by: { $0.utf8.count < $1.utf8.count }), let name = claims[pattern] else { return nil }
        return name == "*" ? (claim, nil) : (name, claim)
    }
}

/// What marks our objects in the target namespace.
public enum ClusterMark {
    /// The node that the pod is bound to; a label.
    public static let node = "kuscia.secretflow/node"
    /// The uid of the pod that it is a copy of; a label.
    public static let podUID = "kuscia.secretflow/pod-uid"
    /// "true" on the ConfigMap that owns a copy's objects; a label.
    public static let anchor = "swiftlet.io/anchor"
    /// Namespace and name of that pod; annotations, as names may be longer than a label's value.
    public static let podNamespace = "kuscia.secretflow/namespace"
    public static let podName = "kuscia.secretflow/pod-name"
    /// What of the pod's labels and annotations a copy was given (`ClusterMetadata`); an annotation.
    static let copied = "swiftlet.io/copied-metadata"
    /// Keeps a copy until its end was told to where it came from.
    public static let finalizer = "swiftlet.io/runk"
    /// What a pod used, as a node of ours says it of a copy.
    static let usage = KusciaAnnotation.usage
    /// On the pod itself: where its copy is, and which it is. Once said, no other copy is ever made.
    public static let copyName = "swiftlet.io/cluster-pod"
    public static let copyUID = "swiftlet.io/cluster-pod-uid"
}
