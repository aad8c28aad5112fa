// Addresses of registries: scheme, host, port, and the rest as it stands.

/// `https://host[:port]/path?query`. Only http and https; no user part (it would be a secret in an address).
struct RegistryURL: Sendable, Hashable, CustomStringConvertible {
    var isSecure: Bool
    /// Lower case; an IPv6 address in brackets.
    var host: String
    var port: Int
    /// Path and query, beginning with "/".
    var target: String

    /// nil for anything else.
    init?(_ text: String) {
        let lower = text.prefix(8).lowercased()
        guard lower.hasPrefix("http://") || lower.hasPrefix("https://") else { return nil }
        isSecure = lower.hasPrefix("https://")
        let rest = text.dropFirst(isSecure ? 8 : 7)
        let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        guard let (host, port) = Self.authority(rest[..<end]) else { return nil }
        self.host = host
        self.port = port ?? (isSecure ? 443 : 80)
        let tail = rest[end...].prefix { $0 != "#" }
        target = tail.hasPrefix("/") ? String(tail) : "/" + tail
        guard target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
    }

    private static func authority(_ text: Substring) -> (host: String, port: Int?)? {
        guard !text.isEmpty, !text.contains("@"), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        guard let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") else { return (text.lowercased(), nil) }
        guard let port = UInt16(text[text.index(after: colon)...]), port > 0 else { return nil }
        return (text[..<colon].lowercased(), Int(port))
    }

    var scheme: String { isSecure ? "https" : "http" }
    var origin: String { "\(scheme)://\(authority)" }
    /// "host" or "host:port", as image names and credentials have it.
    var authority: String { port == (isSecure ? 443 : 80) ? host : "\(host):\(port)" }
    var description: String { origin + target }
    /// Without the query, which may carry a signature: for messages.
    var shown: String { origin + target.prefix { $0 != "?" } }

    func with(target: String) -> RegistryURL {
        var copy = self
        copy.target = target
        return copy
    }

    /// What a Location header means here. nil: nothing that can be followed.
    func resolving(_ location: String) -> RegistryURL? {
        if location.hasPrefix("//") { return RegistryURL("\(scheme):\(location)") }
        if location.hasPrefix("/") { return RegistryURL(origin + location) }
        if location.contains("://") { return RegistryURL(location) }
        let path = target.prefix { $0 != "?" }
        let directory = path[...(path.lastIndex(of: "/") ?? path.startIndex)]
        return RegistryURL(origin + directory + location)
    }

    var isLoopback: Bool { host == "localhost" || host == "[::1]" || host.hasPrefix("127.") }

    /// A value in a query or a form (RFC 3986, unreserved characters stay).
    static func escaped(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
