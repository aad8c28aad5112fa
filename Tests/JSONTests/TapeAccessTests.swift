// Random access over a tape, and splicing.
import JSON
import Testing

@Suite("Tape access")
struct TapeAccessTests {
    static let pod = Array(
        #"{"kind":"Pod","metadata":{"name":"web","labels":{"app":"a\"b"},"resourceVersion":"7"},"spec":{"n":[10,{"x":1.5},"s"],"on":true},"z":null}"#
            .utf8)

    @Test("members, elements and scalars are reachable without a tree")
    func navigation() throws {
        let tape = try JSONTape(parsing: Self.pod)
        let name = try #require(tape.node(at: "metadata", "name"))
        #expect(tape.string(name) == "web")
        #expect(tape.kind(name) == .string)
        #expect(String(decoding: tape.rawBytes(name), as: UTF8.self) == #""web""#)
        let labels = try #require(tape.node(at: "metadata", "labels"))
        #expect(tape.strings(labels) == ["app": "a\"b"])
        let list = try #require(tape.node(at: "spec", "n"))
        let elements = Array(tape.elements(of: list))
        #expect(elements.map { tape.kind($0) } == [.number, .object, .string])
        #expect(tape.integer(elements[0]) == 10)
        #expect(tape.node(at: "spec", "on").flatMap { tape.bool($0) } == true)
        #expect(tape.node(at: "z").map { tape.isNull($0) } == true)
        #expect(tape.members(of: tape.root).map(\.key) == ["kind", "metadata", "spec", "z"])
        #expect(String(decoding: tape.rawBytes(list), as: UTF8.self) == #"[10,{"x":1.5},"s"]"#)
        #expect(tape.value(elements[1]) == ["x": 1.5])
    }

    @Test("asking for what is not there gives nil, not a trap")
    func absent() throws {
        let tape = try JSONTape(parsing: Self.pod)
        #expect(tape.node(at: "metadata", "nothing") == nil)
        #expect(tape.node(at: "kind", "x") == nil)
        #expect(tape.string(tape.root) == nil)
        #expect(tape.strings(tape.root) == nil)
        #expect(tape.integer(tape.root) == nil)
        #expect(Array(tape.elements(of: tape.root)).isEmpty)
        #expect(try JSONTape(parsing: Array("[1]".utf8)).members(of: tape.root).map(\.key).isEmpty)
    }

    @Test("a name written with escapes is found by its text")
    func escapedName() throws {
        let tape = try JSONTape(parsing: Array(#"{"\u0061b":1,"é":2}"#.utf8))
        #expect(tape.node(at: "ab").flatMap { tape.integer($0) } == 1)
        #expect(tape.node(at: "é").flatMap { tape.integer($0) } == 2)
    }

    @Test("integers are exact or refused")
    func integers() throws {
        let tape = try JSONTape(
            parsing: Array("[9223372036854775807,-9223372036854775808,18446744073709551615,256,1e2,1.5]".utf8))
        let nodes = Array(tape.elements(of: tape.root))
        #expect(tape.integer(nodes[0]) == Int64.max)
        #expect(tape.integer(nodes[1]) == Int64.min)
        #expect(tape.integer(nodes[2]) == nil)
        #expect(tape.integer(nodes[2], as: UInt64.self) == UInt64.max)
        #expect(tape.integer(nodes[1], as: UInt64.self) == nil)
        #expect(tape.integer(nodes[3], as: UInt8.self) == nil)
        #expect(tape.integer(nodes[4]) == 100)
        #expect(tape.integer(nodes[5]) == nil)
    }

    @Test(
        "the spliced resourceVersion replaces, or adds, exactly that member",
        arguments: [
            (
                #"{"metadata":{"name":"a","resourceVersion":"7"},"x":1}"#,
                #"{"metadata":{"name":"a","resourceVersion":"42"},"x":1}"#
            ),
            (#"{"metadata":{"resourceVersion":7 }}"#, #"{"metadata":{"resourceVersion":"42" }}"#),
            (#"{"metadata":{"name":"a"}}"#, #"{"metadata":{"resourceVersion":"42","name":"a"}}"#),
            (#"{"metadata":{ }}"#, #"{"metadata":{"resourceVersion":"42" }}"#),
            (#"{"metadata":null,"x":1}"#, #"{"metadata":{"resourceVersion":"42"},"x":1}"#),
            (#"{ "x":1}"#, #"{"metadata":{"resourceVersion":"42"}, "x":1}"#),
            (#"{}"#, #"{"metadata":{"resourceVersion":"42"}}"#),
            (
                #"{"spec":{"metadata":{"resourceVersion":"1"}}}"#,
                #"{"metadata":{"resourceVersion":"42"},"spec":{"metadata":{"resourceVersion":"1"}}}"#
            ),
        ])
    func splice(before: String, after: String) throws {
        let spliced = try JSONTape(parsing: Array(before.utf8)).settingResourceVersion(42)
        #expect(String(decoding: spliced, as: UTF8.self) == after)
        #expect(try JSONValue(parsing: spliced)[path: "metadata", "resourceVersion"] == "42")
    }

    @Test(
        "splicing into something that is no object is an error",
        arguments: ["[]", "1", #"{"metadata":[]}"#, #"{"metadata":"x"}"#])
    func spliceRefused(text: String) throws {
        let tape = try JSONTape(parsing: Array(text.utf8))
        #expect(throws: JSONError.self) { try tape.settingResourceVersion(1) }
    }
}
