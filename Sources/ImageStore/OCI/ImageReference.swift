// The name of an image as people write it, and in full (distribution's reference grammar).

/// `[registry[:port]/]repository[:tag][@digest]`. Without a registry it is the default one; without tag and digest, tag `latest`.
public struct ImageReference: Sendable, Hashable, CustomStringConvertible {
    /// Why a text is no image name, in words that fit behind it.
    public struct Malformed: Error, Sendable, Hashable, CustomStringConvertible {
        public var text: String
        public var reason: String
        public var description: String { "invalid image name \"\(text.prefix(300))\": \(reason)" }
    }

    public static let dockerHub = "docker.io"
    /// Distribution's bound on registry and repository together.
    static let maximumNameBytes = 255

    /// "docker.io", "registry.example:5000".
    public let registry: String
    /// "library/busybox".
    public let repository: String
    public let tag: String?
    public let digest: ContentDigest?

    /// `defaultRegistry` is put before names without a registry; it may end with a path ("registry.example/secretflow").
    public init(_ text: String, defaultRegistry: String? = nil) throws(Malformed) {
        func malformed(_ reason: String) -> Malformed { Malformed(text: text, reason: reason) }
        guard !text.isEmpty else { throw malformed("must not be empty") }
        var rest = text[...]
        var digest: ContentDigest?
        if let at = rest.firstIndex(of: "@") {
            digest = ContentDigest(rest[rest.index(after: at)...])
            guard digest != nil else { throw malformed("behind @ expected sha256: and 64 lower-case hexadecimal digits") }
            rest = rest[..<at]
        }
        var tag: String?
        let lastSlash = rest.lastIndex(of: "/") ?? rest.startIndex
        if let colon = rest[lastSlash...].firstIndex(of: ":") {
            let name = String(rest[rest.index(after: colon)...])
            guard Self.isTag(name) else {
                throw malformed("tag: expected letters, digits, _ . and -, at most 128, found \"\(name.prefix(140))\"")
            }
            tag = name
            rest = rest[..<colon]
        }
        var name = String(rest)
        if !Self.hasRegistry(name) {
            if let defaultRegistry, !defaultRegistry.isEmpty {
                name = "\(defaultRegistry)/\(name)"
                guard Self.hasRegistry(name) else {
                    throw malformed("default registry: expected a host, found \"\(defaultRegistry)\"")
                }
            } else {
                name = "\(Self.dockerHub)/" + (name.contains("/") ? name : "library/\(name)")
            }
        }
        guard name.utf8.count <= Self.maximumNameBytes else { throw malformed("longer than \(Self.maximumNameBytes) bytes") }
        let slash = name.firstIndex(of: "/") ?? name.endIndex
        let registry = String(name[..<slash])
        let path = String(name[slash...].dropFirst())
        guard Self.isRegistry(registry) else { throw malformed("registry: expected host or host:port, found \"\(registry)\"") }
        for part in path.split(separator: "/", omittingEmptySubsequences: false) where !Self.isPathComponent(part) {
            throw malformed(
                "repository: expected lower-case letters, digits and single separators . _ __ - between them, found \"\(part)\"")
        }
        let isHub = registry == Self.dockerHub || registry == "index.docker.io"
        self.registry = isHub ? Self.dockerHub : registry
        repository = isHub && !path.contains("/") ? "library/\(path)" : path
        self.tag = tag ?? (digest == nil ? "latest" : nil)
        self.digest = digest
    }

    private init(registry: String, repository: String, tag: String?, digest: ContentDigest?) {
        self.registry = registry
        self.repository = repository
        self.tag = tag
        self.digest = digest
    }

    /// "registry/repository".
    public var name: String { "\(registry)/\(repository)" }

    /// In full: what references are stored and compared by.
    public var description: String {
        name + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "")
    }

    /// As short as it may be written without a default registry.
    public var familiar: String {
        var short = description
        if registry == Self.dockerHub {
            short.removeFirst(Self.dockerHub.count + 1)
            if short.hasPrefix("library/") { short.removeFirst("library/".count) }
        }
        return short
    }

    /// Digest or tag: the last part of a manifest's address. A digest wins over a tag beside it.
    public var manifestName: String { digest?.description ?? tag ?? "latest" }

    public func with(tag: String) -> ImageReference {
        ImageReference(registry: registry, repository: repository, tag: tag, digest: nil)
    }

    public func with(digest: ContentDigest) -> ImageReference {
        ImageReference(registry: registry, repository: repository, tag: nil, digest: digest)
    }

    // MARK: - Grammar

    /// A first part with a dot or a port, or "localhost", is a host.
    private static func hasRegistry(_ name: String) -> Bool {
        guard let slash = name.firstIndex(of: "/") else { return false }
        let first = name[..<slash]
        return first.contains(".") || first.contains(":") || first == "localhost" || first.contains(where: \.isUppercase)
    }

    private static func isRegistry(_ text: String) -> Bool {
        var host = text[...]
        if let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") {
            guard let port = UInt16(text[text.index(after: colon)...]), port > 0 else { return false }
            host = text[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            return host.utf8.count > 2 && host.dropFirst().dropLast().utf8.allSatisfy { isHex($0) || $0 == UInt8(ascii: ":") }
        }
        return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            guard let first = label.utf8.first, let last = label.utf8.last else { return false }
            return isLetterOrDigit(first) && isLetterOrDigit(last)
                && label.utf8.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
        }
    }

    /// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
    private static func isPathComponent(_ text: Substring) -> Bool {
        var separator = ""
        var isFirst = true
        for byte in text.utf8 {
            if isLowerOrDigit(byte) {
                guard separator.isEmpty || !isFirst, separator.isEmpty || isSeparator(separator) else { return false }
                separator = ""
                isFirst = false
            } else {
                separator.append(Character(UnicodeScalar(byte)))
            }
        }
        return !isFirst && separator.isEmpty
    }

    private static func isSeparator(_ text: String) -> Bool {
        text == "." || text == "_" || text == "__" || text.utf8.allSatisfy { $0 == UInt8(ascii: "-") }
    }

    static func isTag(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= 128 else { return false }
        return (isLetterOrDigit(first) || first == UInt8(ascii: "_"))
            && text.utf8.allSatisfy {
                isLetterOrDigit($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
            }
    }

    private static func isLowerOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        isLowerOrDigit(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }

    private static func isHex(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }
}
