// Manifests mean the same to us as to kubectl, and what we print reads back as the same value.
import JSON
import Testing

@testable import Swiftlet

@Suite struct YAMLTextTests {
    @Test(
        "a scalar has the type that Kubernetes gives it",
        arguments: [
            ("1.0", .double(1)), ("\"1.0\"", "1.0"), ("'yes'", "yes"), ("yes", "yes"), ("on", "on"), ("true", .bool(true)),
            ("~", .null), ("9223372036854775807", .int(.max)), ("-3", .int(-3)), ("0644", .int(420)), ("0x1F", .int(31)),
            ("1Gi", "1Gi"), ("500m", "500m"), ("1e3", .double(1000)), ("!!str 12", "12"), ("12:30", "12:30"),
            ("2024-02-29", "2024-02-29"), ("08", .double(8)), ("1.2.3", "1.2.3"), ("null", .null), ("\"\"", ""),
        ] as [(String, JSONValue)])
    func scalar(text: String, value: JSONValue) throws {
        let documents = try YAMLText.documents("k: \(text)", source: "test")
        #expect(documents == [["k": value]])
    }

    @Test("a file may hold several documents, empty ones do not count")
    func severalDocuments() throws {
        #expect(try YAMLText.documents("---\na: 1\n---\n---\nb: 2\n...\n", source: "f") == [["a": 1], ["b": 2]])
    }

    @Test("merge keys give defaults, aliases repeat their anchor")
    func mergeKeys() throws {
        let text = "base: &b {x: 1, y: 2}\nown: {<<: *b, y: 3}\nsame: *b\n"
        let expected: JSONValue = ["base": ["x": 1, "y": 2], "own": ["x": 1, "y": 3], "same": ["x": 1, "y": 2]]
        #expect(try YAMLText.documents(text, source: "f") == [expected])
    }

    @Test(
        "what cannot be meant is refused with the place",
        arguments: ["a: [1", "a: 1\na: 2", "a: 99999999999999999999", "a: *nowhere", "? [x]\n: 1"])
    func refused(text: String) {
        let error = #expect(throws: CommandFailure.self) { try YAMLText.documents(text, source: "job.yaml") }
        #expect(error?.message.contains("job.yaml") == true)
    }

    @Test("what is wrong is told with line and column, not with the line's text, which may be a secret")
    func secretsStayOut() throws {
        for text in ["data:\n  password: \"hunter2", "data:\n  password: hunter2\n bad", "a: {x: hunter2\n"] {
            let error = #expect(throws: CommandFailure.self) { try YAMLText.documents(text, source: "job.yaml") }
            let message = try #require(error?.message)
            #expect(message.wholeMatch(of: /job\.yaml:[0-9]+:[0-9]+: .+/) != nil, "\(message)")
            #expect(!message.contains("hunter2"), "\(message)")
        }
        let twice = #expect(throws: CommandFailure.self) { try YAMLText.documents("a: 1\nb: 2\na: 3\n", source: "f") }
        #expect(twice?.message.contains("\"a\"") == true)
    }

    @Test("aliases that multiply beyond the limit are refused, not expanded")
    func billionLaughs() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            text += "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ",") + "]\n"
        }
        #expect(throws: CommandFailure.self) { try YAMLText.documents(text, source: "f") }
    }

    @Test(
        "written YAML reads back as the same value",
        arguments: [
            [:], [], "x", ["a": "1.0", "b": "true", "c": "null", "d": "yes", "e": "- x", "f": "a: b", "g": "#", "h": ""],
            ["text": "line one\nline two\n"], ["text": "no newline at the end\nsecond"], ["text": "\n\nblank first"],
            ["text": " begins with blank\nx"], ["text": "tab\tand \u{1}control\nx"], ["unicode": "grüße \u{1F600}"],
            ["list": [1, 2.5, .null, true, [1, [2]], ["a": ["b": [["c": "d"], "e"]]]]],
            ["empty": [:], "none": [], "big": .int(.max), "annotation/key.io": "{\"a\":\"b\"}"],
            [["multi": "a\nb\n", "n": 1], "c\nd"],
        ] as [JSONValue])
    func roundTrip(value: JSONValue) throws {
        let text = YAMLText.text(of: value)
        #expect(try YAMLText.documents(text, source: "written") == [value], "\(text)")
    }
}
