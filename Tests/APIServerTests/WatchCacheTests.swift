// Properties of lists and watches over a random history. A failure prints its seed.
import JSON
import KubernetesModel
import Synchronization
import Testing

@testable import APIServer

struct WatchCacheTests {
    private static let maps = "/api/v1/namespaces/alice/configmaps"
    private static let selectors = ["", "labelSelector=color%3Dred", "labelSelector=!color", "fieldSelector=metadata.name%3Dm1"]

    private static func path(_ query: String) -> String { query.replacing("%3D", with: "=") }

    /// One random change: create, relabel or delete of one of a few names.
    private static func step(_ lab: Laboratory, _ random: inout SeededGenerator) async throws {
        let name = "m\(random.below(4))"
        let color = random.one(of: ["red", "blue", ""])
        var labels: JSONValue = ["n": .string("\(random.below(1000))")]
        if !color.isEmpty { labels["color"] = .string(color) }
        switch random.below(4) {
        case 0: _ = try await lab.send(.delete, "\(maps)/\(name)")
        case 1:
            _ = try await lab.send(
                .patch, "\(maps)/\(name)",
                [
                    "metadata": [
                        "labels": ["color": color.isEmpty ? .null : .string(color), "n": .string("\(random.below(1000))")]
                    ]
                ],
                type: "application/merge-patch+json")
        default: _ = try await lab.send(.post, maps, ["metadata": ["name": .string(name), "labels": labels]])
        }
    }

    private static func state(_ list: JSONValue) -> [String: JSONValue] {
        Dictionary(
            (list["items"]?.arrayValue ?? []).map { ($0["metadata"]?["name"]?.stringValue ?? "", $0) },
            uniquingKeysWith: { first, _ in first })
    }

    private struct Follower {
        var state: [String: JSONValue]
        var revision: UInt64
        var bookmarks = 0

        /// Takes whole lines; records what breaks an invariant.
        mutating func take(_ bytes: [UInt8], _ context: String) throws {
            for line in bytes.split(separator: UInt8(ascii: "\n")) {
                let event = try JSONValue(parsing: Array(line))
                let object = event["object"] ?? .null
                let name = object["metadata"]?["name"]?.stringValue ?? ""
                let revision = object["metadata"]?["resourceVersion"]?.stringValue.flatMap { UInt64($0) } ?? 0
                switch event["type"]?.stringValue {
                case "BOOKMARK":
                    bookmarks += 1
                    #expect(revision >= self.revision, "I-WATCH-2: \(context): a bookmark goes back")
                case "ADDED":
                    #expect(state[name] == nil, "I-WATCH-1: \(context): \(name) added twice")
                    state[name] = object
                case "MODIFIED":
                    #expect(state[name] != nil, "I-WATCH-1: \(context): \(name) modified, never added")
                    state[name] = object
                case "DELETED":
                    #expect(state[name] != nil, "I-WATCH-1: \(context): \(name) deleted, never added")
                    state[name] = nil
                case let other: Issue.record("\(context): \(other ?? "no type")")
                }
                if event["type"] != "BOOKMARK" {
                    #expect(revision > self.revision, "I-WATCH-3: \(context): event \(revision) after \(self.revision)")
                }
                self.revision = max(self.revision, revision)
            }
        }
    }

    @Test(
        """
        I-WATCH-1: a list at R and the events after R make the list of now, for each selector; \
        I-WATCH-2: bookmarks skip nothing; I-WATCH-3: a watch resumed anywhere neither misses nor doubles
        """, arguments: 1...6)
    func listAndWatch(_ seed: UInt64) async throws {
        let lab = try await Laboratory()
        var random = SeededGenerator(seed: seed)
        for _ in 0..<random.below(20) { try await Self.step(lab, &random) }
        var followers: [String: Follower] = [:]
        for query in Self.selectors {
            let list = try await lab.must(.get, "\(Self.maps)?\(Self.path(query))")
            let revision = try #require(list["metadata"]?["resourceVersion"]?.stringValue.flatMap { UInt64($0) })
            followers[query] = Follower(state: Self.state(list), revision: revision)
        }
        for round in 0..<8 {
            for _ in 0..<random.below(12) { try await Self.step(lab, &random) }
            for query in Self.selectors {
                guard var follower = followers[query] else { continue }
                let context = "seed \(seed), round \(round), \"\(query)\""
                // Resumed from where the last watch was left; what is there already is told at once, then the watch is ended.
                let watch = try await lab.watch(
                    "\(Self.maps)?watch=true&resourceVersion=\(follower.revision)&\(Self.path(query))")
                let told = Mutex<[UInt8]>([])
                watch.subscribe { delivery in
                    switch delivery {
                    case .events(let events): told.withLock { told in for event in events { told += event.frame } }
                    case .bytes(let bytes): told.withLock { $0 += bytes }
                    case .end: return
                    }
                }
                for _ in 0..<random.below(4) { try await Self.step(lab, &random) }
                let revision = lab.store.revision
                let list = try await lab.must(.get, "\(Self.maps)?\(Self.path(query))")
                // The publisher hands events on before it answers the commit.
                watch.cancel()
                try follower.take(told.withLock { $0 }, context)
                #expect(follower.state == Self.state(list), "I-WATCH-1: \(context)")
                follower.revision = max(follower.revision, random.below(2) == 0 ? revision : 0)
                followers[query] = follower
            }
        }
    }

    @Test("I-LIST-1: the pages of a list are one snapshot, whatever is written between them", arguments: 1...6)
    func pages(_ seed: UInt64) async throws {
        let lab = try await Laboratory()
        var random = SeededGenerator(seed: seed)
        for index in 0..<12 {
            try await lab.must(
                .post, Self.maps,
                ["metadata": ["name": .string("p\(index)"), "labels": ["color": index % 3 == 0 ? "red" : "blue"]]])
        }
        for query in ["", "&labelSelector=color=red"] {
            let whole = try await lab.must(.get, "\(Self.maps)?\(query.dropFirst())")
            let revision = whole["metadata"]?["resourceVersion"]
            var items: [JSONValue] = []
            var token = ""
            repeat {
                let more = token.isEmpty ? "" : "&continue=\(token)"
                let page = try await lab.must(.get, "\(Self.maps)?limit=\(1 + random.below(4))\(query)\(more)")
                items += page["items"]?.arrayValue ?? []
                #expect(page["metadata"]?["resourceVersion"] == revision, "I-LIST-1: seed \(seed)")
                token = page["metadata"]?["continue"]?.stringValue ?? ""
                for _ in 0..<3 { try await Self.step(lab, &random) }
                _ = try await lab.send(.delete, "\(Self.maps)/p\(random.below(12))")
            } while !token.isEmpty
            #expect(.array(items) == whole["items"], "I-LIST-1: seed \(seed)")
        }
    }

    @Test("a revision that a list names is read exactly, or at least")
    func matches() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, Self.maps, ["metadata": ["name": "a"]])
        let first = lab.store.revision
        try await lab.must(.post, Self.maps, ["metadata": ["name": "b"]])
        func names(_ query: String) async throws -> [String] {
            let list = try await lab.must(.get, "\(Self.maps)?\(query)")
            return (list["items"]?.arrayValue ?? []).compactMap { $0["metadata"]?["name"]?.stringValue }
        }
        #expect(try await names("resourceVersion=\(first)&resourceVersionMatch=Exact") == ["a"])
        #expect(try await names("resourceVersion=\(first)&resourceVersionMatch=NotOlderThan") == ["a", "b"])
        #expect(try await names("resourceVersion=\(first)") == ["a", "b"])
        #expect(try await names("resourceVersion=0") == ["a", "b"])
        let ahead = try await lab.send(.get, "\(Self.maps)?resourceVersion=999999")
        #expect(ahead.status == 504)
        #expect(ahead.reason == "Timeout")
        #expect(ahead.message == "Timeout: Too large resource version: 999999, current: \(lab.store.revision)")
        #expect(ahead.body["details"]?["causes"]?[0]?["reason"] == "ResourceVersionTooLarge")
    }

    @Test(
        "what resourceVersionMatch does not allow is refused",
        arguments: [
            ("resourceVersionMatch=Exact", "resourceVersionMatch is forbidden unless resourceVersion is provided"),
            (
                "resourceVersionMatch=Exact&resourceVersion=0",
                "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""
            ),
            ("resourceVersionMatch=Newest&resourceVersion=1", "Unsupported value: \"Newest\""),
            ("sendInitialEvents=true", "sendInitialEvents is forbidden for list"),
            (
                "watch=true&resourceVersionMatch=Exact&resourceVersion=1",
                "forbidden for watch unless sendInitialEvents is provided"
            ),
            ("watch=true&sendInitialEvents=true", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
        ])
    func refusedMatches(_ query: String, _ words: String) async throws {
        let answer = try await Laboratory().send(.get, "\(Self.maps)?\(query)")
        #expect(answer.status == 422)
        #expect(answer.message.hasPrefix("ListOptions.meta.k8s.io \"\" is invalid: "))
        #expect(answer.message.contains(words))
    }

    @Test("initial events are followed by a bookmark that says so, also for an empty collection")
    func initialEvents() async throws {
        let lab = try await Laboratory()
        let query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        for count in [0, 2] {
            for index in 0..<count { try await lab.must(.post, Self.maps, ["metadata": ["name": .string("i\(index)")]]) }
            let watch = try await lab.watch("\(Self.maps)?\(query)")
            var lines: [JSONValue] = []
            while lines.count < count + 1 {
                let bytes = try #require(await watch.next())
                lines += try bytes.split(separator: UInt8(ascii: "\n")).map { try JSONValue(parsing: Array($0)) }
            }
            #expect(lines.dropLast().allSatisfy { $0["type"] == "ADDED" })
            let last = try #require(lines.last)
            #expect(last["type"] == "BOOKMARK")
            #expect(last["object"]?["kind"] == "ConfigMap")
            #expect(last["object"]?["metadata"]?["annotations"]?["k8s.io/initial-events-end"] == "true")
            #expect(last["object"]?["metadata"]?["resourceVersion"] == .string(String(lab.store.revision)))
            watch.cancel()
        }
    }

    @Test("a subscriber is told all in order, and the end once")
    func subscriber() async throws {
        let lab = try await Laboratory()
        let watch = try await lab.watch("\(Self.maps)?watch=true&resourceVersion=\(lab.store.revision)")
        let told = Mutex<[String]>([])
        watch.subscribe { delivery in
            told.withLock { told in
                switch delivery {
                case .events(let events): told += events.map { "\($0.kind.rawValue) \($0.object.key.name)" }
                case .bytes: told.append("bytes")
                case .end: told.append("end")
                }
            }
        }
        try await lab.must(.post, Self.maps, ["metadata": ["name": "a"]])
        try await lab.must(.delete, "\(Self.maps)/a")
        watch.cancel()
        watch.cancel()
        #expect(told.withLock { $0 } == ["ADDED a", "DELETED a", "end"])
    }
}
