// The kubeconfig's text: lists of named parts, as client-go writes them.
import Yams

extension Kubeconfig {
    private struct File: Codable {
        struct NamedCluster: Codable {
            var name: String
            var cluster: Cluster
        }
        struct NamedUser: Codable {
            var name: String
            /// Absent when the user has no credentials.
            var user: User?
        }
        struct NamedContext: Codable {
            var name: String
            var context: Context
        }

        var apiVersion: String?
        var kind: String?
        var clusters: [NamedCluster]?
        var users: [NamedUser]?
        var contexts: [NamedContext]?
        var currentContext: String?

        enum CodingKeys: String, CodingKey {
            case apiVersion, kind, clusters, users, contexts
            case currentContext = "current-context"
        }
    }

    /// Far above any real file; a limit on what a mistaken path can cost.
    public static let maximumBytes = 4 << 20

    public init(parsing text: String) throws(KubeconfigError) {
        guard text.utf8.count <= Self.maximumBytes else {
            throw KubeconfigError("\(text.utf8.count) bytes: expected at most \(Self.maximumBytes)")
        }
        let file: File
        do {
            file = try YAMLDecoder().decode(File.self, from: text)
        } catch {
            throw KubeconfigError(Self.describe(error))
        }
        if let kind = file.kind, kind != "Config" { throw KubeconfigError("kind: expected Config, found \(kind)") }
        // The first of two parts of one name counts, as in client-go.
        clusters = Dictionary((file.clusters ?? []).map { ($0.name, $0.cluster) }, uniquingKeysWith: { first, _ in first })
        users = Dictionary((file.users ?? []).map { ($0.name, $0.user ?? User()) }, uniquingKeysWith: { first, _ in first })
        contexts = Dictionary((file.contexts ?? []).map { ($0.name, $0.context) }, uniquingKeysWith: { first, _ in first })
        currentContext = file.currentContext ?? ""
    }

    /// The file's text. It holds secrets: write it for its owner only (mode 0600).
    public func yaml() throws -> String {
        let file = File(
            apiVersion: "v1", kind: "Config",
            clusters: clusters.sorted { $0.key < $1.key }.map { .init(name: $0.key, cluster: $0.value) },
            users: users.sorted { $0.key < $1.key }.map { .init(name: $0.key, user: $0.value) },
            contexts: contexts.sorted { $0.key < $1.key }.map { .init(name: $0.key, context: $0.value) },
            currentContext: currentContext)
        let encoder = YAMLEncoder()
        // Base64 must stay on one line.
        encoder.options.width = -1
        return try encoder.encode(file)
    }

    private static func describe(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "not YAML: \(error)" }
        switch error {
        case .keyNotFound(let key, let context): return at(context.codingPath + [key]) + ": required, but missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            guard let underlying = context.underlyingError, context.codingPath.isEmpty else {
                return at(context.codingPath) + ": " + context.debugDescription
            }
            return "not YAML: \(underlying)"
        @unknown default: return "\(error)"
        }
    }

    private static func at(_ path: [any CodingKey]) -> String {
        var result = ""
        for key in path {
            if let index = key.intValue {
                result += "[\(index)]"
            } else {
                result += result.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
        return result.isEmpty ? "the document" : result
    }
}
