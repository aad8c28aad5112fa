// Promises about reading container logs: CRI lines back into text, tail, since, timestamps, follow, rotation.
import Glibc
import KubernetesClientTesting
import Synchronization
import Testing

@testable import Agent

@Suite("Container logs")
struct ContainerLogReaderTests {
    /// Collects what a reader writes.
    final class Sink: Sendable {
        private let bytes = Mutex<[UInt8]>([])
        func write(_ more: [UInt8]) { bytes.withLock { $0 += more } }
        var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
    }

    static func temporaryLog(_ lines: [String]) throws -> String {
        var template = Array("/tmp/swiftlet-log-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        let path = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        close(descriptor)
        append(lines, to: path)
        return path
    }

    static func append(_ lines: [String], to path: String) {
        guard let file = fopen(path, "a") else { return }
        fputs(lines.map { $0 + "\n" }.joined(), file)
        fclose(file)
    }

    static let sample = [
        "2026-11-21T04:00:01.000000000Z stdout F one",
        "2026-11-21T04:00:02.000000000Z stderr F two",
        "2026-11-21T04:00:03.000000000Z stdout P thr",
        "2026-11-21T04:00:03.000000001Z stdout F ee",
        "2026-11-21T04:00:04.000000000Z stdout F ",
        "2026-11-21T04:00:05.000000000Z stdout F five",
    ]

    func read(_ lines: [String], _ change: (inout ContainerLogQuery) -> Void = { _ in }) async throws -> String {
        let path = try Self.temporaryLog(lines)
        defer { unlink(path) }
        var query = ContainerLogQuery()
        change(&query)
        let sink = Sink()
        try await ContainerLogReader(path: path, query: query).copy(ended: { true }) { sink.write($0) }
        return sink.text
    }

    @Test("lines come back without their CRI prefix, parts of a long line joined")
    func whole() async throws {
        #expect(try await read(Self.sample) == "one\ntwo\nthree\n\nfive\n")
    }

    @Test(
        "tail counts lines as the task wrote them",
        arguments: [(0, ""), (1, "five\n"), (3, "three\n\nfive\n"), (99, "one\ntwo\nthree\n\nfive\n")])
    func tail(_ count: Int, _ expected: String) async throws {
        #expect(try await read(Self.sample) { $0.tailLines = count } == expected)
    }

    @Test("since leaves out what is older")
    func since() async throws {
        #expect(try await read(Self.sample) { $0.since = "2026-11-21T04:00:04Z" } == "\nfive\n")
    }

    @Test("timestamps are put before whole lines only")
    func timestamps() async throws {
        let text = try await read(Array(Self.sample[2...3])) { $0.timestamps = true }
        #expect(text == "2026-11-21T04:00:03.000000000Z three\n")
    }

    @Test("limitBytes cuts exactly")
    func limit() async throws {
        #expect(try await read(Self.sample) { $0.limitBytes = 6 } == "one\ntw")
    }

    @Test("a torn line of a full disk is left out, the rest is read")
    func torn() async throws {
        #expect(try await read(["2026-11-21T04:0", Self.sample[0]]) == "one\n")
    }

    @Test("tail reaches back over more than one chunk")
    func longTail() async throws {
        let lines = (0..<9000).map { "2026-11-21T04:00:01.000000000Z stdout F line \($0)" }
        let text = try await read(lines) { $0.tailLines = 5000 }
        #expect(text.hasPrefix("line 4000\n") && text.hasSuffix("line 8999\n"))
    }

    @Test("tail finds its first line wherever pieces of the file end, however many parts a line has")
    func tailAcrossChunks() async throws {
        for seed in 0..<6 {
            var random = SeededRandom(seed: UInt64(seed))
            // Lines as the task wrote them, each in one part or more; three chunks of the reader and a rest.
            var (lines, parts, size): ([String], [String], Int) = ([], [], 0)
            while size < 3 * LogSegment.chunk + 1000 {
                let word = "\(lines.count):"
                let pieces = (0...Int.random(in: 0...3, using: &random)).map { piece in
                    word + String(repeating: "a", count: Int.random(in: 0...(piece == 0 ? 90 : 9000), using: &random))
                }
                for (index, piece) in pieces.enumerated() {
                    parts.append("2026-11-21T04:00:01.000000000Z stdout \(index + 1 < pieces.count ? "P" : "F") \(piece)")
                    size += parts[parts.count - 1].utf8.count + 1
                }
                lines.append(pieces.joined())
            }
            for count in [1, 2, lines.count / 3, lines.count / 2, lines.count - 1, lines.count, lines.count + 1] {
                let expected = lines.suffix(count).map { $0 + "\n" }.joined()
                #expect(try await read(parts) { $0.tailLines = count } == expected, "seed \(seed), \(count) of \(lines.count) lines")
            }
        }
    }

    @Test("nearly all of a large log: each byte is looked at once on the way back", .timeLimit(.minutes(1)))
    func tailOfLargeLog() async throws {
        let line = "2026-11-21T04:00:01.000000000Z stdout F " + String(repeating: "x", count: 4000)
        let text = try await read(Array(repeating: line, count: 8000)) { query in
            query.tailLines = 7999
            query.limitBytes = 10
        }
        #expect(text == "xxxxxxxxxx")
    }

    @Test("numbers and times that make no sense print what they can, and end nothing")
    func senseless() async throws {
        #expect(try await read(Self.sample) { $0.limitBytes = -1 } == "")
        #expect(try await read(Self.sample) { $0.tailLines = .min } == "")
        #expect(try await read(Self.sample) { $0.tailLines = .max } == "one\ntwo\nthree\n\nfive\n")
        #expect(LogTime.percentDecoded("%A") == "%A" && LogTime.percentDecoded("a%") == "a%" && LogTime.percentDecoded("%41%4") == "A%4")
    }

    @Test("following sees what is written later and what a rotation began, and ends with the container")
    func follow() async throws {
        let path = try Self.temporaryLog([Self.sample[0]])
        defer {
            unlink(path)
            unlink(path + ".1")
        }
        var query = ContainerLogQuery()
        query.follow = true
        let sink = Sink()
        let stage = Mutex(0)
        try await ContainerLogReader(path: path, query: query).copy(ended: {
            // Each look of the reader moves the world on by one step.
            let step = stage.withLock {
                $0 += 1
                return $0
            }
            switch step {
            case 2: Self.append([Self.sample[1]], to: path)
            case 3:
                rename(path, path + ".1")
                Self.append([Self.sample[5]], to: path)
            default: break
            }
            return step >= 4
        }) { sink.write($0) }
        #expect(sink.text == "one\ntwo\nfive\n")
    }

    /// I-LOG-4: a reader that follows sees every line once and in order, whenever the log is rotated, compressed or cut under its hands,
    /// as long as it is not slower than the files that are kept.
    @Test(
        "I-LOG-4: following loses no line while the log is rotated and compressed again and again",
        arguments: 0..<40 as Range<UInt64>)
    func rotationWhileReading(_ seed: UInt64) async throws {
        var template = Array("/tmp/swiftlet-rotation-XXXXXX".utf8CString)
        let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { try? DiskFiles.removeTree(directory) }
        let path = directory + "/0.log"
        Self.append(["2026-11-21T04:00:00.000000000Z stdout F 0"], to: path)
        var query = ContainerLogQuery()
        query.follow = true
        let sink = Sink()
        let state = Mutex((random: seed &* 0x9E37_79B9_7F4A_7C15 | 1, next: 1, rotations: 0, steps: 0))
        try await ContainerLogReader(path: path, query: query).copy(ended: {
            state.withLock { state in
                state.steps += 1
                for _ in 0..<4 {
                    state.random = state.random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    switch (state.random >> 33) % 4 {
                    case 0, 1:
                        Self.append(["2026-11-21T04:00:00.000000000Z stdout F \(state.next)"], to: path)
                        state.next += 1
                    case 2:
                        state.rotations += 1
                        rename(path, path + ".\(state.rotations)")
                        Self.append([], to: path)
                    default:
                        if state.rotations > 1 { try? ContainerLogs.compress(path + ".\(state.rotations - 1)") }
                    }
                }
                return state.steps > 3
            }
        }) { sink.write($0) }
        let expected = (0..<state.withLock { $0.next }).map { "\($0)\n" }.joined()
        #expect(sink.text == expected, "I-LOG-4, seed \(seed)")
    }

    @Test(
        "a time is taken with any zone",
        arguments: [
            ("2026-11-21T04:00:00Z", "2026-11-21T04:00:00Z"),
            ("2026-11-21T04:00:00.123456789Z", "2026-11-21T04:00:00.123456789Z"),
            ("2026-11-21T06:00:00+02:00", "2026-11-21T04:00:00.000000Z"), ("yesterday", nil),
        ] as [(String, String?)])
    func sinceTime(_ text: String, _ expected: String?) {
        let encoded = text.replacing("+", with: "%2B").replacing(":", with: "%3A")
        #expect(ContainerLogRequest("/containerLogs/alice/p/c?sinceTime=\(encoded)")?.query.since == expected)
    }

    @Test("a container that has said nothing has an empty log; whoever follows sees its first line, as new whatever tail was asked for")
    func silent() async throws {
        let sink = Sink()
        try await ContainerLogReader(path: "/nonexistent/0.log", query: .init()).copy(ended: { false }) { sink.write($0) }
        #expect(sink.text == "")
        var template = Array("/tmp/swiftlet-silent-XXXXXX".utf8CString)
        let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { try? DiskFiles.removeTree(directory) }
        let path = directory + "/main/0.log"
        var query = ContainerLogQuery()
        (query.follow, query.tailLines) = (true, 0)
        let looks = Mutex(0)
        try await ContainerLogReader(path: path, query: query).copy(ended: {
            let look = looks.withLock { looks in
                looks += 1
                return looks
            }
            if look == 2 {
                mkdir(directory + "/main", 0o755)
                Self.append([Self.sample[0]], to: path)
            }
            return look > 3
        }) { sink.write($0) }
        #expect(sink.text == "one\n")
        try await ContainerLogReader(path: "/nonexistent/0.log", query: query).copy(ended: { true }) { sink.write($0) }
        #expect(sink.text == "one\n", "who follows what is over is not held")
    }

    @Test("a log that cannot be read is an error that names it")
    func unreadable() async throws {
        await #expect {
            try await ContainerLogReader(path: "/dev/null/0.log", query: .init()).copy(ended: { true }) { _ in }
        } throws: { "\($0)".contains("/dev/null/0.log") }
    }

    @Test(
        "the kubelet's log path is understood",
        arguments: [
            ("/containerLogs/alice/p/c?follow=true&tailLines=5&timestamps=true&sinceSeconds=60", true),
            ("/containerLogs/alice/p", true), ("/exec/alice/p/c", false), ("/containerLogs/alice", false),
        ])
    func path(_ path: String, _ good: Bool) {
        let request = ContainerLogRequest(path)
        #expect((request != nil) == good)
        if path.contains("tailLines") {
            #expect(request?.query.tailLines == 5)
            #expect(request?.query.follow == true)
            #expect(request?.sinceSeconds == 60)
        }
    }
}
