// Strategic merge: a merge patch in which lists of objects merge by a key that the kind's schema declares.
// Rules: kubernetes/community, contributors/devel/sig-api-machinery/strategic-merge-patch.md.
import JSON

enum StrategicMergePatch {
    static let patchDirective = "$patch"
    static let retainKeys = "$retainKeys"
    static let setElementOrder = "$setElementOrder/"
    static let deleteFromPrimitiveList = "$deleteFromPrimitiveList/"

    static func apply(_ patch: JSONValue, to target: JSONValue, schema: Schema) throws(PatchError) -> JSONValue {
        guard let changes = patch.objectValue else { throw PatchError(message: "a strategic merge patch must be an object") }
        return .object(try merge(changes, into: target.objectValue ?? JSONObject(), schema))
    }

    // MARK: Objects

    private static func merge(_ patch: JSONObject, into target: JSONObject, _ schema: Schema) throws(PatchError) -> JSONObject {
        switch patch[patchDirective] {
        case nil, "merge"?: break
        case "replace"?: return withoutDirectives(patch)
        case "delete"?: return JSONObject()
        case let other?: throw PatchError(message: "unknown patch type \(other) in map")
        }
        var result = target
        try retain(patch, &result)
        // Lists whose order is given are merged and put in order in one step.
        var ordered: Set<String> = []
        for (key, order) in patch where key.hasPrefix(setElementOrder) {
            let name = String(key.dropFirst(setElementOrder.count))
            ordered.insert(name)
            guard let order = order.arrayValue else { throw PatchError(message: "\(key): must be a list") }
            try mergeInOrder(order, patch[name], name, &result, schema.member(name))
        }
        for (key, change) in patch where key.hasPrefix(deleteFromPrimitiveList) { try deletePrimitives(key, change, &result) }
        let plain = patch.filter { member in
            if member.key.hasPrefix("$") { return false }
            if ordered.contains(member.key), case .array = member.value { return false }
            return true
        }
        try result.change(plain) { (change, present) throws(PatchError) in
            try merged(change.value, into: present, schema.member(change.key))
        }
        return result
    }

    /// nil: the member goes away.
    private static func merged(_ change: JSONValue, into value: JSONValue?, _ schema: Schema) throws(PatchError) -> JSONValue? {
        switch (change, value) {
        case (.null, _): nil
        case (.object(let changes), .object(let present)?): .object(try merge(changes, into: present, schema))
        case (.object(let changes), _): .object(try merge(changes, into: JSONObject(), schema))
        case (.array(let elements), .array(let present)?): .array(try merge(elements, into: present, schema))
        case (.array(let elements), _): .array(try checkedElements(elements, schema).compactMap(withoutDirectives))
        case (.bool, _), (.int, _), (.double, _), (.string, _): change
        }
    }

    /// Members that are not named go; all that the patch sets must be named.
    private static func retain(_ patch: JSONObject, _ result: inout JSONObject) throws(PatchError) {
        guard let kept = patch[retainKeys] else { return }
        guard let list = kept.arrayValue else { throw PatchError(message: "\(retainKeys): must be a list") }
        let names = Set(list.compactMap(\.stringValue))
        for (key, value) in patch where !key.hasPrefix("$") && !value.isNull && !names.contains(key) {
            throw PatchError(message: "\(retainKeys): \(key) is in the patch but not in the list")
        }
        result.keep(only: names)
    }

    private static func deletePrimitives(_ key: String, _ change: JSONValue, _ result: inout JSONObject) throws(PatchError) {
        let name = String(key.dropFirst(deleteFromPrimitiveList.count))
        guard let unwanted = change.arrayValue else { throw PatchError(message: "\(key): must be a list") }
        guard let elements = result[name]?.arrayValue else { return }
        let removed = Set(unwanted)
        result[name] = .array(elements.filter { !removed.contains($0) })
    }

    // MARK: Lists

    private static func mergeKey(_ schema: Schema) -> (element: Schema, key: String)? {
        guard case .array(let element, let key?) = schema else { return nil }
        return (element, key)
    }

    /// A list without a key is replaced; one of scalars with the empty key is a set; one of objects merges by its key.
    private static func merge(
        _ patch: [JSONValue], into target: [JSONValue], _ schema: Schema
    ) throws(PatchError) -> [JSONValue] {
        guard let (element, key) = mergeKey(schema) else { return patch.compactMap(withoutDirectives) }
        if key.isEmpty { return inOrder(unique(target + patch), by: patch, server: target, key: key) }
        let (kept, changes) = try special(patch, target, key)
        guard let changes else { return kept }
        return inOrder(try merge(changes, into: kept, element, key), by: changes, server: kept, key: key)
    }

    /// `$setElementOrder/name`: merged, then brought in the given order; what it does not name keeps its place relative to
    /// the elements that were there before.
    private static func mergeInOrder(
        _ order: [JSONValue], _ patch: JSONValue?, _ name: String, _ result: inout JSONObject, _ schema: Schema
    ) throws(PatchError) {
        let present = result[name]?.arrayValue
        let changes = patch?.arrayValue
        guard present != nil || changes != nil else { return }
        let server = present ?? []
        guard let (element, key) = mergeKey(schema) else {
            if let changes { result[name] = .array(changes.compactMap(withoutDirectives)) }
            return
        }
        var merged = server
        if let changes, key.isEmpty {
            try checkOrder(changes, order, key, name)
            merged = unique(server + changes)
        } else if let changes {
            let (kept, plain) = try special(changes, server, key)
            try checkOrder(plain ?? kept, order, key, name)
            merged = try plain.map { (plain) throws(PatchError) in try merge(plain, into: kept, element, key) } ?? kept
        }
        result[name] = .array(inOrder(merged, by: order, server: server, key: key))
    }

    /// Carries out the elements with `$patch`. `changes` nil: the list is replaced by `kept`.
    private static func special(
        _ patch: [JSONValue], _ target: [JSONValue], _ key: String
    ) throws(PatchError) -> (kept: [JSONValue], changes: [JSONValue]?) {
        var deleted: Set<JSONValue> = []
        var changes: [JSONValue] = []
        var replaces = false
        for change in patch {
            guard change.objectValue != nil else { throw PatchError(message: "\(change): the elements of this list are objects") }
            switch change[patchDirective] {
            case nil, "merge"?: changes.append(change)
            case "replace"?: replaces = true
            case "delete"?:
                guard let identity = change[key] else { throw missingKey(change, key) }
                deleted.insert(identity)
            case let other?: throw PatchError(message: "unknown patch type \(other) in list")
            }
        }
        if replaces { return (changes.compactMap(withoutDirectives), nil) }
        return (
            deleted.isEmpty ? target : target.filter { element in element[key].map { !deleted.contains($0) } ?? true }, changes
        )
    }

    private static func merge(
        _ changes: [JSONValue], into target: [JSONValue], _ element: Schema, _ key: String
    ) throws(PatchError) -> [JSONValue] {
        var result = target
        var places = Dictionary(
            target.enumerated().compactMap { place, element in element[key].map { ($0, place) } },
            uniquingKeysWith: { first, _ in first })
        for change in changes {
            guard let members = change.objectValue, let identity = change[key] else { throw missingKey(change, key) }
            if let place = places[identity] {
                result[place] = .object(try merge(members, into: result[place].objectValue ?? JSONObject(), element))
            } else {
                places[identity] = result.count
                result.append(.object(try merge(members, into: JSONObject(), element)))
            }
        }
        return result
    }

    private static func checkedElements(_ elements: [JSONValue], _ schema: Schema) throws(PatchError) -> [JSONValue] {
        guard let (_, key) = mergeKey(schema), !key.isEmpty else { return elements }
        for element in elements where element[patchDirective] == nil && element[key] == nil { throw missingKey(element, key) }
        return elements
    }

    private static func missingKey(_ change: JSONValue, _ key: String) -> PatchError {
        PatchError(message: "map: \(change) does not contain declared merge key: \(key)")
    }

    private static func unique(_ elements: [JSONValue]) -> [JSONValue] {
        var seen: Set<JSONValue> = []
        return elements.filter { seen.insert($0).inserted }
    }

    // MARK: Order

    /// The elements that `order` names, in that order, woven with the others, which keep the server's order: of two whose
    /// place the server knows, the earlier comes first; new ones come as early as they can.
    private static func inOrder(_ merged: [JSONValue], by order: [JSONValue], server: [JSONValue], key: String) -> [JSONValue] {
        let wanted = positions(order, key)
        let known = positions(server, key)
        var named: [(place: Int, element: JSONValue)] = []
        var others: [(place: Int, element: JSONValue)] = []
        for element in merged {
            let identity = identity(element, key)
            if let place = wanted[identity] {
                named.append((place, element))
            } else {
                others.append((known[identity] ?? -1, element))
            }
        }
        // Stable, because equal keys may occur in a stored list.
        named = stablySorted(named)
        others = stablySorted(others)
        var result: [JSONValue] = []
        result.reserveCapacity(merged.count)
        var (left, right) = (others[...], named[...])
        while let other = left.first, let next = right.first {
            let place = known[identity(next.element, key)]
            if let place, other.place >= 0, other.place < place {
                result.append(other.element)
                left = left.dropFirst()
            } else {
                result.append(next.element)
                right = right.dropFirst()
            }
        }
        return result + left.map(\.element) + right.map(\.element)
    }

    private static func stablySorted(_ items: [(place: Int, element: JSONValue)]) -> [(place: Int, element: JSONValue)] {
        items.enumerated().sorted { ($0.element.place, $0.offset) < ($1.element.place, $1.offset) }.map(\.element)
    }

    private static func identity(_ element: JSONValue, _ key: String) -> JSONValue {
        key.isEmpty ? element : element[key] ?? .null
    }

    private static func positions(_ elements: [JSONValue], _ key: String) -> [JSONValue: Int] {
        Dictionary(elements.enumerated().map { (identity($1, key), $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// What the patch sets must stand in the order list, and in its order.
    private static func checkOrder(
        _ changes: [JSONValue], _ order: [JSONValue], _ key: String, _ name: String
    ) throws(PatchError) {
        if changes.isEmpty || order.isEmpty { return }
        var rest = changes[...]
        for element in order {
            guard let next = rest.first else { return }
            if identity(next, key) == identity(element, key) { rest = rest.dropFirst() }
        }
        if !rest.isEmpty {
            throw PatchError(
                message: "the order in the patch list \(JSONValue.array(changes)) doesn't match \(setElementOrder)\(name) "
                    + "\(JSONValue.array(order))")
        }
    }

    // MARK: Directives

    private static func withoutDirectives(_ object: JSONObject) -> JSONObject {
        var result: [JSONObject.Member] = []
        result.reserveCapacity(object.count)
        for (key, value) in object where key.utf8.first != UInt8(ascii: "$") && !value.isNull {
            if let value = withoutDirectives(value) { result.append(JSONObject.Member(key, value)) }
        }
        return JSONObject(distinctMembers: result)
    }

    /// nil: an element that only asks for a deletion.
    private static func withoutDirectives(_ value: JSONValue) -> JSONValue? {
        switch value {
        case .object(let object): object[patchDirective] == "delete" ? nil : .object(withoutDirectives(object))
        case .array(let elements): .array(elements.compactMap(withoutDirectives))
        case .null, .bool, .int, .double, .string: value
        }
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
