// Reads a configuration tree key by key, remembers which keys were asked for, and names the field in every error: so
// that a misspelt key is reported rather than ignored.
import JSON

/// A mapping of the file at `path` ("image.registries[0]").
final class ConfigurationReader {
    struct Problem: Hashable, CustomStringConvertible {
        var field: String
        var text: String
        var description: String { "\(field): \(text)" }
    }

    /// Shared by the reader and its children.
    final class Findings {
        var problems: [Problem] = []
        var unknownKeys: [String] = []
        /// Every key that means something, whether it is there or not.
        var askedKeys: Set<String> = []
    }

    let path: String
    let findings: Findings
    private let object: JSONObject
    private var known: Set<String> = []

    init(_ object: JSONObject, path: String = "", findings: Findings = Findings()) {
        self.object = object
        self.path = path
        self.findings = findings
    }

    func field(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    func fail(_ key: String, _ text: String) { findings.problems.append(Problem(field: field(key), text: text)) }

    private func value(_ key: String) -> JSONValue? {
        known.insert(key)
        findings.askedKeys.insert(key)
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    private func wrongType(_ key: String, _ value: JSONValue, expected: String) {
        fail(key, "expected \(expected), found \(value.serializedString())")
    }

    /// A scalar as text: `cpu: 4` and `cpu: "4"` mean the same.
    func string(_ key: String) -> String? {
        guard let value = value(key) else { return nil }
        switch value {
        case .string(let text): return text.isEmpty ? nil : text
        case .int(let number): return String(number)
        case .double(let number): return String(number)
        case .bool(let bool): return String(bool)
        case .null, .array, .object:
            wrongType(key, value, expected: "text")
            return nil
        }
    }

    func int(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let value = value(key) else { return nil }
        let number: Int? =
            switch value {
            case .int(let number): Int(number)
            case .string(let text): Int(text)
            case .null, .bool, .double, .array, .object: nil
            }
        guard let number else {
            wrongType(key, value, expected: "a whole number")
            return nil
        }
        guard range.contains(number) else {
            fail(key, "\(number) is not between \(range.lowerBound) and \(range.upperBound)")
            return nil
        }
        return number
    }

    func bool(_ key: String) -> Bool? {
        guard let value = value(key) else { return nil }
        guard case .bool(let bool) = value else {
            wrongType(key, value, expected: "true or false")
            return nil
        }
        return bool
    }

    /// One of an enumeration's raw values, in any case.
    func choice<Choice: RawRepresentable & CaseIterable>(_ key: String, _ type: Choice.Type) -> Choice?
    where Choice.RawValue == String {
        guard let text = string(key) else { return nil }
        if let choice = Choice.allCases.first(where: { $0.rawValue.lowercased() == text.lowercased() }) { return choice }
        fail(key, "expected one of \(Choice.allCases.map(\.rawValue).joined(separator: ", ")), found \"\(text)\"")
        return nil
    }

    /// A missing mapping reads as an empty one.
    func mapping(_ key: String) -> ConfigurationReader {
        guard let value = value(key) else { return ConfigurationReader([:], path: field(key), findings: findings) }
        guard case .object(let child) = value else {
            wrongType(key, value, expected: "a mapping")
            return ConfigurationReader([:], path: field(key), findings: findings)
        }
        return ConfigurationReader(child, path: field(key), findings: findings)
    }

    func strings(_ key: String) -> [String] {
        guard let value = value(key) else { return [] }
        guard case .array(let elements) = value else {
            wrongType(key, value, expected: "a list of texts")
            return []
        }
        return elements.enumerated().compactMap { index, element in
            if case .string(let text) = element { return text }
            wrongType("\(key)[\(index)]", element, expected: "text")
            return nil
        }
    }

    /// A mapping whose keys are names of the operator's choice.
    func texts(_ key: String) -> [String: String] {
        guard let value = value(key) else { return [:] }
        guard case .object(let child) = value else {
            wrongType(key, value, expected: "a mapping of texts")
            return [:]
        }
        let reader = ConfigurationReader(child, path: field(key), findings: findings)
        return Dictionary(
            child.keys.compactMap { name in reader.string(name).map { (name, $0) } }, uniquingKeysWith: { first, _ in first })
    }

    /// A list of mappings; each is finished by whoever reads it.
    func mappings(_ key: String) -> [ConfigurationReader] {
        guard let value = value(key) else { return [] }
        guard case .array(let elements) = value else {
            wrongType(key, value, expected: "a list of mappings")
            return []
        }
        return elements.enumerated().compactMap { index, element in
            if case .object(let child) = element {
                return ConfigurationReader(child, path: field("\(key)[\(index)]"), findings: findings)
            }
            wrongType("\(key)[\(index)]", element, expected: "a mapping")
            return nil
        }
    }

    /// A document that goes on as it is, e.g. `affinity`.
    func json(_ key: String) -> JSONValue? { value(key) }

    /// Keys that mean something to Kuscia which this version does not use (yet): no warning.
    func accept(_ keys: String...) { known.formUnion(keys) }

    /// Reports the keys that nobody asked for. Call last.
    func finish() {
        findings.unknownKeys += object.keys.filter { !known.contains($0) }.map(field)
    }
}
