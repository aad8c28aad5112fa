// Documents of the fake server: the fields it looks at, and the three kinds of patch.
import JSON
import KubernetesClient
import KubernetesModel

extension JSONValue {
    var name: String { self[path: "metadata", "name"]?.stringValue ?? "" }
    var namespace: String? { self[path: "metadata", "namespace"]?.stringValue }
    var resourceVersion: String { self[path: "metadata", "resourceVersion"]?.stringValue ?? "" }
    var hasFinalizers: Bool { self[path: "metadata", "finalizers"]?.arrayValue?.isEmpty == false }
    var defaultGraceSeconds: Int { Int(self[path: "spec", "terminationGracePeriodSeconds"]?.intValue ?? 30) }

    var labels: [String: String] {
        var result: [String: String] = [:]
        for member in self[path: "metadata", "labels"]?.objectValue ?? .init() { result[member.key] = member.value.stringValue }
        return result
    }

    /// Value of a field selector's path, e.g. "spec.nodeName".
    func field(_ path: String) -> String? {
        switch value(at: path.split(separator: ".").map(String.init)) {
        case .string(let text): text
        case .bool(let flag): String(flag)
        case .int(let number): String(number)
        case nil, .null, .double, .array, .object: nil
        }
    }

    mutating func setCondition(type: String, status: String, at time: Timestamp) {
        var conditions = self[path: "status", "conditions"]?.arrayValue ?? []
        conditions.removeAll { $0["type"]?.stringValue == type }
        conditions.append(
            ["type": .string(type), "status": .string(status), "lastTransitionTime": .string(time.description)])
        set(["status", "conditions"], to: .array(conditions))
    }

    /// RFC 7396.
    mutating func merge(_ patch: JSONValue) {
        guard case .object(let members) = patch else {
            self = patch
            return
        }
        if objectValue == nil { self = .object([:]) }
        for member in members {
            if member.value.isNull {
                self[member.key] = nil
            } else {
                var child = self[member.key] ?? .null
                child.merge(member.value)
                self[member.key] = child
            }
        }
    }

    /// Lists that strategic merge joins by a key rather than replaces.
    static let mergeKeys = [
        "conditions": "type", "addresses": "type", "containers": "name", "initContainers": "name", "volumes": "name",
        "env": "name", "podIPs": "ip", "ownerReferences": "uid",
    ]

    /// As `merge`, but well-known lists are joined by their key; directives ("$patch", "$setElementOrder/...") are ignored.
    mutating func strategicMerge(_ patch: JSONValue) {
        guard case .object(let members) = patch else {
            self = patch
            return
        }
        if objectValue == nil { self = .object([:]) }
        for member in members where !member.key.hasPrefix("$") {
            if member.value.isNull {
                self[member.key] = nil
            } else if let key = Self.mergeKeys[member.key], let additions = member.value.arrayValue {
                var elements = self[member.key]?.arrayValue ?? []
                for addition in additions {
                    if let index = elements.firstIndex(where: { $0[key] != nil && $0[key] == addition[key] }) {
                        elements[index].strategicMerge(addition)
                    } else {
                        // By way of an empty one: nulls in a patch are never stored.
                        var fresh = JSONValue.null
                        fresh.strategicMerge(addition)
                        elements.append(fresh)
                    }
                }
                self[member.key] = .array(elements)
            } else {
                var child = self[member.key] ?? .null
                child.strategicMerge(member.value)
                self[member.key] = child
            }
        }
    }

    /// RFC 6902's add, replace, remove and test.
    mutating func apply(operations: JSONValue) throws {
        for operation in operations.arrayValue ?? [] {
            let path = (operation["path"]?.stringValue ?? "").split(separator: "/", omittingEmptySubsequences: false)
                .dropFirst().map { Self.unescapedPointer(String($0)) }
            switch operation["op"]?.stringValue {
            case "add": try edit(path) { $0.insert(operation["value"] ?? .null, at: $1) }
            case "replace": try edit(path) { $0.replace($1, by: operation["value"] ?? .null) }
            case "remove": try edit(path) { $0.replace($1, by: nil) }
            case "test":
                var found: JSONValue?
                try edit(path) { parent, key in
                    found = parent[key] ?? Int(key).flatMap { parent[$0] }
                    return found != nil
                }
                guard found == operation["value"] else {
                    throw KubernetesAPIError.failure(422, "Invalid", "testing value \(path) failed")
                }
            case let other:
                throw KubernetesAPIError.failure(422, "Invalid", "operation \(other ?? "") is not known to this fake")
            }
        }
    }

    /// RFC 6901: "~1" is "/", "~0" is "~".
    private static func unescapedPointer(_ token: String) -> String {
        var result = ""
        var rest = token[...]
        while let character = rest.popFirst() {
            switch (character, rest.first) {
            case ("~", "1"?):
                result.append("/")
                rest.removeFirst()
            case ("~", "0"?):
                result.append("~")
                rest.removeFirst()
            default: result.append(character)
            }
        }
        return result
    }

    private mutating func edit(_ path: [String], _ change: (inout JSONValue, String) -> Bool) throws {
        let missing = KubernetesAPIError.failure(422, "Invalid", "no value at path \(path)")
        guard let first = path.first else { throw missing }
        if path.count == 1 {
            guard change(&self, first) else { throw missing }
        } else if case .array(var elements) = self, let index = Int(first), elements.indices.contains(index) {
            try elements[index].edit(Array(path.dropFirst()), change)
            self = .array(elements)
        } else if var child = self[first] {
            try child.edit(Array(path.dropFirst()), change)
            self[first] = child
        } else {
            throw missing
        }
    }

    private mutating func insert(_ value: JSONValue, at key: String) -> Bool {
        guard case .array(var elements) = self else {
            guard objectValue != nil else { return false }
            self[key] = value
            return true
        }
        guard let index = key == "-" ? elements.count : Int(key), (0...elements.count).contains(index) else { return false }
        elements.insert(value, at: index)
        self = .array(elements)
        return true
    }

    /// nil removes.
    private mutating func replace(_ key: String, by value: JSONValue?) -> Bool {
        guard case .array(var elements) = self else {
            guard self[key] != nil else { return false }
            self[key] = value
            return true
        }
        guard let index = Int(key), elements.indices.contains(index) else { return false }
        if let value { elements[index] = value } else { elements.remove(at: index) }
        self = .array(elements)
        return true
    }
}
