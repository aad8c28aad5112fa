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
        (name.utf8.count > maximumLength ? [tooLong(maximumLength)] : []) + (hasForm(name.utf8) ? [] : [rule])
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
        (value.utf8.count > maximumLength ? [tooLong(maximumLength)] : [])
            + (value.isEmpty || hasForm(value.utf8) ? [] : [rule])
    }

    public static func isValid(_ value: String) -> Bool { problems(with: value).isEmpty }

    static func hasForm(_ bytes: some BidirectionalCollection<UInt8>) -> Bool {
        isDelimited(bytes, alphanumeric: isAlphanumeric) {
            $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
        }
    }
}
