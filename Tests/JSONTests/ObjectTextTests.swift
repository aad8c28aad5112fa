// Objects written together with the place of their resourceVersion, and members replaced in a text.
import JSON
import Testing

@Suite("Texts of objects")
struct ObjectTextTests {
    static let objects = [
        #"{}"#, #"{"a":1}"#, #"{"metadata":null,"a":[1,"x"]}"#, #"{"metadata":{}}"#, #"{"metadata":{"name":"n"},"z":{}}"#,
        #"{"kind":"Pod","metadata":{"labels":{"resourceVersion":"0"},"resourceVersion":"7","name":"n"},"spec":{"metadata":{}}}"#,
    ]

    @Test("the place that the writer notes is the one that a reader finds", arguments: objects)
    func place(text: String) throws {
        let tree = try JSONValue(parsing: text)
        let (bytes, place) = tree.serializedObject()
        #expect(bytes == tree.serialized())
        let found = try JSONTape(parsing: bytes).settingResourceVersion(42)
        #expect(try #require(place).applied(to: bytes, revision: 42) == found)
    }

    @Test("what has no such place is written all the same", arguments: ["[1]", "7", #"{"metadata":[]}"#, #"{"metadata":"x"}"#])
    func noPlace(text: String) throws {
        let (bytes, place) = try JSONValue(parsing: text).serializedObject()
        #expect(place == nil)
        #expect(bytes == Array(text.utf8))
    }

    @Test("what is nested deeper than the parser reads has no place")
    func tooDeep() {
        var tree: JSONValue = 1
        for _ in 0..<JSONTape.maximumDepth { tree = ["a": tree] }
        #expect(tree.serializedObject().resourceVersion != nil)
        #expect((["a": tree] as JSONValue).serializedObject().resourceVersion == nil)
    }

    @Test("replaced members read back, the others keep their bytes", arguments: objects)
    func replacing(text: String) throws {
        let tape = try JSONTape(parsing: Array(text.utf8))
        let changes: [(name: String, value: JSONValue?)] = [("a", nil), ("metadata", ["name": "new"]), ("status", ["x": 1])]
        for count in 0...changes.count {
            let some = Array(changes.prefix(count))
            var expected = try JSONValue(parsing: text)
            for (name, value) in some { expected[name] = value }
            let (bytes, place) = tape.replacing(some)
            #expect(try JSONValue(parsing: bytes) == expected)
            if let place {
                #expect(place.applied(to: bytes, revision: 9) == (try JSONTape(parsing: bytes).settingResourceVersion(9)))
            }
        }
    }

    @Test("every byte that must be escaped is, wherever it stands")
    func escapes() throws {
        for scalar in ["\"", "\\", "\n", "\u{1}", "\u{1F}", "ä", "\u{7F}", "😀"] {
            for before in 0..<18 {
                for after in [0, 1, 7, 8, 9] {
                    let text = String(repeating: "x", count: before) + scalar + String(repeating: "y", count: after)
                    #expect(try JSONValue(parsing: JSONValue.string(text).serialized()) == .string(text))
                }
            }
        }
    }

    @Test("two members of the same name are found among any number of others, and alike names are no duplicates")
    func duplicates() throws {
        for count in [2, 3, 12, 13, 32, 33, 100] {
            for length in [1, 3, 4, 7, 8, 9, 20] {
                let names = (0..<count).map { number in
                    let digits = String(number, radix: 36)
                    return String(repeating: "n", count: max(0, length - digits.utf8.count)) + digits
                }
                func text(_ names: [String]) -> [UInt8] {
                    Array(("{" + names.map { "\"\($0)\":0" }.joined(separator: ",") + "}").utf8)
                }
                let distinct = Set(names).count == count
                #expect((try? JSONTape(parsing: text(names))) != nil || !distinct)
                let escaped = names + [names[count / 2].replacing("n", with: "\\u006e", maxReplacements: 1)]
                #expect((try? JSONTape(parsing: text(escaped))) == nil)
                #expect((try? JSONTape(parsing: text(names + [names[0]]))) == nil)
            }
        }
    }
}
