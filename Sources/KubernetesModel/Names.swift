// The rules for names, labels and label values, with the messages of Kubernetes (apimachinery's util/validation).

private func isLowerAlphanumeric(_ byte: UInt8) -> Bool {
    (byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z")) || (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9"))
}

private func isAlphanumeric(_ byte: UInt8) -> Bool {
    isLowerAlphanumeric(byte) || (byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z"))
}

/// Alphanumeric at both ends, and between them also `inner`; not empty.
private func isDelimited(
    _ bytes: some BidirectionalCollection<UInt8>, alphanumeric: (UInt8) -> Bool, inner: (UInt8) -> Bool
) -> Bool {
    guard let first = bytes.first, let last = bytes.last else { return false }
    return alphanumeric(first) && alphanumeric(last) && bytes.allSatisfy { alphanumeric($0) || inner($0) }
}

/// The same rules over bytes in memory, for the names that break none of them: objects are full of such.
private enum ValidName {
    /// Lower case alphanumeric at both ends, "-" inside; with `dots` such labels joined by dots.
    static func isLabel(_ bytes: UnsafeBufferPointer<UInt8>, dots: Bool) -> Bool {
        var isEdge = true
        for byte in bytes {
            if isLowerAlphanumeric(byte) {
                isEdge = false
            } else if byte == UInt8(ascii: "-"), !isEdge {
                continue
            } else {
                return dots && isLabels(bytes)
            }
        }
        return !isEdge && bytes.last != UInt8(ascii: "-")
    }

    private static func isLabels(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var previous = UInt8(ascii: ".")
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "-"): if previous == UInt8(ascii: ".") { return false }
            case UInt8(ascii: "."): if previous == UInt8(ascii: ".") || previous == UInt8(ascii: "-") { return false }
            default: if !isLowerAlphanumeric(byte) { return false }
            }
            previous = byte
        }
        return previous != UInt8(ascii: ".") && previous != UInt8(ascii: "-")
    }

    static func isValue(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let first = bytes.first, let last = bytes.last, isAlphanumeric(first), isAlphanumeric(last) else { return false }
        for byte in bytes
        where !isAlphanumeric(byte) && byte != UInt8(ascii: "-") && byte != UInt8(ascii: "_") && byte != UInt8(ascii: ".") {
            return false
        }
        return true
    }

    static func isKey(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var name = bytes
        if let slash = bytes.firstIndex(of: UInt8(ascii: "/")) {
            let prefix = UnsafeBufferPointer(rebasing: bytes[..<slash])
            guard prefix.count <= DNSSubdomain.maximumLength, isLabel(prefix, dots: true) else { return false }
            name = UnsafeBufferPointer(rebasing: bytes[(slash + 1)...])
        }
        return name.count <= LabelKey.maximumNameLength && isValue(name)
    }
}

extension String {
    /// Whether the text's bytes are as `isValid` wants them.
    @inline(__always) fileprivate func bytes(are isValid: (UnsafeBufferPointer<UInt8>) -> Bool) -> Bool {
        utf8.withContiguousStorageIfAvailable(isValid) ?? false
    }
}

private func tooLong(_ limit: Int) -> String { "must be no more than \(limit) characters" }

/// Names of namespaces, containers, volumes and ports' pods (RFC 1123).
public enum DNSLabel {
    public static let maximumLength = 63
    public static let rule =
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
        + "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
        + "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"

    /// What is wrong with it; empty when nothing.
    public static func problems(with name: String) -> [String] {
        if name.bytes(are: { $0.count <= maximumLength && ValidName.isLabel($0, dots: false) }) { return [] }
        return (name.utf8.count > maximumLength ? [tooLong(maximumLength)] : []) + (hasForm(name.utf8) ? [] : [rule])
    }

    public static func isValid(_ name: String) -> Bool { problems(with: name).isEmpty }

    static func hasForm(_ bytes: some BidirectionalCollection<UInt8>) -> Bool {
        isDelimited(bytes, alphanumeric: isLowerAlphanumeric) { $0 == UInt8(ascii: "-") }
    }
}

/// Names of most objects: labels joined by dots (RFC 1123).
public enum DNSSubdomain {
    public static let maximumLength = 253
    public static let rule =
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        + "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        + "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

    public static func problems(with name: String) -> [String] {
        if name.bytes(are: { $0.count <= maximumLength && ValidName.isLabel($0, dots: true) }) { return [] }
        let hasForm = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            .allSatisfy(DNSLabel.hasForm)
        return (name.utf8.count > maximumLength ? [tooLong(maximumLength)] : []) + (hasForm ? [] : [rule])
    }

    public static func isValid(_ name: String) -> Bool { problems(with: name).isEmpty }
}

/// Keys of labels, annotations and taints: "[prefix/]name".
public enum LabelKey {
    public static let maximumNameLength = 63
    public static let nameRule =
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
        + "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
        + "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
    public static let rule =
        "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
        + "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
        + "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' "
        + "(e.g. 'example.com/MyName')"

    public static func problems(with key: String) -> [String] {
        if key.bytes(are: ValidName.isKey) { return [] }
        let parts = key.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let last = parts.last else { return [rule] }
        var problems: [String] = []
        if parts.count == 2 {
            if parts[0].isEmpty {
                problems.append("prefix part must be non-empty")
            } else {
                problems += DNSSubdomain.problems(with: String(parts[0])).map { "prefix part \($0)" }
            }
        }
        if last.isEmpty { problems.append("name part must be non-empty") }
        if last.utf8.count > maximumNameLength { problems.append("name part " + tooLong(maximumNameLength)) }
        if !LabelValue.hasForm(last.utf8) { problems.append(nameRule) }
        return problems
    }

    public static func isValid(_ key: String) -> Bool { problems(with: key).isEmpty }
}

public enum LabelValue {
    public static let maximumLength = 63
    public static let rule =
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
        + "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
        + "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

    public static func problems(with value: String) -> [String] {
        if value.isEmpty || value.bytes(are: { $0.count <= maximumLength && ValidName.isValue($0) }) { return [] }
        return (value.utf8.count > maximumLength ? [tooLong(maximumLength)] : [])
            + (value.isEmpty || hasForm(value.utf8) ? [] : [rule])
    }

    public static func isValid(_ value: String) -> Bool { problems(with: value).isEmpty }

    static func hasForm(_ bytes: some BidirectionalCollection<UInt8>) -> Bool {
        isDelimited(bytes, alphanumeric: isAlphanumeric) {
            $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
        }
    }
}
