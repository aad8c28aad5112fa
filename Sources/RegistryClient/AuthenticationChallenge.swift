// How a registry wants to be shown who we are: its WWW-Authenticate header (RFC 9110, 11.6.1; distribution's token protocol).

enum AuthenticationChallenge: Sendable, Hashable {
    case basic
    /// `realm` is the token server's address.
    case bearer(realm: String, service: String?)

    /// The best of the header's challenges that is understood, bearer before basic; nil: none is.
    static func best(of headers: [String]) -> AuthenticationChallenge? {
        let all = headers.prefix(8).compactMap { AuthenticationChallenge($0) }
        return all.first { $0 != .basic } ?? all.first
    }

    init?(_ header: String) {
        let text = header.prefix(4096)
        let scheme = text.prefix { $0 != " " }.lowercased()
        switch scheme {
        case "basic": self = .basic
        case "bearer":
            let values = Self.parameters(text.dropFirst(scheme.count))
            guard let realm = values["realm"], !realm.isEmpty else { return nil }
            self = .bearer(realm: realm, service: values["service"])
        default: return nil
        }
    }

    /// `name="value", name=value`; the first of equal names counts.
    private static func parameters(_ text: Substring) -> [String: String] {
        var values: [String: String] = [:]
        var rest = text
        while let equals = rest.firstIndex(of: "=") {
            let name = rest[..<equals].filter { $0 != " " && $0 != "," }.lowercased()
            rest = rest[rest.index(after: equals)...]
            var value = ""
            if rest.first == "\"" {
                rest = rest.dropFirst()
                while let character = rest.popFirst(), character != "\"" {
                    value.append(character == "\\" ? rest.popFirst() ?? "\\" : character)
                }
            } else {
                value = String(rest.prefix { $0 != "," && $0 != " " })
                rest = rest.dropFirst(value.count)
            }
            if values[name] == nil { values[name] = value }
        }
        return values
    }
}
