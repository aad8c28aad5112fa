// Which nodes a pod wants or tolerates (core/v1): tolerations and node affinity.

/// Lets a pod onto a node whose taint it matches.
public struct Toleration: Sendable, Hashable, Codable {
    /// Empty with operator Exists matches every taint.
    public var key: String?
    /// "Equal" (when absent) or "Exists".
    public var `operator`: String?
    public var value: String?
    /// All effects when absent.
    public var effect: TaintEffect?
    /// How long after a NoExecute taint the pod may stay.
    public var tolerationSeconds: Int64?

    public init(
        key: String? = nil, `operator`: String? = nil, value: String? = nil, effect: TaintEffect? = nil,
        tolerationSeconds: Int64? = nil
    ) {
        self.key = key
        self.operator = `operator`
        self.value = value
        self.effect = effect
        self.tolerationSeconds = tolerationSeconds
    }

    /// The rule of core/v1's Toleration.ToleratesTaint.
    public func tolerates(_ taint: Taint) -> Bool {
        if let effect, effect != taint.effect { return false }
        let key = key ?? ""
        if !key.isEmpty, key != taint.key { return false }
        return switch self.operator ?? "" {
        case "", "Equal": !key.isEmpty && (value ?? "") == (taint.value ?? "")
        case "Exists": true
        default: false
        }
    }
}

/// Only node affinity is kept: the other kinds need topology that our scheduler has not.
public struct Affinity: DefaultInitializable, Sendable {
    public var nodeAffinity: NodeAffinity?

    public init() {}

    public init(nodeAffinity: NodeAffinity? = nil) {
        self.nodeAffinity = nodeAffinity
    }
}

public struct NodeAffinity: DefaultInitializable, Sendable {
    public var requiredDuringSchedulingIgnoredDuringExecution: NodeSelector?
    @DefaultEmpty public var preferredDuringSchedulingIgnoredDuringExecution: [PreferredSchedulingTerm] = []

    public init() {}

    public init(
        requiredDuringSchedulingIgnoredDuringExecution: NodeSelector? = nil,
        preferredDuringSchedulingIgnoredDuringExecution: [PreferredSchedulingTerm] = []
    ) {
        self.requiredDuringSchedulingIgnoredDuringExecution = requiredDuringSchedulingIgnoredDuringExecution
        self.preferredDuringSchedulingIgnoredDuringExecution = preferredDuringSchedulingIgnoredDuringExecution
    }
}

/// Adds `weight` (1 to 100) to the score of the nodes that `preference` matches.
public struct PreferredSchedulingTerm: Sendable, Hashable, Codable {
    @WrittenEmpty public var weight: Int = 0
    @WrittenEmpty public var preference: NodeSelectorTerm = .init()

    public init(weight: Int = 0, preference: NodeSelectorTerm = .init()) {
        self.weight = weight
        self.preference = preference
    }
}

/// Matches a node when any term matches.
public struct NodeSelector: DefaultInitializable, Sendable {
    @WrittenEmpty public var nodeSelectorTerms: [NodeSelectorTerm] = []

    public init() {}

    public init(nodeSelectorTerms: [NodeSelectorTerm] = []) {
        self.nodeSelectorTerms = nodeSelectorTerms
    }
}

/// Matches when all expressions match; an empty term matches nothing.
public struct NodeSelectorTerm: DefaultInitializable, Sendable {
    @DefaultEmpty public var matchExpressions: [NodeSelectorRequirement] = []
    /// Over fields; only `metadata.name` exists.
    @DefaultEmpty public var matchFields: [NodeSelectorRequirement] = []

    public init() {}

    public init(matchExpressions: [NodeSelectorRequirement] = [], matchFields: [NodeSelectorRequirement] = []) {
        self.matchExpressions = matchExpressions
        self.matchFields = matchFields
    }
}

public struct NodeSelectorRequirement: Sendable, Hashable, Codable {
    @WrittenEmpty public var key: String = ""
    /// In, NotIn, Exists, DoesNotExist, Gt, Lt.
    @WrittenEmpty public var `operator`: String = ""
    @DefaultEmpty public var values: [String] = []

    public init(key: String = "", `operator`: String = "", values: [String] = []) {
        self.key = key
        self.operator = `operator`
        self.values = values
    }
}
