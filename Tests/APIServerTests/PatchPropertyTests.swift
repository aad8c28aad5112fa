// Properties of the three patch languages over generated documents. A failure prints its seed.
import JSON
import Testing

@testable import APIServer

struct PatchPropertyTests {
    private static func value(_ random: inout SeededGenerator, depth: Int, nulls: Bool = true) -> JSONValue {
        switch random.below(depth > 0 ? 7 : 4) {
        case 0: return nulls ? .null : .bool(false)
        case 1: return .int(Int64(random.below(5)))
        case 2: return .string(random.one(of: ["", "x", "a/b", "~", "~1"]))
        case 3: return .bool(random.below(2) == 0)
        case 4: return .array((0..<random.below(4)).map { _ in value(&random, depth: depth - 1, nulls: nulls) })
        default:
            var object = JSONObject()
            for _ in 0..<random.below(4) {
                object[random.one(of: ["a", "b", "a/b", "~0", ""])] = value(&random, depth: depth - 1, nulls: nulls)
            }
            return .object(object)
        }
    }

    // MARK: JSON patch

    private static func escaped(_ key: String) -> String { key.replacing("~", with: "~0").replacing("/", with: "~1") }

    /// Operations that lead from one document to the other: a plain diff that uses every operation but test.
    private static func diff(_ old: JSONValue, _ new: JSONValue, at path: String, _ random: inout SeededGenerator) -> [JSONValue]
    {
        if old == new { return [] }
        switch (old, new) {
        case (.object(let before), .object(let after)):
            var operations: [JSONValue] = []
            for key in before.keys where after[key] == nil {
                operations.append(["op": "remove", "path": .string("\(path)/\(escaped(key))")])
            }
            for (key, value) in after {
                let place = "\(path)/\(escaped(key))"
                if let present = before[key] {
                    operations += diff(present, value, at: place, &random)
                } else {
                    operations.append(["op": "add", "path": .string(place), "value": value])
                }
            }
            return operations
        case (.array(let before), .array(let after)):
            var operations: [JSONValue] = []
            let common = min(before.count, after.count)
            for index in 0..<common { operations += diff(before[index], after[index], at: "\(path)/\(index)", &random) }
            for index in stride(from: before.count - 1, through: common, by: -1) where before.count > common {
                operations.append(["op": "remove", "path": .string("\(path)/\(index)")])
            }
            for index in common..<max(common, after.count) {
                let place = random.below(2) == 0 ? "-" : "\(index)"
                operations.append(["op": "add", "path": .string("\(path)/\(place)"), "value": after[index]])
            }
            return operations
        default:
            return [["op": random.below(2) == 0 || path.isEmpty ? "replace" : "replace", "path": .string(path), "value": new]]
        }
    }

    @Test("I-PATCH-1: apply(diff(a, b), a) == b", arguments: 1...20)
    func jsonPatch(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            let (old, new) = (Self.value(&random, depth: 3), Self.value(&random, depth: 3))
            let patch = JSONValue.array(Self.diff(old, new, at: "", &random))
            let result = try JSONPatch.apply(patch, to: old)
            #expect(result == new, "I-PATCH-1: seed \(seed): \(patch) on \(old)")
            // A test of what is there holds, and changes nothing.
            let test: JSONValue = [["op": "test", "path": "", "value": new]]
            #expect(try JSONPatch.apply(test, to: result) == new, "I-PATCH-1: seed \(seed): test")
        }
    }

    @Test("I-PATCH-2: a refused JSON patch is refused, and any operations leave a document or an error", arguments: 1...10)
    func anyOperations(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let pointers = ["", "/a", "/a/0", "/a/-", "/b/a~1b", "/", "/~00", "a", "/a/01", "/a/99999999999999999999"]
        for _ in 0..<300 {
            let operations = (0..<random.below(5)).map { _ -> JSONValue in
                [
                    "op": .string(random.one(of: ["add", "remove", "replace", "move", "copy", "test"])),
                    "path": .string(random.one(of: pointers)), "from": .string(random.one(of: pointers)),
                    "value": Self.value(&random, depth: 2),
                ]
            }
            _ = try? JSONPatch.apply(.array(operations), to: Self.value(&random, depth: 3))
        }
    }

    // MARK: Merge patch

    /// RFC 7396's own pseudo code, word for word.
    private static func mergePatch(_ target: JSONValue?, _ patch: JSONValue) -> JSONValue {
        guard case .object(let changes) = patch else { return patch }
        var result = target?.objectValue ?? [:]
        for (name, value) in changes {
            if value == .null {
                if result[name] != nil { result[name] = nil }
            } else {
                result[name] = mergePatch(result[name], value)
            }
        }
        return .object(result)
    }

    /// The patch that makes `new` of `old`, for documents without null.
    private static func mergeDiff(_ old: JSONValue, _ new: JSONValue) -> JSONValue {
        guard case .object(let before) = old, case .object(let after) = new else { return new }
        var patch = JSONObject()
        for key in before.keys where after[key] == nil { patch[key] = .null }
        for (key, value) in after where before[key] != value {
            patch[key] = before[key].map { mergeDiff($0, value) } ?? value
        }
        return .object(patch)
    }

    @Test(
        "I-PATCH-3: a merge patch does what RFC 7396's pseudo code does; I-PATCH-4: merge(diff(a, b), a) == b", arguments: 1...20)
    func merge(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            let (target, patch) = (Self.value(&random, depth: 3), Self.value(&random, depth: 3))
            #expect(
                MergePatch.apply(patch, to: target) == Self.mergePatch(target, patch),
                "I-PATCH-3: seed \(seed): \(patch) on \(target)")
            let (old, new) = (Self.value(&random, depth: 3, nulls: false), Self.value(&random, depth: 3, nulls: false))
            let difference = Self.mergeDiff(old, new)
            #expect(MergePatch.apply(difference, to: old) == new, "I-PATCH-4: seed \(seed): \(difference) on \(old)")
        }
    }

    // MARK: Strategic merge

    private static let schema = Schema.object(
        "test", "",
        [
            Field(
                "list",
                .array(
                    .object("item", "", [Field("name", .string), Field("v", .integer), Field("w", .integer)]), mergeKey: "name")),
            Field("set", .array(.string, mergeKey: "")), Field("atomic", .array(.integer)), Field("map", .map(.string)),
        ])

    private static func items(_ random: inout SeededGenerator, _ names: [String]) -> [JSONValue] {
        names.map { name in
            var item: JSONValue = ["name": .string(name)]
            if random.below(2) == 0 { item["v"] = .int(Int64(random.below(4))) }
            if random.below(3) == 0 { item["w"] = .int(Int64(random.below(4))) }
            return item
        }
    }

    private static func names(_ random: inout SeededGenerator) -> [String] {
        ["a", "b", "c", "d", "e"].shuffled(using: &random).prefix(random.below(5)).map { $0 }
    }

    /// By key, without order: what the list must hold.
    private static func naiveList(_ target: [JSONValue], _ patch: [JSONValue]) -> [String: JSONValue] {
        var result: [String: JSONValue] = [:]
        for item in target { result[item["name"]?.stringValue ?? ""] = item }
        if patch.contains(where: { $0["$patch"] == "replace" }) { result = [:] }
        for item in patch where item["$patch"] != "replace" {
            let name = item["name"]?.stringValue ?? ""
            if item["$patch"] == "delete" {
                result[name] = nil
                continue
            }
            var merged = result[name] ?? [:]
            for (key, value) in item.objectValue ?? [:] { merged[key] = value }
            result[name] = merged
        }
        return result
    }

    @Test(
        """
        I-PATCH-5: a keyed list holds what a naive merge holds; \
        I-PATCH-6: $setElementOrder orders what it names, the rest keeps its order
        """,
        arguments: 1...20)
    func strategicLists(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let target = Self.items(&random, Self.names(&random))
            var changes = Self.items(&random, Self.names(&random))
            for index in changes.indices where random.below(4) == 0 {
                changes[index] = ["name": changes[index]["name"] ?? "", "$patch": "delete"]
            }
            var patch: JSONValue = ["list": .array(changes)]
            let kept = changes.filter { $0["$patch"] == nil }.compactMap { $0["name"]?.stringValue }
            var order: [String]?
            if random.below(2) == 0 {
                // The named ones of the patch, in its order, with others of the target strewn in.
                var named = kept
                for item in target where random.below(2) == 0 {
                    let name = item["name"]?.stringValue ?? ""
                    let isDeleted = changes.contains { $0["name"] == .string(name) && $0["$patch"] == "delete" }
                    if !named.contains(name), !isDeleted { named.insert(name, at: random.below(named.count + 1)) }
                }
                order = named
                patch["$setElementOrder/list"] = .array(named.map { ["name": .string($0)] })
            }
            let result = try StrategicMergePatch.apply(patch, to: ["list": .array(target)], schema: Self.schema)
            let list = result["list"]?.arrayValue ?? []
            let found = Dictionary(list.map { ($0["name"]?.stringValue ?? "", $0) }, uniquingKeysWith: { first, _ in first })
            #expect(found.count == list.count, "I-PATCH-5: seed \(seed): twice in \(list)")
            #expect(found == Self.naiveList(target, changes), "I-PATCH-5: seed \(seed): \(patch) on \(target) gives \(list)")
            let names = list.compactMap { $0["name"]?.stringValue }
            let named = order ?? kept
            #expect(
                names.filter { named.contains($0) } == named.filter { names.contains($0) },
                "I-PATCH-6: seed \(seed): \(patch) on \(target) gives \(list)")
            let others = target.compactMap { $0["name"]?.stringValue }.filter { names.contains($0) && !named.contains($0) }
            #expect(names.filter { others.contains($0) } == others, "I-PATCH-6: seed \(seed): the rest of \(list)")
        }
    }

    @Test("I-PATCH-7: sets unite, deletions from sets take away, atomic lists are replaced, maps merge", arguments: 1...10)
    func strategicOthers(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let (before, added, removed) = (Self.names(&random), Self.names(&random), Self.names(&random))
            let target: JSONValue = ["set": .array(before.map { .string($0) }), "atomic": [1, 2], "map": ["x": "1", "y": "2"]]
            let united = try StrategicMergePatch.apply(
                ["set": .array(added.map { .string($0) }), "atomic": [3], "map": ["x": .null, "z": "3"]], to: target,
                schema: Self.schema)
            let set = (united["set"]?.arrayValue ?? []).compactMap(\.stringValue)
            #expect(Set(set) == Set(before + added), "I-PATCH-7: seed \(seed)")
            #expect(set.count == Set(set).count, "I-PATCH-7: seed \(seed)")
            #expect(united["atomic"] == [3])
            #expect(united["map"] == ["y": "2", "z": "3"])
            let fewer = try StrategicMergePatch.apply(
                ["$deleteFromPrimitiveList/set": .array(removed.map { .string($0) })], to: target, schema: Self.schema)
            #expect(
                fewer["set"] == .array(before.filter { !removed.contains($0) }.map { .string($0) }), "I-PATCH-7: seed \(seed)")
        }
    }
}
