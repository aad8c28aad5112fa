// A name and a secret for a registry, and which images they are meant for.

/// CRI's AuthConfig. Printed without its secrets.
public struct RegistryCredential: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// As the key in `auths`: "host", "host:port", "host/path", "*.example.com", a scheme before it permitted; empty: for every registry
    /// that the image's name leads to.
    public var server: String
    public var username: String
    public var password: String
    /// An OAuth2 refresh token in the password's place.
    public var identityToken: String
    /// A bearer token as it is.
    public var registryToken: String

    public init(
        server: String = "", username: String = "", password: String = "", identityToken: String = "", registryToken: String = ""
    ) {
        self.server = server
        self.username = username
        self.password = password
        self.identityToken = identityToken
        self.registryToken = registryToken
    }

    public var description: String { "credential of \"\(username)\" for \(server.isEmpty ? "the image's registry" : server)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: [:]) }

    /// Whether it may be shown to `registry` ("host" or "host:port") for an image of `repository` ("team/app"). Kubernetes' rules: labels of
    /// the host match one by one, "*" and "?" within a label; a port only if it is given, then exactly; the path as a prefix.
    public func applies(toRegistry registry: String, repository: String) -> Bool {
        if server.isEmpty { return true }
        let (host, path) = Self.parts(of: server)
        guard Self.matches(host, Self.canonical(registry)) else { return false }
        return path.isEmpty || repository == path || repository.hasPrefix(path + "/") || Self.isVersion(path)
    }

    /// Those of `all` that apply, the most specific first, else in their order.
    public static func matching(_ all: [RegistryCredential], registry: String, repository: String) -> [RegistryCredential] {
        let fitting = all.enumerated().filter { $0.element.applies(toRegistry: registry, repository: repository) }
        return fitting.sorted { left, right in
            let (a, b) = (left.element.server.utf8.count, right.element.server.utf8.count)
            return a == b ? left.offset < right.offset : a > b
        }.map(\.element)
    }

    private static func parts(of server: String) -> (host: String, path: String) {
        var text = Substring(server)
        for scheme in ["https://", "http://"] where text.hasPrefix(scheme) { text = text.dropFirst(scheme.count) }
        let pieces = text.split(separator: "/", maxSplits: 1)
        var path = pieces.count > 1 ? pieces[1] : ""
        while path.hasSuffix("/") { path = path.dropLast() }
        return (canonical(String(pieces.first ?? "")), String(path))
    }

    /// The address of the registry's own API in the file's key ("https://index.docker.io/v1/") is no part of a repository.
    private static func isVersion(_ path: String) -> Bool { path == "v1" || path == "v2" }

    /// Docker's registry has several names.
    private static func canonical(_ host: String) -> String {
        let lower = host.lowercased()
        return ["index.docker.io", "registry-1.docker.io"].contains(lower) ? "docker.io" : lower
    }

    private static func matches(_ pattern: String, _ host: String) -> Bool {
        let (wanted, found) = (pattern.split(separator: ":"), host.split(separator: ":"))
        guard let wantedName = wanted.first, let foundName = found.first else { return false }
        let (wantedPort, foundPort) = (wanted.dropFirst().first, found.dropFirst().first)
        if wantedPort != nil, wantedPort != foundPort { return false }
        let (labels, names) = (wantedName.split(separator: "."), foundName.split(separator: "."))
        return labels.count == names.count && zip(labels, names).allSatisfy { matchesLabel(Array($0.utf8), Array($1.utf8)) }
    }

    /// Goes back to the last "*" only, so that no pattern takes more than the product of both lengths.
    private static func matchesLabel(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
        var (at, position) = (0, 0)
        var star: (at: Int, position: Int)?
        while position < text.count {
            if at < pattern.count, pattern[at] == UInt8(ascii: "*") {
                star = (at, position)
                at += 1
            } else if at < pattern.count, pattern[at] == text[position] || pattern[at] == UInt8(ascii: "?") {
                (at, position) = (at + 1, position + 1)
            } else if let last = star {
                star = (last.at, last.position + 1)
                (at, position) = (last.at + 1, last.position + 1)
            } else {
                return false
            }
        }
        return pattern[at...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
