// The grammars of scalar fields as the API server asks for them: text in, value or what is wrong with it out. The rules
// themselves are KubernetesModel's.
import KubernetesModel

/// RFC 3339 times as Kubernetes writes them, in UTC.
enum RFC3339 {
    /// Whole seconds since 1970 of "2026-01-31T12:00:00Z", with optional fraction and offset.
    static func seconds(_ text: String) -> Int64? { Timestamp(text)?.unixSeconds }

    static func text(seconds: Int64) -> String { Timestamp(unixSeconds: seconds).description }
}

/// Names, labels and annotation keys; nil when nothing is wrong.
enum NameFormat {
    /// Lower case letters, digits, "-" and "."; at most 253 characters.
    static func subdomainProblem(_ name: String) -> String? { DNSSubdomain.problems(with: name).first }

    /// As above without dots, at most 63 characters: namespaces, services, container names, task ids.
    static func labelProblem(_ name: String) -> String? { DNSLabel.problems(with: name).first }

    static func labelValueProblem(_ value: String) -> String? { LabelValue.problems(with: value).first }

    /// `[prefix/]name` of labels, annotations, taints and finalizers.
    static func qualifiedNameProblem(_ key: String) -> String? { LabelKey.problems(with: key).first }

    /// Names of rbac objects: anything that can stand in a path.
    static func pathSegmentProblem(_ name: String) -> String? {
        if name == "." || name == ".." { return "may not be '\(name)'" }
        if name.contains("/") { return "may not contain '/'" }
        return name.contains("%") ? "may not contain '%'" : nil
    }

    /// Names of ports (RFC 6335): at most 15 characters, a letter among them.
    static func portNameProblem(_ name: String) -> String? {
        if name.utf8.count > 15 { return "must be no more than 15 characters" }
        guard name.utf8.allSatisfy({ isLowerAlphanumeric($0) || $0 == UInt8(ascii: "-") }) else {
            return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
        }
        if !name.utf8.contains(where: { (0x61...0x7A).contains($0) }) { return "must contain at least one letter (a-z)" }
        if name.contains("--") { return "must not contain consecutive hyphens" }
        if name.hasPrefix("-") || name.hasSuffix("-") { return "must not begin or end with a hyphen" }
        return nil
    }

    /// Names of environment variables: printable ASCII without "=".
    static func environmentNameProblem(_ name: String) -> String? {
        if !name.isEmpty, name.utf8.allSatisfy({ (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "=") }) { return nil }
        return "a valid environment variable name must consist only of printable ASCII characters other than '='"
    }

    /// Keys of a ConfigMap or Secret, which become file names.
    static func dataKeyProblem(_ key: String) -> String? {
        if key.utf8.count > 253 { return "must be no more than 253 characters" }
        if key == "." || key == ".." { return "must not be '\(key)'" }
        if key.hasPrefix("..") { return "must not start with '..'" }
        let isFit =
            !key.isEmpty
            && key.utf8.allSatisfy { byte in
                isLowerAlphanumeric(byte) || (0x41...0x5A).contains(byte) || byte == 0x2D || byte == 0x2E || byte == 0x5F
            }
        if isFit { return nil }
        return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
            + "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
    }

    private static func isLowerAlphanumeric(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte)
    }
}

enum Base64 {
    /// Standard alphabet with padding; line breaks are allowed, as Go's decoder allows them.
    static func isValid(_ text: String) -> Bool {
        var count = 0
        var padding = 0
        for byte in text.utf8 where byte != 0x0A && byte != 0x0D {
            if byte == UInt8(ascii: "=") {
                padding += 1
            } else if padding > 0 || value(byte) == nil {
                return false
            } else {
                count += 1
            }
        }
        return (count + padding) % 4 == 0 && padding <= 2 && count % 4 != 1
    }

    static func decode(_ text: String) -> [UInt8]? {
        guard isValid(text) else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(text.utf8.count / 4 * 3)
        var bits: UInt32 = 0
        var count = 0
        for byte in text.utf8 {
            guard let value = value(byte) else { continue }
            bits = bits << 6 | value
            count += 1
            if count % 4 == 0 {
                result += [UInt8(bits >> 16 & 255), UInt8(bits >> 8 & 255), UInt8(bits & 255)]
                bits = 0
            }
        }
        switch count % 4 {
        case 2: result.append(UInt8(bits >> 4 & 255))
        case 3: result += [UInt8(bits >> 10 & 255), UInt8(bits >> 2 & 255)]
        default: break
        }
        return result
    }

    static func encode(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var result: [UInt8] = []
        result.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits: UInt32 = 0
            for byte in group { bits = bits << 8 | UInt32(byte) }
            bits <<= UInt32(8 * (3 - group.count))
            for position in 0..<4 {
                let sextet = Int(bits >> UInt32(18 - 6 * position) & 63)
                result.append(position <= group.count ? alphabet[sextet] : UInt8(ascii: "="))
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func value(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
