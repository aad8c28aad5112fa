// I-PATCH-SIZE: a patch costs the sum of its size and the object's, not the product. (Found by fuzzing: 20,000 members took ten seconds.)
import JSON
import Testing

@testable import APIServer

struct LargePatchTests {
    private static let count = 20_000
    /// Of a debug build on a busy machine; the product would take minutes.
    private static let limit = Duration.seconds(10)

    private func timed(_ body: () throws -> JSONValue) rethrows -> JSONValue {
        let started = ContinuousClock.now
        let result = try body()
        #expect(ContinuousClock.now - started < Self.limit)
        return result
    }

    private func object(_ value: JSONValue, from first: Int = 0) -> JSONValue {
        .object(JSONObject((first..<first + Self.count).map { ("key\($0)", value) }))
    }

    @Test("many members change, come and go in either merge, each as it would alone")
    func members() throws {
        let target = object("old")
        for merge in [
            { patch in MergePatch.apply(patch, to: target) },
            { patch in try StrategicMergePatch.apply(patch, to: target, schema: .any) },
        ] as [(JSONValue) throws -> JSONValue] {
            #expect(try timed { try merge(object("new")) } == object("new"))
            #expect(try timed { try merge(object(.null)) } == [:])
            let moved = try timed { try merge(object("new", from: Self.count / 2)) }
            #expect(
                moved["key0"] == "old" && moved["key\(Self.count)"] == "new" && moved.objectValue?.count == Self.count * 3 / 2)
        }
    }

    @Test("a list of many elements merges and loses by its key")
    func elements() throws {
        let schema = Schema.object(nil, "", [Field("list", .array(.object(nil, "", [Field("name", .string)]), mergeKey: "name"))])
        func list(_ more: (String, JSONValue)?) -> JSONValue {
            let elements = (0..<Self.count).map { number in
                JSONValue.object(JSONObject([("name", JSONValue.string("n\(number)"))] + (more.map { [$0] } ?? [])))
            }
            return ["list": .array(elements)]
        }
        let merged = try timed { try StrategicMergePatch.apply(list(("value", "v")), to: list(nil), schema: schema) }
        #expect(merged == list(("value", "v")))
        #expect(
            try timed { try StrategicMergePatch.apply(list(("$patch", "delete")), to: list(nil), schema: schema) } == ["list": []]
        )
    }
}
