// When a mounted service account token is fetched again: long before it ends, and not all tokens of a node at once.
import KubernetesModel

/// Times in Unix seconds.
public struct ServiceAccountTokenLife: Sendable, Hashable, Codable {
    /// A kubelet's bounds: at four fifths of its life, or after a day.
    static let longestUse: Int64 = 24 * 3600
    /// Tokens made in the same second spread over so many.
    static let jitterSeconds: UInt64 = 10

    public var issuedAt: Int64
    public var expiresAt: Int64

    public init(issuedAt: Int64, expiresAt: Int64) {
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
    }

    /// `seed` tells tokens apart, e.g. by a hash of pod and path.
    public func refreshAt(seed: UInt64) -> Int64 {
        let life = max(0, expiresAt - issuedAt)
        let early = Int64(seed % Self.jitterSeconds)
        return max(issuedAt, min(issuedAt + life / 5 * 4, issuedAt + Self.longestUse) - early)
    }
}

/// FNV-1a: the same in every life of the agent, unlike Swift's own hashing.
public enum StableHash {
    public static func of(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
