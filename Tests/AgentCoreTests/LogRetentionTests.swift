// Which logs go, which are compressed, which are begun anew; and a property: whatever is found, bounds hold and nobody loses the
// file that is written.
import Testing

@testable import AgentCore

@Suite("log retention")
struct LogRetentionTests {
    static let day: Int64 = 86_400 * .nanosecondsPerSecond
    static let now = 100 * day

    static func file(_ name: String, _ bytes: Int64 = 10, age: Int64 = 0, container: String = "main") throws -> LogFileFact {
        LogFileFact(container: container, name: try #require(LogFileName(name)), bytes: bytes, modified: now - age)
    }

    static func of(_ files: [LogFileFact], running: Set<ContainerRun>? = [ContainerRun(name: "main", attempt: 0)])
        -> LogDirectoryFact
    {
        LogDirectoryFact(name: "alice_p_1", running: running, abandonedAt: now, files: files)
    }

    @Test(
        "names of log files",
        arguments: [
            ("0.log", true), ("12.log.3", true), ("0.log.3.gz", true), ("0.log.gz", false), ("0.log.0", false),
            ("0.log.3.gz.tmp", false), ("x.log", false), ("0.txt", false), ("0.log.3.xz", false), ("-1.log", false),
        ])
    func names(_ text: String, _ good: Bool) {
        let name = LogFileName(text)
        #expect((name != nil) == good)
        if let name { #expect(name.text == text) }
    }

    @Test("rotated files but the newest are compressed; all of a run that ended")
    func compression() throws {
        let files = try [Self.file("0.log"), Self.file("0.log.2"), Self.file("0.log.1"), Self.file("0.log.3.gz")]
        let retention = LogRetention(policy: LogPolicy())
        func compressed(_ running: Set<ContainerRun>) -> [String] {
            retention.actions(for: [Self.of(files, running: running)], now: Self.now).compactMap {
                if case .compress(_, _, let name) = $0 { name.text } else { nil }
            }
        }
        #expect(compressed([ContainerRun(name: "main", attempt: 0)]) == ["0.log.1", "0.log.2"])
        let plain = try [Self.file("0.log"), Self.file("0.log.2"), Self.file("0.log.1")]
        let actions = retention.actions(for: [Self.of(plain)], now: Self.now)
        #expect(actions == [.compress(directory: "alice_p_1", container: "main", LogFileName(attempt: 0, number: 1))])
        #expect(compressed([]) == ["0.log.1", "0.log.2"])
        #expect(LogRetention(policy: LogPolicy(compresses: false)).actions(for: [Self.of(plain)], now: Self.now).isEmpty)
    }

    @Test("what is too old goes; a file that is still written to is begun anew instead")
    func age() throws {
        let files = try [
            Self.file("0.log", age: 40 * Self.day), Self.file("0.log.1.gz", age: 50 * Self.day),
            Self.file("1.log", age: 40 * Self.day),
        ]
        let actions = LogRetention(policy: LogPolicy()).actions(for: [Self.of(files)], now: Self.now)
        #expect(
            Set(actions) == [
                .reopen(directory: "alice_p_1", ContainerRun(name: "main", attempt: 0)),
                .remove(directory: "alice_p_1", container: "main", LogFileName(attempt: 0, number: 1, isCompressed: true)),
                .remove(directory: "alice_p_1", container: "main", LogFileName(attempt: 1)),
            ])
        let empty = try [Self.file("0.log", 0, age: 40 * Self.day)]
        #expect(LogRetention(policy: LogPolicy()).actions(for: [Self.of(empty)], now: Self.now).isEmpty)
        let forever = LogRetention(policy: LogPolicy(maximumAgeSeconds: nil))
        #expect(!forever.actions(for: [Self.of(files)], now: Self.now).contains { if case .remove = $0 { true } else { false } })
    }

    @Test("a pod that is gone keeps its logs for their time, and together they stay below their bound: the oldest make room")
    func abandoned() throws {
        func gone(_ name: String, days: Int64, bytes: Int64) throws -> LogDirectoryFact {
            LogDirectoryFact(
                name: name, running: nil, abandonedAt: Self.now - days * Self.day, files: [try Self.file("0.log", bytes)])
        }
        let policy = LogPolicy(keepAfterPodSeconds: 7 * 86_400, keepAfterPodBytes: 100)
        let found = try [
            gone("a", days: 8, bytes: 1), gone("b", days: 3, bytes: 60), gone("c", days: 1, bytes: 60),
            gone("d", days: 0, bytes: 30),
        ]
        #expect(
            LogRetention(policy: policy).actions(for: found, now: Self.now) == [.removeDirectory("a"), .removeDirectory("b")])
    }

    /// I-LOG-1: the present file of a run that may write is never removed or compressed, nor a directory of a pod that the node has.
    /// I-LOG-2: what is kept of pods that are gone is within bytes and age. I-LOG-3: a second look right after finds nothing more to remove.
    @Test("I-LOG-1..3 hold for whatever is found", arguments: 0..<400 as Range<UInt64>)
    func property(_ seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let policy = LogPolicy(
            maximumAgeSeconds: random.below(3) == 0 ? nil : Int64(random.below(30)) * 86_400, compresses: random.below(2) == 0,
            keepAfterPodSeconds: Int64(random.below(10)) * 86_400, keepAfterPodBytes: Int64(random.below(200)))
        let directories = try (0..<random.below(8)).map { index in
            let isGone = random.below(2) == 0
            let files = try (0..<random.below(6)).map { number in
                let name = "\(random.below(3)).log" + (number == 0 ? "" : ".\(number)\(random.below(2) == 0 ? ".gz" : "")")
                return try Self.file(name, Int64(random.below(80)), age: Int64(random.below(60)) * Self.day)
            }
            return LogDirectoryFact(
                name: "p\(index)",
                running: isGone ? nil : random.below(2) == 0 ? [] : [ContainerRun(name: "main", attempt: random.below(3))],
                abandonedAt: Self.now - Int64(random.below(20)) * Self.day, files: files)
        }
        let retention = LogRetention(policy: policy)
        let actions = retention.actions(for: directories, now: Self.now)
        var left = directories
        for action in actions {
            switch action {
            case .removeDirectory(let name):
                #expect(directories.first { $0.name == name }?.running == nil, "I-LOG-1, seed \(seed)")
                left.removeAll { $0.name == name }
            case .remove(let directory, let container, let name), .compress(let directory, let container, let name):
                let run = ContainerRun(name: container, attempt: name.attempt)
                let running = directories.first { $0.name == directory }?.running ?? []
                #expect(name.number != nil || !running.contains(run), "I-LOG-1, seed \(seed)")
                guard case .remove = action, let place = left.firstIndex(where: { $0.name == directory }) else { continue }
                left[place].files.removeAll { $0.container == container && $0.name == name }
            case .reopen(let directory, let run):
                #expect(directories.first { $0.name == directory }?.running?.contains(run) == true, "I-LOG-1, seed \(seed)")
            }
        }
        let gone = left.filter { $0.running == nil }
        #expect(gone.reduce(0) { $0 + $1.bytes } <= policy.keepAfterPodBytes, "I-LOG-2, seed \(seed)")
        #expect(
            gone.allSatisfy { Self.now - $0.abandonedAt < policy.keepAfterPodSeconds * .nanosecondsPerSecond },
            "I-LOG-2, seed \(seed)")
        let again = retention.actions(for: left, now: Self.now)
        #expect(
            !again.contains { if case .remove = $0 { true } else if case .removeDirectory = $0 { true } else { false } },
            "I-LOG-3, seed \(seed)")
    }
}

/// Steele, Lea, Flood: SplitMix64.
private struct SplitMix {
    var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((z ^ (z >> 31)) % UInt64(bound))
    }
}
