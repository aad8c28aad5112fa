// RFC 6902: a list of operations on places named by JSON pointers (RFC 6901).
import JSON

/// Why a patch cannot be applied.
struct PatchError: Error, Hashable, Sendable {
    enum Fault: Sendable {
        /// The patch itself makes no sense.
        case patch
        case tooManyOperations
        /// It does not fit the object.
        case fit
    }

    var message: String
    var fault = Fault.patch
}

enum JSONPatch {
    /// More operations are refused: each may copy the document.
    static let maximumOperations = 10_000
    /// Bytes that all `copy` operations together may add: a few of them can double a document again and again.
    static let maximumCopiedBytes = 3 << 20

    static func apply(_ patch: JSONValue, to document: JSONValue) throws(PatchError) -> JSONValue {
        guard let operations = patch.arrayValue else {
            throw PatchError(message: "a JSON patch must be an array of operations")
        }
        if operations.count > maximumOperations {
            throw PatchError(
                message: "The allowed maximum operations in a JSON patch is \(maximumOperations), got \(operations.count)",
                fault: .tooManyOperations)
        }
        var result = document
        var copied = 0
        for (index, operation) in operations.enumerated() {
            do {
                try apply(operation: operation, to: &result, &copied)
            } catch {
                throw PatchError(message: "operation \(index): \(error.message)", fault: error.fault)
            }
        }
        return result
    }

    private static func apply(
        operation: JSONValue, to document: inout JSONValue, _ copied: inout Int
    ) throws(PatchError) {
        guard let name = operation["op"]?.stringValue else { throw PatchError(message: "op is missing") }
        let path = try pointer(operation, "path")
        switch name {
        case "add":
            let value = try value(of: operation)
            try refuseDepth(value, at: path)
            try add(value, at: path[...], to: &document)
        case "remove":
            _ = try remove(path[...], from: &document)
        case "replace":
            let value = try value(of: operation)
            try refuseDepth(value, at: path)
            if path.isEmpty {
                document = value
                return
            }
            _ = try get(path, document)
            try update(path[...], in: &document, value)
        case "move":
            let from = try pointer(operation, "from")
            if path.count > from.count, path.starts(with: from) {
                throw PatchError(message: "a value cannot be moved into itself")
            }
            let value = try remove(from[...], from: &document)
            try refuseDepth(value, at: path)
            try add(value, at: path[...], to: &document)
        case "copy":
            let value = try get(try pointer(operation, "from"), document)
            copied += value.serialized().count
            if copied > maximumCopiedBytes {
                throw PatchError(message: "more than \(maximumCopiedBytes) bytes are copied")
            }
            try refuseDepth(value, at: path)
            try add(value, at: path[...], to: &document)
        case "test":
            let expected = try value(of: operation)
            guard try get(path, document) == expected else {
                throw PatchError(message: "testing value /\(path.joined(separator: "/")) failed", fault: .fit)
            }
        default:
            throw PatchError(message: "unknown op \"\(name)\"")
        }
    }

    private static func value(of operation: JSONValue) throws(PatchError) -> JSONValue {
        guard let value = operation["value"] else { throw PatchError(message: "value is missing") }
        return value
    }

    private static func pointer(_ operation: JSONValue, _ member: String) throws(PatchError) -> [String] {
        guard let text = operation[member]?.stringValue else {
            throw PatchError(message: "\(member) is missing")
        }
        if text.isEmpty { return [] }
        guard text.hasPrefix("/") else { throw PatchError(message: "\(member) must start with /") }
        return text.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map {
            String($0).replacing("~1", with: "/").replacing("~0", with: "~")
        }
    }

    private static func missing(_ path: some Sequence<String>) -> PatchError {
        PatchError(message: "the place /\(path.joined(separator: "/")) does not exist", fault: .fit)
    }

    private static func get(_ path: [String], _ document: JSONValue) throws(PatchError) -> JSONValue {
        var current = document
        for key in path {
            switch current {
            case .object(let object):
                guard let next = object[key] else { throw missing(path) }
                current = next
            case .array(let elements):
                current = elements[try index(key, within: elements.count)]
            case .null, .bool, .int, .double, .string: throw missing(path)
            }
        }
        return current
    }

    /// An array index without sign or leading zeros.
    private static func index(_ key: String, within count: Int) throws(PatchError) -> Int {
        guard key == "0" || key.first != "0", key.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let index = Int(key),
            index < count
        else { throw PatchError(message: "array index \(key) is out of bounds (\(count) elements)", fault: .fit) }
        return index
    }

    /// The document never becomes deeper than what a request may be: whoever reads, writes or frees it does so level by level.
    private static func refuseDepth(_ value: JSONValue, at path: [String]) throws(PatchError) {
        guard path.count + depth(of: value) <= JSONTape.maximumDepth else {
            throw PatchError(message: "the result would be nested deeper than \(JSONTape.maximumDepth)")
        }
    }

    private static func depth(of value: JSONValue) -> Int {
        switch value {
        case .array(let elements): 1 + (elements.lazy.map(depth).max() ?? 0)
        case .object(let object): 1 + (object.lazy.map { depth(of: $0.value) }.max() ?? 0)
        case .null, .bool, .int, .double, .string: 0
        }
    }

    private static func add(
        _ value: JSONValue, at path: ArraySlice<String>, to document: inout JSONValue
    ) throws(PatchError) {
        guard let key = path.first else {
            document = value
            return
        }
        switch document {
        case .object(var object):
            document = .null
            defer { document = .object(object) }
            if path.count == 1 {
                object[key] = value
                return
            }
            guard var child = object[key] else { throw missing(path) }
            try add(value, at: path.dropFirst(), to: &child)
            object[key] = child
        case .array(var elements):
            document = .null
            defer { document = .array(elements) }
            if path.count == 1 {
                elements.insert(value, at: key == "-" ? elements.count : try index(key, within: elements.count + 1))
                return
            }
            let place = try index(key, within: elements.count)
            try add(value, at: path.dropFirst(), to: &elements[place])
        case .null, .bool, .int, .double, .string: throw missing(path)
        }
    }

    private static func update(
        _ path: ArraySlice<String>, in document: inout JSONValue, _ value: JSONValue
    ) throws(PatchError) {
        guard let key = path.first else {
            document = value
            return
        }
        switch document {
        case .object(var object):
            document = .null
            defer { document = .object(object) }
            var child = object[key] ?? .null
            try update(path.dropFirst(), in: &child, value)
            object[key] = child
        case .array(var elements):
            document = .null
            defer { document = .array(elements) }
            let place = try index(key, within: elements.count)
            try update(path.dropFirst(), in: &elements[place], value)
        case .null, .bool, .int, .double, .string: throw missing(path)
        }
    }

    private static func remove(_ path: ArraySlice<String>, from document: inout JSONValue) throws(PatchError) -> JSONValue {
        guard let key = path.first else { throw PatchError(message: "the whole document cannot be removed", fault: .fit) }
        switch document {
        case .object(var object):
            document = .null
            defer { document = .object(object) }
            guard var child = object[key] else { throw missing(path) }
            if path.count == 1 {
                object[key] = nil
                return child
            }
            let removed = try remove(path.dropFirst(), from: &child)
            object[key] = child
            return removed
        case .array(var elements):
            document = .null
            defer { document = .array(elements) }
            let place = try index(key, within: elements.count)
            if path.count == 1 { return elements.remove(at: place) }
            return try remove(path.dropFirst(), from: &elements[place])
        case .null, .bool, .int, .double, .string: throw missing(path)
        }
    }
}
