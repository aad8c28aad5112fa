// The tape accepts RFC 8259 and nothing else.
import JSON
import Testing

@Suite("Tape grammar")
struct TapeGrammarTests {
    @Test(
        "a valid text parses and comes back unchanged",
        arguments: [
            "null", "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775808", "1.5", #""""#, #""a""#,
            "[]", "{}", "[1,2,3]", #"{"a":{"b":[{"c":null}]}}"#, #"["é","日本","😀"]"#, #""0123456789 longer than eight""#,
        ])
    func accepts(text: String) throws {
        #expect(try JSONValue(parsing: text).serializedString() == text)
    }

    @Test("white space is allowed everywhere between tokens")
    func whitespace() throws {
        let value = try JSONValue(parsing: " \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } }\n ")
        #expect(value == ["a": [1, 2], "b": [:]])
    }

    @Test(
        "a bad text is refused",
        arguments: [
            "", " ", "nul", "nulll", "tru", "True", "01", "-", "-01", "+1", ".5", "1.", "1.e1", "1e", "1e+", "0x1", "NaN",
            "Infinity",
            "1e999", "-1e999", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "{", "}", #"{"a""#, #"{"a":"#, #"{"a":1"#,
            #"{"a":1,"#, #"{"a":1,}"#, #"{a:1}"#, #"{"a" 1}"#, #"{1:2}"#, "'a'", "\"", "\"abc", "\"\\", #""\x""#, #""\u12""#,
            #""\u12G4""#, #""\ud800""#, #""\ud800\u0041""#, #""\udc00""#, "\"\u{01}\"", "\"a\nb\"", "1 2", "{} x", "//c\n1",
            #"{"a":1,"a":2}"#, #"{"a":1,"\u0061":2}"#,
        ])
    func refuses(text: String) {
        #expect(throws: JSONError.self) { try JSONTape(parsing: Array(text.utf8)) }
    }

    @Test(
        "invalid UTF-8 is refused wherever it stands",
        arguments: [
            [0xFF], [0x22, 0xC0, 0xAF, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22],
            [0x22, 0xE2, 0x82, 0x22], [0xEF, 0xBB, 0xBF, 0x31],
        ] as [[UInt8]])
    func refusesUTF8(bytes: [UInt8]) {
        #expect(throws: JSONError.self) { try JSONTape(parsing: bytes) }
    }

    @Test("nesting is accepted up to the bound and refused above it")
    func depth() throws {
        let allowed = String(repeating: "[", count: 512) + String(repeating: "]", count: 512)
        #expect(try JSONValue(parsing: allowed).serializedString() == allowed)
        let tooDeep = #"{"a":"# + allowed + "}"
        #expect(throws: JSONError.self) { try JSONValue(parsing: tooDeep) }
        let hostile = [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)
        #expect(throws: JSONError.self) { try JSONTape(parsing: hostile) }
    }

    @Test("duplicate names are found in small and in large objects", arguments: [1, 5, 11, 12, 13, 500])
    func duplicates(count: Int) throws {
        let members = (0..<count).map { #""key-\#($0)":{"x":[1,{"y":2}]}"# }
        _ = try JSONTape(parsing: Array("{\(members.joined(separator: ","))}".utf8))
        let doubled = Array("{\((members + [members[count / 2]]).joined(separator: ","))}".utf8)
        let error = #expect(throws: JSONError.self) { try JSONTape(parsing: doubled) }
        #expect(error?.message == #"duplicate member name "key-\#(count / 2)""#)
    }

    @Test("the same name in different objects is no duplicate")
    func sameNameElsewhere() throws {
        #expect(try JSONValue(parsing: #"{"a":{"a":1},"b":{"a":{"a":2}}}"#)[path: "b", "a", "a"] == 2)
    }

    @Test("an error names the line and column")
    func position() {
        let error = #expect(throws: JSONError.self) { try JSONValue(parsing: "{\n  \"a\": 1,\n  \"b\": x\n}") }
        #expect(error?.offset == 19)
        #expect(error?.line == 3)
        #expect(error?.column == 8)
        #expect(error?.description == "JSON at line 3, column 8 (byte 19): expected a value")
    }

    @Test("no cut and no changed byte of a document makes the parser trap")
    func mutations() throws {
        let text = Array(
            #"{"a":[1,-2.5e3,true,null,"x\u00e9\n\ud83d\ude00 long plain text"],"b":{"é":"ü","c":{}},"d":[[],{}]}"#.utf8)
        for length in 0..<text.count { #expect(throws: JSONError.self) { try JSONTape(parsing: Array(text[..<length])) } }
        var parsed = 0
        for position in text.indices {
            for byte in [0x00, 0x22, 0x2C, 0x30, 0x5B, 0x5C, 0x5D, 0x7B, 0x7D, 0x80, 0xC3, 0xFF] as [UInt8] {
                var changed = text
                changed[position] = byte
                guard let value = try? JSONValue(parsing: changed) else { continue }
                parsed += 1
                #expect(try JSONValue(parsing: value.serialized()) == value)
            }
        }
        #expect(parsed > 0)
    }
}
