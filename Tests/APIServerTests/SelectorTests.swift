// Selectors: the words of refusals, and properties over generated ones. A failure prints its seed.
import JSON
import Testing

@testable import APIServer

/// SplitMix64: the same numbers for the same seed on every machine.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
    mutating func one<Element>(of elements: [Element]) -> Element { elements[below(elements.count)] }
}

struct SelectorTests {
    @Test(
        "a selector that makes no sense is refused in Kubernetes' words",
        arguments: [
            ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            ("a in", "unable to parse requirement: found '' expected: '('"),
            ("a in (x", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("a,", "found '', expected: identifier after ','"),
            (",a", "found ',', expected: !, identifier, or 'end of string'"),
            ("a=b c=d", "found 'c', expected: ',' or 'end of string'"),
            ("a==!b", "unable to parse requirement: found '!', expected: identifier"),
            (
                "x>y",
                "unable to parse requirement: values[0][x]: Invalid value: \"y\": for 'Gt', 'Lt' operators, the value "
                    + "must be an integer"
            ),
        ])
    func refusals(_ text: String, _ message: String) {
        #expect(throws: SelectorError(message: message)) { try LabelSelector(parsing: text) }
    }

    @Test("a key that is no label name is refused with the path that Kubernetes prints")
    func muddledPath() {
        do {
            _ = try LabelSelector(parsing: "-a=b")
            Issue.record("-a is a key")
        } catch {
            #expect(error.message.hasPrefix("unable to parse requirement: <nil>: Invalid value: \"-a\": "))
        }
        do {
            _ = try LabelSelector(parsing: "a=b.-")
            Issue.record("b.- is a value")
        } catch {
            #expect(error.message.hasPrefix("unable to parse requirement: values[0][a]: Invalid value: \"b.-\": "))
        }
    }

    @Test("keywords are values where a value stands, and emptiness is a value")
    func oddities() throws {
        #expect(try LabelSelector(parsing: "in=notin").requirements == [.within("in", ["notin"])])
        #expect(try LabelSelector(parsing: "a in ()").requirements == [.within("a", [""])])
        #expect(try LabelSelector(parsing: "a in (,x,)").requirements == [.within("a", ["", "x"])])
        #expect(try LabelSelector(parsing: "a=").requirements == [.within("a", [""])])
        #expect(try LabelSelector(parsing: " ! a , b != c ").requirements == [.absent("a"), .outside("b", ["c"])])
        #expect(try LabelSelector(parsing: "n>3,n<9").matches(["n": "5"]))
        #expect(try !LabelSelector(parsing: "n>3").matches(["n": "x"]))
    }

    @Test(
        "a field selector's escapes are Kubernetes'",
        arguments: [
            (#"a=b\,c"#, #"b,c"#), (#"a=b\=c"#, "b=c"), (#"a=b\\"#, #"b\"#), ("a==b", "b"), ("a=", ""),
        ])
    func escapes(_ text: String, _ value: String) throws {
        #expect(try FieldSelector(parsing: text).terms.map(\.value) == [value])
    }

    @Test("a field selector that makes no sense is refused", arguments: ["a", "a=b=c", #"a=b\x"#, #"a=b\"#])
    func fieldRefusals(_ text: String) { #expect(throws: SelectorError.self) { try FieldSelector(parsing: text) } }

    // MARK: Properties

    private static let keys = ["a", "b", "in", "example.com/a"]
    private static let values = ["", "x", "y", "notin", "5", "12"]

    private static func requirement(_ random: inout SeededGenerator) -> LabelSelector.Requirement {
        let key = random.one(of: keys)
        let some = Set((0...random.below(3)).map { _ in random.one(of: values) })
        switch random.below(6) {
        case 0: return .exists(key)
        case 1: return .absent(key)
        case 2: return .within(key, some)
        case 3: return .outside(key, some)
        case 4: return .above(key, Int64(random.below(14)))
        default: return .below(key, Int64(random.below(14)))
        }
    }

    private static func labels(_ random: inout SeededGenerator) -> [String: String] {
        var labels: [String: String] = [:]
        for key in keys where random.below(2) == 0 { labels[key] = random.one(of: values) }
        return labels
    }

    /// What the documentation says, spelled out.
    private static func naive(_ requirement: LabelSelector.Requirement, _ labels: [String: String]) -> Bool {
        switch requirement {
        case .exists(let key): return labels.keys.contains(key)
        case .absent(let key): return !labels.keys.contains(key)
        case .within(let key, let values):
            guard let value = labels[key] else { return false }
            return values.contains(value)
        case .outside(let key, let values):
            guard let value = labels[key] else { return true }
            return !values.contains(value)
        case .above(let key, let bound):
            guard let value = labels[key], let number = Int64(value) else { return false }
            return number > bound
        case .below(let key, let bound):
            guard let value = labels[key], let number = Int64(value) else { return false }
            return number < bound
        }
    }

    @Test("I-SELECTOR-1: a printed selector parses to itself; I-SELECTOR-2: it matches what its parts match", arguments: 1...20)
    func roundTrip(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let selector = LabelSelector((0..<random.below(4)).map { _ in Self.requirement(&random) })
            let parsed = try LabelSelector(parsing: selector.description)
            #expect(parsed == selector, "I-SELECTOR-1: seed \(seed): \(selector)")
            let labels = Self.labels(&random)
            let expected = selector.requirements.allSatisfy { Self.naive($0, labels) }
            #expect(parsed.matches(labels) == expected, "I-SELECTOR-2: seed \(seed): \(selector) on \(labels)")
        }
    }

    @Test("I-SELECTOR-3: a printed field selector parses to itself", arguments: 1...10)
    func fieldRoundTrip(_ seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let characters = Array("ab,=\\!x")
        for _ in 0..<200 {
            var selector = FieldSelector()
            for _ in 0..<random.below(3) {
                let value = String((0..<random.below(5)).map { _ in random.one(of: characters) })
                selector.terms.append(
                    .init(field: random.one(of: ["a", "spec.nodeName"]), value: value, negated: random.below(2) == 0))
            }
            #expect(try FieldSelector(parsing: selector.description) == selector, "I-SELECTOR-3: seed \(seed): \(selector)")
        }
    }

    @Test("I-SELECTOR-4: any text is either a selector or refused", arguments: 1...10)
    func anyText(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let pieces = ["a", "in", "notin", "(", ")", ",", "=", "!", "==", "!=", "<", ">", " ", "é", "\\", "\0", "x/y", "-"]
        for _ in 0..<500 {
            let text = (0..<random.below(9)).map { _ in random.one(of: pieces) }.joined()
            if let selector = try? LabelSelector(parsing: text) {
                #expect((try? LabelSelector(parsing: selector.description)) == selector, "I-SELECTOR-4: seed \(seed): \(text)")
            }
            _ = try? FieldSelector(parsing: text)
        }
    }

    @Test("a field that a kind may be selected by has a value where it is absent, and each kind has Kubernetes' fields")
    func kindsFields() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, "/api/v1/nodes", ["metadata": ["name": "open"]])
        try await lab.must(.post, "/api/v1/nodes", ["metadata": ["name": "closed"], "spec": ["unschedulable": true]])
        try await lab.must(.post, "/api/v1/namespaces/alice/pods", Laboratory.pod("p", node: "n"))
        try await lab.must(
            .post, "/api/v1/namespaces/alice/events",
            [
                "metadata": ["name": "e"], "involvedObject": ["kind": "Pod", "namespace": "alice", "name": "p"], "reason": "R",
                "source": ["component": "kubelet"],
            ])
        try await lab.must(
            .post, "/apis/apps/v1/namespaces/alice/replicasets",
            [
                "metadata": ["name": "r"],
                "spec": [
                    "selector": ["matchLabels": ["a": "b"]],
                    "template": ["metadata": ["labels": ["a": "b"]], "spec": ["containers": [["name": "c", "image": "i"]]]],
                ],
            ])
        func names(_ path: String, _ selector: String) async throws -> [String] {
            (try await lab.must(.get, "\(path)?fieldSelector=\(selector)")["items"]?.arrayValue ?? [])
                .compactMap { $0["metadata"]?["name"]?.stringValue }
        }
        let events = "/apis/events.k8s.io/v1/namespaces/alice/events"
        let rows: [(String, String, [String])] = [
            ("/api/v1/nodes", "spec.unschedulable=false", ["open"]), ("/api/v1/nodes", "spec.unschedulable!=false", ["closed"]),
            ("/api/v1/nodes", "spec.unschedulable=true", ["closed"]),
            ("/api/v1/pods", "spec.hostNetwork=false", ["p"]), ("/api/v1/pods", "status.podIPs!=1.2.3.4", ["p"]),
            ("/api/v1/namespaces", "name=alice", ["alice"]), (events, "regarding.name=p,regarding.kind=Pod", ["e"]),
            (events, "regarding.name=q", []), (events, "reportingController=kubelet", ["e"]),
            ("/api/v1/events", "source=kubelet", ["e"]), ("/api/v1/events", "source=x", []),
            ("/apis/apps/v1/replicasets", "status.replicas=0", ["r"]),
            ("/api/v1/replicationcontrollers", "status.replicas=0", []),
        ]
        for (path, selector, expected) in rows {
            #expect(try await names(path, selector) == expected, "\(path) \(selector)")
        }
        let stale = try await lab.send(.get, "\(events)?fieldSelector=involvedObject.name=p")
        #expect(stale.status == 200)
    }
}
