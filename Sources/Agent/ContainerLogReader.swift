// Reads a container's log for `GET pods/NAME/log`: the CRI format (KEP-1033's "time stream tag content") back into lines,
// with tail, since and timestamps, and following a log that still grows or is rotated meanwhile.
import Glibc
import KubernetesModel
import RuntimeInterface

/// What of a log is asked for; the query of the kubelet's `/containerLogs` (kubelet server.go's names).
public struct ContainerLogQuery: Sendable, Hashable {
    public var follow = false
    /// Only so many last lines; nil is all.
    public var tailLines: Int?
    /// Only lines at or after this time, RFC 3339 in UTC with nanoseconds; text order is time order.
    public var since: String?
    public var timestamps = false
    public var limitBytes: Int?

    public init() {}
}

/// One line of a CRI log. A long line of the task is split: all parts but the last carry the tag P.
struct CRILogLine {
    var time: Substring.UTF8View
    var partial: Bool
    var content: ArraySlice<UInt8>

    /// nil for a line that is not in the format, e.g. the torn last line of a full disk.
    init?(_ line: ArraySlice<UInt8>) {
        guard let timeEnd = line.firstIndex(of: 0x20) else { return nil }
        let rest = line[(timeEnd + 1)...]
        guard let streamEnd = rest.firstIndex(of: 0x20) else { return nil }
        let tail = rest[(streamEnd + 1)...]
        guard let tag = tail.first, tag == UInt8(ascii: "F") || tag == UInt8(ascii: "P") else { return nil }
        let contentStart = tail.index(after: tail.startIndex)
        guard contentStart == tail.endIndex || tail[contentStart] == 0x20 else { return nil }
        time = Substring(decoding: line[..<timeEnd], as: UTF8.self).utf8
        partial = tag == UInt8(ascii: "P")
        content = contentStart == tail.endIndex ? [] : tail[(contentStart + 1)...]
    }
}

public struct ContainerLogReader: Sendable {
    /// How often a followed file is looked at while it does not grow. Nobody polls unless somebody follows.
    static let followInterval = Duration.milliseconds(150)

    let path: String
    let query: ContainerLogQuery

    public init(path: String, query: ContainerLogQuery) {
        self.path = path
        self.query = query
    }

    /// Writes the log's lines, those of rotated files first, until its end; following, until `ended` says that the container writes
    /// no more and the rest is read. A container that says nothing has no file. Throws what `write` throws (nobody reads any more) and
    /// `LogError` when what is there cannot be read.
    public func copy(
        ended: @escaping @Sendable () async -> Bool, write: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let (files, query) = (LogFiles(path: path), query)
        // Asked before reading: what was written before the end is then surely read.
        var over = await ended()
        var segments = try await WorkThreads.perform { try Self.begin(try files.open(), query) }
        // Nobody announces a first line either: it is looked for as growth is, while somebody follows.
        while segments.isEmpty, query.follow, !over {
            try await Task.sleep(for: Self.followInterval)
            over = await ended()
            // Whatever comes now is new: the last lines that were asked for were none.
            segments = try await WorkThreads.perform { try files.open() }
        }
        var printer = LogLinePrinter(query: query)
        while let segment = segments.first {
            segments.removeFirst()
            try await drain(segment, &printer, write)
            if !segments.isEmpty { continue }
            if !query.follow || printer.limitReached { break }
            if try await moveOn(from: segment, files, &segments, &printer, write) { continue }
            if over { break }
            try await Task.sleep(for: Self.followInterval)
            over = await ended()
            segments = [segment]
        }
    }

    /// True when the file was rotated: the next one is in `segments`, and all of this one is read.
    private func moveOn(
        from segment: LogSegment, _ files: LogFiles, _ segments: inout [LogSegment], _ printer: inout LogLinePrinter,
        _ write: @Sendable ([UInt8]) async throws -> Void
    ) async throws -> Bool {
        let next = try await WorkThreads.perform { segment.isAt(files.path) ? nil : try files.successor(of: segment) }
        guard let next else { return false }
        // Written after the last read and before the rotation; nothing comes any more.
        try await drain(segment, &printer, write)
        segments = [next]
        return true
    }

    /// Leaves out what `since` and `tail` need not look at. Blocks.
    private static func begin(_ segments: [LogSegment], _ query: ContainerLogQuery) throws -> [LogSegment] {
        var wanted = segments
        if let since = query.since {
            while wanted.count > 1, let time = try wanted[1].firstTime(), LogTime.isBefore(time, since) { wanted.removeFirst() }
        }
        guard var lines = query.tailLines.map({ max($0, 0) }) else { return wanted }
        var chosen: [LogSegment] = []
        for segment in wanted.reversed() {
            lines -= try segment.seek(lastLines: lines)
            chosen.insert(segment, at: 0)
            if lines <= 0 { break }
        }
        return chosen
    }

    private func drain(
        _ segment: LogSegment, _ printer: inout LogLinePrinter, _ write: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        while !printer.limitReached {
            let bytes = try await WorkThreads.perform { try segment.read() }
            if bytes.isEmpty { return }
            let text = printer.feed(bytes)
            if !text.isEmpty { try await write(text) }
        }
    }
}

/// Times of a log, RFC 3339 in UTC with nanoseconds, as texts: their order is that of time.
enum LogTime {
    /// A time as a caller writes it, with any zone, in the form of a log; nil when it is no RFC 3339 time.
    static func normal(_ text: String) -> String? {
        guard let time = MicroTimestamp(text) else { return nil }
        return text.hasSuffix("Z") ? text : time.description
    }

    /// The characters behind `%XX` in a query; `text` itself where it is not well-formed.
    static func percentDecoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Substring(text).utf8
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2, let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
                bytes.append(code)
                rest.removeFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func isBefore(_ time: some StringProtocol, _ other: String) -> Bool {
        // Without the Z, "04:00:04" comes before "04:00:04.000000000".
        time.utf8.prefix { $0 != UInt8(ascii: "Z") }.lexicographicallyPrecedes(other.utf8.prefix { $0 != UInt8(ascii: "Z") })
    }
}

/// Turns pieces of a CRI log into the text that a reader sees.
struct LogLinePrinter {
    let query: ContainerLogQuery
    private var pending: [UInt8] = []
    private var insideLongLine = false
    private var written = 0
    private(set) var limitReached = false

    init(query: ContainerLogQuery) { self.query = query }

    mutating func feed(_ bytes: [UInt8]) -> [UInt8] {
        pending.append(contentsOf: bytes)
        var output: [UInt8] = []
        var start = pending.startIndex
        while !limitReached, let end = pending[start...].firstIndex(of: 0x0a) {
            append(pending[start..<end], to: &output)
            start = end + 1
        }
        pending.removeSubrange(..<start)
        written += output.count
        return output
    }

    private mutating func append(_ raw: ArraySlice<UInt8>, to output: inout [UInt8]) {
        guard let line = CRILogLine(raw) else { return }
        if let since = query.since, LogTime.isBefore(Substring(line.time), since) { return }
        if query.timestamps && !insideLongLine {
            output.append(contentsOf: line.time)
            output.append(0x20)
        }
        output.append(contentsOf: line.content)
        if !line.partial { output.append(0x0a) }
        insideLongLine = line.partial
        guard let limit = query.limitBytes.map({ max($0, 0) }), written + output.count >= limit else { return }
        output.removeLast(min(output.count, written + output.count - limit))
        limitReached = true
    }
}
