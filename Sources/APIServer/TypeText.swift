// The language in which kinds declare their types: one line a field, as short as the facts allow.
//
//     type ContainerPort -- A port of a container.
//       3 containerPort int32! -- What the process listens on.
//       4 protocol enum(TCP|UDP|SCTP) =TCP
//       6 ports []ContainerPort merge(containerPort) map(containerPort,protocol)
//       2 inline VolumeSource
//
// A field is: number in Kubernetes' protobuf (0: none), name, type, marks, description. Types: string, bool, int32, int64,
// count (int32, not negative), double, bytes, time, microTime, quantity, intOrString, any, enum(A|B), the name of a type
// ("core." and "meta." for those packages), []T, {}T (free names). Behind the type: `!` required; `?` a scalar whose zero
// value is not the same as none (a pointer in Go). Marks: `=value` (default, as JSON or bare text), merge(key) and retainKeys
// (strategic merge patch), map(keys) and set (list type), min(n), max(n). `inline T`: T's fields stand in this object;
// protobuf nests them. `kind` instead of `type`: a document of its own, with apiVersion and kind.
import JSON

/// A text of declarations with the package of its types: "io.k8s.api.core.v1".
struct TypeText: Sendable {
    let package: String
    let text: String

    /// Types that several kinds need; those of one kind alone stand in its file.
    static let shared: [TypeText] = [.meta, .containers, .placement, .volumes, .foreignVolumes, .deployments, .pod]

    init(package: String, _ text: String) {
        self.package = package
        self.text = text
    }

    static let packages = [
        "core": "io.k8s.api.core.v1", "meta": "io.k8s.apimachinery.pkg.apis.meta.v1", "apps": "io.k8s.api.apps.v1",
    ]

    /// "type " and "kind ".
    private static let headLength = 5

    static func isHead(_ line: Substring) -> Bool { line.hasPrefix("type ") || line.hasPrefix("kind ") }

    /// Each declared type's full name with its lines, the head first.
    var types: [(name: String, lines: Substring)] {
        var result: [(name: String, lines: Substring)] = []
        var start = text.startIndex
        var name: String?
        for line in text.split(separator: "\n") where Self.isHead(line) {
            if let name { result.append((name, text[start..<line.startIndex])) }
            start = line.startIndex
            name = "\(package).\(line.dropFirst(Self.headLength).prefix { $0 != " " })"
        }
        if let name { result.append((name, text[start...])) }
        return result
    }
}

/// One line of a declaration, taken apart; nil for one that is none. That is a mistake in this program: the library notes it, and
/// `TypeLibraryTests` reads them all.
struct FieldDeclaration {
    let number: Int
    let name: Substring
    let type: Substring
    let marks: [Substring]
    let description: Substring

    init?(_ line: Substring) {
        var words = line
        var description: Substring = ""
        if let dash = line.firstRange(of: " -- ") {
            words = line[..<dash.lowerBound]
            description = line[dash.upperBound...]
        }
        let parts = words.split(separator: " ")
        guard parts.count >= 3, let number = Int(parts[0]) else { return nil }
        self.number = number
        name = parts[1]
        isRequired = parts[2].last == "!"
        isPointer = parts[2].last == "?"
        type = isRequired || isPointer ? parts[2].dropLast() : parts[2]
        marks = Array(parts[3...])
        self.description = description
    }

    let isRequired: Bool
    let isPointer: Bool

    /// The text in parentheses of a mark: "merge(name)" -> "name".
    func argument(_ mark: String) -> Substring? {
        for found in marks where found.hasPrefix(mark + "(") && found.hasSuffix(")") {
            return found.dropFirst(mark.count + 1).dropLast()
        }
        return nil
    }

    func has(_ mark: Substring) -> Bool { marks.contains(mark) }

    /// What `=` says: JSON, or bare text where the schema wants text.
    var defaultText: String? { marks.first { $0.hasPrefix("=") }.map { String($0.dropFirst()) } }

    /// nil when the default's text is no such value.
    static func defaultValue(_ text: String, _ schema: Schema) -> JSONValue? {
        switch schema {
        case .string, .enumeration, .dateTime, .bytes, .quantity: return .string(text)
        case .integer, .number, .boolean, .intOrString, .any, .array, .map, .object:
            return try? JSONValue(parsing: text)
        }
    }
}
