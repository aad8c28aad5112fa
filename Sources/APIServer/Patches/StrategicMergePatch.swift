// Strategic merge: a merge patch in which lists of objects merge by a key that the kind's schema declares.
// Rules: kubernetes/community, contributors/devel/sig-api-machinery/strategic-merge-patch.md.
import JSON

enum StrategicMergePatch {
    private static let setElementOrder = "$setElementOrder/"
    private static let deleteFromPrimitiveList = "$deleteFromPrimitiveList/"

    static func apply(_ patch: JSONValue, to target: JSONValue, schema: Schema) throws(PatchError) -> JSONValue {
        guard let changes = patch.objectValue else {
            throw PatchError(message: "a strategic merge patch must be an object", isInvalid: true)
        }
        return .object(try merge(changes, into: target.objectValue ?? JSONObject(), schema))
    }

    private static func merge(_ patch: JSONObject, into target: JSONObject, _ schema: Schema) throws(PatchError) -> JSONObject {
        var result = target
        switch patch["$patch"]?.stringValue {
        case nil, "merge": break
        case "replace": return withoutDirectives(patch)
        case "delete": return JSONObject()
        case let other?: throw PatchError(message: "unknown $patch directive \"\(other)\"", isInvalid: true)
        }
        if let kept = patch["$retainKeys"]?.arrayValue {
            let names = Set(kept.compactMap(\.stringValue))
            for key in result.keys where !names.contains(key) { result[key] = nil }
        }
        for (key, change) in patch where !key.hasPrefix("$") {
            let member = schema.member(key)
            if change.isNull {
                result[key] = nil
            } else if case .object(let changes) = change {
                if changes["$patch"]?.stringValue == "delete" {
                    result[key] = nil
                } else {
                    result[key] = .object(try merge(changes, into: result[key]?.objectValue ?? JSONObject(), member))
                }
            } else if case .array(let elements) = change {
                result[key] = .array(try merge(elements, into: result[key]?.arrayValue ?? [], member))
            } else {
                result[key] = change
            }
        }
        for (key, change) in patch where key.hasPrefix(deleteFromPrimitiveList) {
            let name = String(key.dropFirst(deleteFromPrimitiveList.count))
            let removed = Set(change.arrayValue ?? [])
            if let elements = result[name]?.arrayValue { result[name] = .array(elements.filter { !removed.contains($0) }) }
        }
        return result
    }

    private static func merge(
        _ patch: [JSONValue], into target: [JSONValue], _ schema: Schema
    ) throws(PatchError) -> [JSONValue] {
        guard case .array(let element, let mergeKey) = schema, let mergeKey else {
            return patch.map { $0.objectValue.map { .object(withoutDirectives($0)) } ?? $0 }
        }
        if mergeKey.isEmpty { return target + patch.filter { !target.contains($0) } }
        var result = target
        if patch.contains(where: { $0["$patch"]?.stringValue == "replace" }) {
            return patch.filter { $0["$patch"] == nil }
        }
        for change in patch {
            guard let changes = change.objectValue, let identity = changes[mergeKey] else {
                throw PatchError(
                    message: "map: \(change) does not contain declared merge key: \(mergeKey)", isInvalid: true)
            }
            let place = result.firstIndex { $0[mergeKey] == identity }
            if changes["$patch"]?.stringValue == "delete" {
                result.removeAll { $0[mergeKey] == identity }
            } else if let place {
                result[place] = .object(try merge(changes, into: result[place].objectValue ?? JSONObject(), element))
            } else {
                result.append(.object(try merge(changes, into: JSONObject(), element)))
            }
        }
        return result
    }

    private static func withoutDirectives(_ object: JSONObject) -> JSONObject {
        JSONObject(object.filter { !$0.key.hasPrefix("$") }.map { ($0.key, $0.value) })
    }
}

extension Schema {
    /// The schema of an object's member; `any` where nothing is declared.
    fileprivate func member(_ name: String) -> Schema {
        switch self {
        case .object(let object): object[name]?.schema ?? .any
        case .map(let element): element
        case .string, .enumeration, .dateTime, .bytes, .integer, .number, .boolean, .quantity, .intOrString, .any, .array: .any
        }
    }
}
