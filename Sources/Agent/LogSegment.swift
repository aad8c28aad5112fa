// One file of a container's log, plain or compressed, read from its beginning or from a line near its end.
import CZlib
import Glibc

public struct LogError: Error, CustomStringConvertible {
    public var description: String
}

/// Closed with its last reference. Everything here blocks; used by one reader after the other, never by two at once.
final class LogSegment: @unchecked Sendable {
    // SAFETY: `@unchecked`: a reader awaits each of its calls before the next, so there is one user at any time.

    /// A descriptor, or a stream of zlib's over one.
    private enum Handle {
        case plain(Int32)
        case compressed(gzFile)
    }

    static let chunk = 64 * 1024

    private let handle: Handle
    /// Of a plain file: where to read next.
    private var offset: Int64 = 0
    private let inode: UInt64
    /// Its place among the log's files: that of PATH.NUMBER, or for the present file the one it will get.
    let number: UInt64

    /// nil when there is no such file (any more).
    init?(path: String, compressed: Bool, number: UInt64) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw LogError(description: "log \(path): \(String(cString: strerror(errno)))")
        }
        var facts = stat()
        inode = fstat(descriptor, &facts) == 0 ? UInt64(facts.st_ino) : 0
        self.number = number
        guard compressed else {
            handle = .plain(descriptor)
            return
        }
        guard let stream = gzdopen(descriptor, "rb") else {
            close(descriptor)
            throw LogError(description: "log \(path): no memory to decompress it")
        }
        handle = .compressed(stream)
    }

    deinit {
        switch handle {
        case .plain(let descriptor): close(descriptor)
        case .compressed(let stream): gzclose(stream)
        }
    }

    /// Whether this is the very file that `path` names now.
    func isAt(_ path: String) -> Bool {
        var facts = stat()
        return stat(path, &facts) == 0 && UInt64(facts.st_ino) == inode
    }

    /// The next bytes; empty at the end, which for a file that still grows is not for good.
    func read() throws -> [UInt8] {
        let bytes = try read(Self.chunk, at: offset)
        offset += Int64(bytes.count)
        return bytes
    }

    private func read(_ limit: Int, at offset: Int64) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
            var count: Int
            repeat {
                count =
                    switch handle {
                    case .plain(let descriptor): pread(descriptor, buffer.baseAddress, limit, off_t(offset))
                    case .compressed(let stream): Int(gzread(stream, buffer.baseAddress, UInt32(limit)))
                    }
            } while count < 0 && errno == EINTR
            guard count >= 0 else { throw LogError(description: "read log: \(String(cString: strerror(errno)))") }
            filled = count
        }
    }

    // MARK: The time of its lines

    /// Time of the first line; nil when there is none yet. Leaves the place of reading at the beginning.
    func firstTime() throws -> String? {
        defer { rewind() }
        let bytes = try read(64, at: 0)
        guard let space = bytes.firstIndex(of: 0x20) else { return nil }
        return String(decoding: bytes[..<space], as: UTF8.self)
    }

    private func rewind() {
        offset = 0
        if case .compressed(let stream) = handle { gzrewind(stream) }
    }

    // MARK: The last lines

    /// Goes to where the last `count` lines begin (the parts of one long line count as one), or to the beginning if there are fewer;
    /// returns how many there are from there on.
    func seek(lastLines count: Int) throws -> Int {
        switch handle {
        case .plain(let descriptor):
            var facts = stat()
            guard fstat(descriptor, &facts) == 0 else { return 0 }
            let found = try lastLines(count, end: Int64(facts.st_size))
            offset = found.offset
            return found.lines
        case .compressed:
            let total = try countLines(upTo: .max).lines
            rewind()
            guard total > count else { return total }
            let skipped = try countLines(upTo: total - count)
            rewind()
            try skip(skipped.bytes)
            return count
        }
    }

    /// A line's time, stream and tag are shorter.
    private static let headBytes = 128

    /// From the end backwards, each chunk once: what a line is stands at its head, which may reach into the chunk behind.
    private func lastLines(_ count: Int, end: Int64) throws -> (offset: Int64, lines: Int) {
        if count <= 0 { return (end, 0) }
        var (found, begin, chunkEnd): (Int, Int64, Int64) = (0, end, end)
        var behind: ArraySlice<UInt8> = []
        while chunkEnd > 0 {
            let start = max(0, chunkEnd - Int64(Self.chunk))
            let own = try read(Int(chunkEnd - start), at: start)
            guard own.count == Int(chunkEnd - start) else { return (begin, found) }  // cut off meanwhile
            let bytes = own + behind
            var searched = own.count
            while let line = Self.lastLineStart(in: bytes, before: &searched, isWholeFile: start == 0) {
                if start + Int64(line) == end { continue }  // behind the last line's end nothing begins
                if !Self.isPart(bytes[line...].prefix(Self.headBytes)) {
                    if found == count { return (begin, found) }
                    found += 1
                }
                begin = start + Int64(line)
            }
            behind = bytes.prefix(Self.headBytes)
            chunkEnd = start
        }
        return (begin, found)
    }

    /// Where the last line begins of those that begin behind a newline before `searched`, or with the file; nil: there is none. Moves `searched`
    /// to that newline; below 0: all is searched.
    private static func lastLineStart(in bytes: [UInt8], before searched: inout Int, isWholeFile: Bool) -> Int? {
        guard searched >= 0 else { return nil }
        let newline = bytes[..<searched].lastIndex(of: 0x0a)
        searched = newline ?? -1
        return newline.map { $0 + 1 } ?? (isWholeFile ? 0 : nil)
    }

    private static func isPart(_ head: ArraySlice<UInt8>) -> Bool {
        CRILogLine(head.prefix { $0 != 0x0a })?.partial == true
    }

    /// Reads on for so many whole lines; how many there were, and their bytes.
    private func countLines(upTo limit: Int) throws -> (lines: Int, bytes: Int) {
        var (lines, bytes, begun) = (0, 0, 0)
        var pending: [UInt8] = []
        while lines < limit {
            let piece = try read(Self.chunk, at: 0)
            if piece.isEmpty { break }
            pending += piece
            var start = pending.startIndex
            while lines < limit, let end = pending[start...].firstIndex(of: 0x0a) {
                begun += end + 1 - start
                if CRILogLine(pending[start..<end])?.partial != true {
                    lines += 1
                    bytes = begun
                }
                start = end + 1
            }
            pending.removeSubrange(..<start)
        }
        return (lines, bytes)
    }

    private func skip(_ count: Int) throws {
        var left = count
        while left > 0 {
            let bytes = try read(min(Self.chunk, left), at: 0)
            guard !bytes.isEmpty else { return }
            left -= bytes.count
        }
    }
}
