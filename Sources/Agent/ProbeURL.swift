// Where an HTTP probe asks, and where a redirect leads from there (RFC 3986, section 5, as far as servers use it).

struct ProbeURL: Sendable, Hashable, CustomStringConvertible {
    var isTLS: Bool
    /// Without brackets.
    var host: String
    var port: UInt16
    /// Path and query.
    var path: String

    var description: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return "\(isTLS ? "https" : "http")://\(name):\(port)\(path)"
    }

    /// nil: it leaves the host, or is no address of HTTP.
    func following(_ location: String) -> ProbeURL? {
        let reference = location.prefix { $0 != "#" }
        var next = self
        if reference.hasPrefix("//") { return next.move(to: reference.dropFirst(2)) ? next : nil }
        if let colon = reference.firstIndex(of: ":"), !reference[..<colon].contains(where: { $0 == "/" || $0 == "?" }) {
            let (scheme, rest) = (reference[..<colon].lowercased(), reference[reference.index(after: colon)...])
            guard scheme == "http" || scheme == "https", rest.hasPrefix("//") else { return nil }
            next.isTLS = scheme == "https"
            return next.move(to: rest.dropFirst(2)) ? next : nil
        }
        next.path = joined(reference)
        return next
    }

    private func joined(_ reference: Substring) -> String {
        if reference.isEmpty { return path }
        if reference.hasPrefix("/") { return String(reference) }
        let base = path.prefix { $0 != "?" }
        if reference.hasPrefix("?") { return "\(base)\(reference)" }
        return "\(base[..<(base.lastIndex(of: "/") ?? base.startIndex)])/\(reference)"
    }

    /// False when `rest` ("host:port/path") is about another host, or none.
    private mutating func move(to rest: Substring) -> Bool {
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        let end = rest[authority.endIndex...]
        let place = authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
        let name = place.hasPrefix("[") ? place.dropFirst().prefix { $0 != "]" } : place.prefix { $0 != ":" }
        let number = place[name.endIndex...].drop { $0 == "]" }.drop { $0 == ":" }
        guard let port = number.isEmpty ? (isTLS ? 443 : 80) : UInt16(number), port > 0 else { return false }
        self.port = port
        path = end.hasPrefix("/") ? String(end) : "/" + end
        return name.lowercased() == host.lowercased()
    }
}
