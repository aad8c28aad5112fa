// Codable over the tape: values, absence, error paths, nested containers.
import JSON
import Testing

private struct PartyTask: Codable, Equatable {
    enum Phase: String, Codable {
        case pending = "Pending"
        case running = "Running"
    }
    var name: String
    var parties: [String]
    var retries: Int32?
    var weight: Double?
    var phase: Phase?
    var labels: [String: String]?
    var extra: JSONValue?
}

private struct Spec: Codable, Equatable { var tasks: [PartyTask] }
private struct Job: Codable, Equatable {
    var spec: Spec
    var paused: Bool?
}

@Suite("Codable")
struct CodableTests {
    @Test("a typed value survives a round trip, and absent optionals stay absent")
    func roundTrip() throws {
        let job = Job(
            spec: Spec(tasks: [
                PartyTask(
                    name: "a", parties: ["alice", "bob"], retries: -3, weight: 0.5, phase: .running,
                    labels: ["b": "2", "a": "1"],
                    extra: ["x": [1, .null]]),
                PartyTask(name: "b", parties: []),
            ]))
        let bytes = try JSON.encode(job)
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == #"{"spec":{"tasks":[{"name":"a","parties":["alice","bob"],"retries":-3,"weight":0.5,"phase":"Running","labels":{"a":"1","b":"2"},"extra":{"x":[1,null]}},{"name":"b","parties":[]}]}}"#
        )
        #expect(try JSON.decode(Job.self, from: bytes) == job)
        #expect(try JSON.decode(Job.self, from: JSON.encodeToValue(job)) == job)
    }

    @Test("null and absence both decode to nil; unknown members are ignored")
    func absence() throws {
        let bytes = Array(#"{"unknown":[{}],"name":"a","parties":["x"],"retries":null}"#.utf8)
        #expect(try JSON.decode(PartyTask.self, from: bytes) == PartyTask(name: "a", parties: ["x"]))
    }

    @Test(
        "a decoding error names the place, what was expected and what was found",
        arguments: [
            (#"{"spec":{"tasks":[{"name":"a","parties":"alice"}]}}"#, "spec.tasks[0].parties: expected array, found string"),
            (#"{"spec":{"tasks":[{"name":"a","parties":["x",1]}]}}"#, "spec.tasks[0].parties[1]: expected string, found number"),
            (#"{"spec":{"tasks":[{"name":"a","parties":[]},{"parties":[]}]}}"#, "spec.tasks[1].name: required member is missing"),
            (#"{"spec":{"tasks":[{"name":null,"parties":[]}]}}"#, "spec.tasks[0].name: expected string, found null"),
            (
                #"{"spec":{"tasks":[{"name":"a","parties":[],"retries":2147483648}]}}"#,
                "spec.tasks[0].retries: expected an integer from -2147483648 to 2147483647, found 2147483648"
            ),
            (
                #"{"spec":{"tasks":[{"name":"a","parties":[],"retries":"3"}]}}"#,
                "spec.tasks[0].retries: expected integer, found string"
            ),
            (
                #"{"spec":{"tasks":[{"name":"a","parties":[],"labels":{"k":1}}]}}"#,
                "spec.tasks[0].labels.k: expected string, found number"
            ),
            (#"{"spec":{"tasks":{}}}"#, "spec.tasks: expected array, found object"),
            (#"{"spec":[]}"#, "spec: expected object, found array"),
            (#"[]"#, "expected object, found array"),
            (#"{}"#, "spec: required member is missing"),
        ])
    func errorPaths(text: String, description: String) throws {
        let error = #expect(throws: DecodingError.self) { try JSON.decode(Job.self, from: Array(text.utf8)) }
        #expect(error.map { JSON.describe($0) } == description)
    }

    @Test("an unknown enum case names its path")
    func unknownCase() {
        let error = #expect(throws: DecodingError.self) {
            try JSON.decode(Job.self, from: Array(#"{"spec":{"tasks":[{"name":"a","parties":[],"phase":"Odd"}]}}"#.utf8))
        }
        #expect(error.map { JSON.describe($0).hasPrefix("spec.tasks[0].phase: ") } == true)
    }

    @Test("a text that is no JSON fails with its position")
    func syntax() {
        #expect(throws: JSONError.self) { try JSON.decode(Job.self, from: Array("{".utf8)) }
    }

    @Test("integers out of a type's range throw", arguments: ["128", "-129", "1.5", "1e30"])
    func ranges(text: String) {
        #expect(throws: DecodingError.self) { try JSON.decode(Int8.self, from: Array(text.utf8)) }
        #expect(throws: DecodingError.self) { try JSON.decode([Int8].self, from: Array("[\(text)]".utf8)) }
    }

    @Test("unsigned 64-bit numbers survive")
    func unsigned() throws {
        let bytes = try JSON.encode([UInt64.max, 0])
        #expect(String(decoding: bytes, as: UTF8.self) == "[18446744073709551615,0]")
        #expect(try JSON.decode([UInt64].self, from: bytes) == [.max, 0])
    }

    @Test("a number that JSON lacks is refused with its path")
    func nonFinite() {
        let error = #expect(throws: EncodingError.self) {
            try JSON.encode(Job(spec: Spec(tasks: [PartyTask(name: "a", parties: [], weight: .nan)])))
        }
        #expect(error.map { JSON.describe($0) } == "spec.tasks[0].weight: JSON has no number nan")
    }

    @Test("top-level scalars, optionals and dictionaries of values work")
    func fragments() throws {
        #expect(try JSON.encode("a\"b") == Array(#""a\"b""#.utf8))
        #expect(try JSON.encode([1, nil, 3] as [Int?]) == Array("[1,null,3]".utf8))
        #expect(try JSON.decode([Int?].self, from: Array("[1,null,3]".utf8)) == [1, nil, 3])
        #expect(try JSON.encode(["b": [1], "a": []] as [String: [Int]]) == Array(#"{"a":[],"b":[1]}"#.utf8))
        #expect(try JSON.decode([String: Double].self, from: Array(#"{"a":1,"b":2.5}"#.utf8)) == ["a": 1, "b": 2.5])
        #expect(try JSON.encode(Int?.none) == Array("null".utf8))
        #expect(try JSON.decode(JSONValue?.self, from: Array("null".utf8)) == nil)
        #expect(try JSON.decode(JSONValue.self, from: Array("null".utf8)) == .null)
    }
}

// MARK: - Nested containers, inheritance, super encoders

private class Animal: Codable {
    var name: String
    init(name: String) { self.name = name }
}

private final class Dog: Animal {
    enum Keys: String, CodingKey { case tricks, home, city, rooms }
    var tricks: [String]
    init(name: String, tricks: [String]) {
        self.tricks = tricks
        super.init(name: name)
    }
    required init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Keys.self)
        tricks = try container.decode([String].self, forKey: .tricks)
        let home = try container.nestedContainer(keyedBy: Keys.self, forKey: .home)
        var rooms = try home.nestedUnkeyedContainer(forKey: .rooms)
        guard try home.decode(String.self, forKey: .city) == "Bern", try rooms.decode(Int.self) == 1, !rooms.isAtEnd,
            try rooms.nestedContainer(keyedBy: Keys.self).decode(String.self, forKey: .city) == "x", rooms.isAtEnd
        else { throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "not as written")) }
        try super.init(from: container.superDecoder())
    }
    /// Interleaves writes to the parent and to two open nested containers.
    override func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Keys.self)
        var home = container.nestedContainer(keyedBy: Keys.self, forKey: .home)
        var rooms = home.nestedUnkeyedContainer(forKey: .rooms)
        try rooms.encode(1)
        try container.encode(tricks, forKey: .tricks)
        var room = rooms.nestedContainer(keyedBy: Keys.self)
        try home.encode("Bern", forKey: .city)
        try super.encode(to: container.superEncoder())
        try room.encode("x", forKey: .city)
    }
}

private final class SharedObject: Animal {
    enum Keys: String, CodingKey { case legs }
    override func encode(to encoder: any Encoder) throws {
        try super.encode(to: encoder)
        var container = encoder.container(keyedBy: Keys.self)
        try container.encode(4, forKey: .legs)
    }
}

private struct Misuse: Encodable {
    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(1)
        try container.encode(2)
    }
}

private struct Empty: Encodable { func encode(to encoder: any Encoder) throws {} }

@Suite("Codable containers")
struct CodableContainerTests {
    @Test("nested containers and the super encoder may be written in any order")
    func nested() throws {
        let bytes = try JSON.encode([Dog(name: "Rex", tricks: ["sit"])])
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == #"[{"home":{"rooms":[1,{"city":"x"}],"city":"Bern"},"tricks":["sit"],"super":{"name":"Rex"}}]"#)
        let dogs = try JSON.decode([Dog].self, from: bytes)
        #expect(dogs.map(\.name) == ["Rex"])
        #expect(dogs.map(\.tricks) == [["sit"]])
    }

    @Test("two containers of one encoder write into the same object")
    func shared() throws {
        #expect(try JSON.encode(SharedObject(name: "a")) == Array(#"{"name":"a","legs":4}"#.utf8))
    }

    @Test("a value that writes nothing is an empty object; one that writes twice is an error")
    func misuse() throws {
        #expect(try JSON.encode([Empty()]) == Array("[{}]".utf8))
        #expect(throws: EncodingError.self) { try JSON.encode(Misuse()) }
    }
}
