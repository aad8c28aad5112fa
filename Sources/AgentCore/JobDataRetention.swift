// Which of the directories that jobs share on a node (claims `job-<id>`) are removed: those that no pod here asks for any
// more, for longer than the node keeps them.

/// A claim's directory, as found.
public struct JobDataFact: Sendable, Hashable {
    public var namespace: String
    /// Of the claim: "job-<id>".
    public var claim: String
    /// A pod of this node, running or not removed yet, has a volume of it.
    public var isClaimed: Bool
    /// When it was last found to be claimed, or was changed.
    public var lastUsed: UnixNanoseconds

    public init(namespace: String, claim: String, isClaimed: Bool, lastUsed: UnixNanoseconds) {
        self.namespace = namespace
        self.claim = claim
        self.isClaimed = isClaimed
        self.lastUsed = lastUsed
    }
}

public enum JobDataRetention {
    /// Names of claims that hold a job's data begin so; others, such as `domain-data`, are nobody's to remove.
    public static let prefix = "job-"

    /// What has been of no use for `keptSeconds`, in the order found.
    public static func removable(_ facts: [JobDataFact], keptSeconds: Int64, now: UnixNanoseconds) -> [JobDataFact] {
        facts.filter { fact in
            !fact.isClaimed && fact.claim.hasPrefix(prefix) && fact.claim != prefix
                && fact.lastUsed.adding(seconds: keptSeconds) <= now
        }
    }
}
