// The value tree: access, mutation, equality and text.
import JSON
import Testing

@Suite("JSON values")
struct JSONValueTests {
    @Test("members can be read, set, added and removed by name and by path")
    func subscripts() {
        var value: JSONValue = ["metadata": ["name": "a"], "list": [1, 2]]
        #expect(value[path: "metadata", "name"]?.stringValue == "a")
        #expect(value["list"]?[1]?.intValue == 2)
        #expect(value["list"]?[2] == nil)
        #expect(value["list"]?[-1] == nil)
        value["kind"] = "Pod"
        value["list"] = nil
        value["metadata"]?["labels"] = ["x": "y"]
        value.set(["status", "phase"], to: "Running")
        value.set(["spec", "nothing"], to: nil)
        #expect(
            value.serializedString()
                == #"{"metadata":{"name":"a","labels":{"x":"y"}},"kind":"Pod","status":{"phase":"Running"}}"#)
    }

    @Test("setting a member of null makes an object; of a scalar changes nothing")
    func settingOnOtherKinds() {
        var null: JSONValue = .null
        null["a"] = 1
        #expect(null == ["a": 1])
        var text: JSONValue = "x"
        text["a"] = 1
        #expect(text == "x")
    }

    @Test("equality and hash ignore the members' order, at any size", arguments: [2, 40])
    func order(count: Int) {
        let pairs = (0..<count).map { ("k\($0)", JSONValue.int(Int64($0))) }
        let left = JSONObject(pairs)
        var right = JSONObject(pairs.reversed())
        #expect(left == right)
        #expect(Set([left, right]).count == 1)
        right["k0"] = "changed"
        #expect(left != right)
        right["k0"] = nil
        #expect(left != right)
        #expect(left.keys == pairs.map(\.0))
    }

    @Test(
        "escapes are resolved on reading",
        arguments: [
            (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{08}\u{0C}\n\r\t"), (#""\u00e9\u65E5\ud83d\ude00x""#, "é日😀x"), (#""\u0000""#, "\0"),
            (#""a\\u0041""#, #"a\u0041"#),
        ])
    func escapes(text: String, meant: String) throws {
        #expect(try JSONValue(parsing: text) == .string(meant))
    }

    @Test("every scalar below U+0100 and some above survive a round trip")
    func stringRoundTrip() throws {
        var text = "\u{2028}\u{FFFF}😀"
        for code in 0..<UInt32(256) { text.unicodeScalars.append(Unicode.Scalar(code) ?? "?") }
        #expect(try JSONValue(parsing: JSONValue.string(text).serialized()) == .string(text))
    }

    @Test(
        "numbers keep their value",
        arguments: [
            ("0", JSONValue.int(0)), ("-7", .int(-7)), ("9223372036854775808", .double(9_223_372_036_854_775_808)),
            ("1.5", .double(1.5)),
            ("1e3", .double(1000)), ("1e-300", .double(1e-300)), ("-0.0", .double(-0.0)),
        ])
    func numbers(text: String, value: JSONValue) throws {
        let parsed = try JSONValue(parsing: text)
        #expect(parsed == value)
        #expect(try JSONValue(parsing: parsed.serialized()) == value)
    }

    @Test("number accessors convert only without loss")
    func conversions() {
        #expect(JSONValue.double(3).intValue == 3)
        #expect(JSONValue.double(3.5).intValue == nil)
        #expect(JSONValue.int(3).doubleValue == 3)
        #expect(JSONValue.string("3").intValue == nil)
    }

    @Test("pretty text indents by two spaces")
    func pretty() {
        let value: JSONValue = ["a": [1, ["b": .null]], "c": [:], "d": []]
        #expect(
            value.serializedString(pretty: true) == """
                {
                  "a": [
                    1,
                    {
                      "b": null
                    }
                  ],
                  "c": {},
                  "d": []
                }
                """)
    }

    @Test("a non-finite number is written as null")
    func nonFinite() {
        #expect(JSONValue.array([.double(.infinity), .double(.nan)]).serializedString() == "[null,null]")
    }
}
