// Reads a container's log for `GET pods/NAME/log`: the CRI format (KEP-1033's "time stream tag content") back into lines,
// with tail, since and timestamps, and following a log that still grows or is rotated meanwhile.
import Dispatch
import Glibc

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
    /// Read at a time; also the largest piece that is handed on at once.
    static let chunk = 64 * 1024
    /// How often a followed file is looked at while it does not grow. Nobody polls unless somebody follows.
    static let followInterval = Duration.milliseconds(150)
    /// File reads happen here: a slow disk must not hold a thread of the cooperative pool.
    private static let queue = DispatchQueue(label: "swiftlet.container-logs", attributes: .concurrent)

    let path: String
    let query: ContainerLogQuery

    public init(path: String, query: ContainerLogQuery) {
        self.path = path
        self.query = query
    }

    /// Writes the log's lines until its end; following, until `ended` says that the container writes no more and the rest
    /// is read. Throws what `write` throws (nobody reads any more) and `LogError` when there is no log.
    public func copy(
        ended: @escaping @Sendable () async -> Bool, write: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        var cursor = try await Self.read { try LogFileCursor(path: path) }
        defer { cursor.close() }
        if let tail = query.tailLines {
            let start = cursor
            cursor.offset = await Self.readNothrow { start.offsetOfLastLines(tail) }
        }
        var printer = LogLinePrinter(query: query)
        while true {
            // Asked before reading: what was written before the end is then surely read.
            let over = await ended()
            try await drain(&cursor, &printer, write)
            if !query.follow || printer.limitReached { break }
            if let next = await Self.readNothrow({ [cursor, path] in cursor.successor(at: path) }) {
                cursor.close()
                cursor = next
                continue
            }
            if over { break }
            try await Task.sleep(for: Self.followInterval)
        }
    }

    private func drain(
        _ cursor: inout LogFileCursor, _ printer: inout LogLinePrinter, _ write: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        while !printer.limitReached {
            let at = cursor
            let bytes = try await Self.read { try at.read(Self.chunk) }
            if bytes.isEmpty { return }
            cursor.offset += Int64(bytes.count)
            let text = printer.feed(bytes)
            if !text.isEmpty { try await write(text) }
        }
    }

    private static func read<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try body() }) }
        }
    }

    private static func readNothrow<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: body()) }
        }
    }
}

public struct LogError: Error, CustomStringConvertible {
    public var description: String
}

/// An open log file and how far it was read. A value: closing is the owner's.
struct LogFileCursor: Sendable {
    let descriptor: Int32
    let inode: UInt64
    var offset: Int64 = 0

    init(path: String) throws {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw LogError(description: "log \(path): \(String(cString: strerror(errno)))")
        }
        var facts = stat()
        inode = fstat(descriptor, &facts) == 0 ? UInt64(facts.st_ino) : 0
    }

    func close() { Glibc.close(descriptor) }

    func read(_ limit: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
            var count = pread(descriptor, buffer.baseAddress, limit, off_t(offset))
            while count < 0 && errno == EINTR { count = pread(descriptor, buffer.baseAddress, limit, off_t(offset)) }
            guard count >= 0 else { throw LogError(description: "read log: \(String(cString: strerror(errno)))") }
            filled = count
        }
    }

    /// The file that took this one's place under `path` (rotation), if this one is read to its end.
    func successor(at path: String) -> LogFileCursor? {
        var facts = stat()
        guard stat(path, &facts) == 0, UInt64(facts.st_ino) != inode, let next = try? LogFileCursor(path: path) else { return nil }
        return next
    }

    /// Where the last `count` whole lines (parts of one long line count as one) begin, found from the end of the file.
    func offsetOfLastLines(_ count: Int) -> Int64 {
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { return 0 }
        var start = Int64(facts.st_size)
        if count <= 0 { return start }
        var later: [UInt8] = []
        while start > 0 {
            let size = min(Int64(ContainerLogReader.chunk), start)
            var piece = self
            piece.offset = start - size
            guard let bytes = try? piece.read(Int(size)), !bytes.isEmpty else { return start }
            later = bytes + later
            start -= size
            if let found = Self.startOfLastLines(count, in: later, wholeFile: start == 0) { return start + Int64(found) }
        }
        return 0
    }

    /// nil when `bytes` do not hold enough lines. The first line counts only if `bytes` begin the file.
    static func startOfLastLines(_ count: Int, in bytes: [UInt8], wholeFile: Bool) -> Int? {
        var starts: [Int] = wholeFile ? [0] : []
        for (index, byte) in bytes.enumerated() where byte == 0x0a && index + 1 < bytes.count { starts.append(index + 1) }
        var full = 0
        var cut = bytes.endIndex
        for start in starts.reversed() {
            let end = bytes[start...].firstIndex(of: 0x0a) ?? bytes.endIndex
            let line = CRILogLine(bytes[start..<end])
            if line?.partial != true {
                if full == count { return cut }
                full += 1
            }
            cut = start
        }
        return wholeFile ? (starts.isEmpty ? 0 : cut) : nil
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
        // Without the Z, "04:00:04" comes before "04:00:04.000000000".
        if let since = query.since, line.time.lexicographicallyPrecedes(since.utf8.prefix { $0 != UInt8(ascii: "Z") }) { return }
        if query.timestamps && !insideLongLine {
            output.append(contentsOf: line.time)
            output.append(0x20)
        }
        output.append(contentsOf: line.content)
        if !line.partial { output.append(0x0a) }
        insideLongLine = line.partial
        guard let limit = query.limitBytes, written + output.count >= limit else { return }
        output.removeLast(written + output.count - limit)
        limitReached = true
    }
}
