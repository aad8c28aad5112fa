// One place in config.json with its path, so that every complaint names the field it is about.

import JSON

/// Reads strictly: a value of the wrong type or range is an error; `null` counts as absent, as in Go's decoder, which
/// every caller's documents are written for. Members that nobody reads are ignored: the specification's "Extensibility"
/// forbids to fail on an unknown property.
struct ConfigField {
    let tape: JSONTape
    let node: JSONTape.Node?
    let path: String

    init(tape: JSONTape) {
        self.tape = tape
        node = tape.root
        path = ""
    }

    private init(_ tape: JSONTape, _ node: JSONTape.Node?, _ path: String) {
        self.tape = tape
        self.node = node.flatMap { tape.isNull($0) ? nil : $0 }
        self.path = path
    }

    var isPresent: Bool { node != nil }

    subscript(key: String) -> ConfigField {
        ConfigField(tape, node.flatMap { tape.member(of: $0, key) }, path.isEmpty ? key : "\(path).\(key)")
    }

    func invalid(_ reason: String) -> OCIError { .invalid(field: path.isEmpty ? "config.json" : path, reason: reason) }
    func unsupported(_ reason: String) -> OCIError { .unsupported(field: path, reason: reason) }

    private func mismatch(_ expected: String) -> OCIError {
        invalid("expected \(expected), found \(node.map { "\(tape.kind($0))" } ?? "nothing")")
    }

    // MARK: Values; nil when absent

    /// Throws when this is present and no object; true when it is one.
    @discardableResult
    func isObject() throws(OCIError) -> Bool {
        guard let node else { return false }
        guard tape.kind(node) == .object else { throw mismatch("object") }
        return true
    }

    func string() throws(OCIError) -> String? {
        guard let node else { return nil }
        guard let value = tape.string(node) else { throw mismatch("string") }
        // A path or argument with a NUL inside would be cut off by the kernel.
        guard !value.utf8.contains(0) else { throw invalid("holds a NUL byte") }
        return value
    }

    func bool() throws(OCIError) -> Bool? {
        guard let node else { return nil }
        guard let value = tape.bool(node) else { throw mismatch("true or false") }
        return value
    }

    func integer<Integer: FixedWidthInteger>(_ type: Integer.Type = Int64.self) throws(OCIError) -> Integer? {
        guard let node else { return nil }
        guard let value = tape.integer(node, as: type) else {
            throw mismatch("a whole number from \(Integer.min) to \(Integer.max)")
        }
        return value
    }

    func elements() throws(OCIError) -> [ConfigField] {
        guard let node else { return [] }
        guard tape.kind(node) == .array else { throw mismatch("array") }
        return tape.elements(of: node).enumerated().map { ConfigField(tape, $0.element, "\(path)[\($0.offset)]") }
    }

    func members() throws(OCIError) -> [(key: String, value: ConfigField)] {
        guard let node else { return [] }
        guard tape.kind(node) == .object else { throw mismatch("object") }
        return tape.members(of: node).map { ($0.key, ConfigField(tape, $0.value, "\(path).\($0.key)")) }
    }

    func strings() throws(OCIError) -> [String] {
        var values: [String] = []
        for element in try elements() { values.append(try element.requiredString()) }
        return values
    }

    func stringMap() throws(OCIError) -> [(key: String, value: String)] {
        var values: [(key: String, value: String)] = []
        for (key, field) in try members() { values.append((key, try field.requiredString())) }
        return values
    }

    // MARK: Required values

    func requiredString() throws(OCIError) -> String {
        guard let value = try string() else { throw invalid("required, and missing") }
        return value
    }

    func required<Integer: FixedWidthInteger>(_ type: Integer.Type = Int64.self) throws(OCIError) -> Integer {
        guard let value = try integer(type) else { throw invalid("required, and missing") }
        return value
    }

    func absolutePath() throws(OCIError) -> String {
        let value = try requiredString()
        guard value.hasPrefix("/") else { throw invalid("expected an absolute path, found \"\(value)\"") }
        return value
    }

    /// The bytes of this value as they stand in the document.
    func rawBytes() -> [UInt8]? { node.map { Array(tape.rawBytes($0)) } }
}
