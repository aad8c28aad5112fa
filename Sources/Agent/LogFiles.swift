// The files of one container's log in the order of their lines: what rotation left (PATH.1, PATH.2.gz, ...), then PATH. Everything
// here blocks.
import AgentCore
import Glibc

struct LogFiles: Sendable {
    /// A rotation between two looks makes the second look necessary; more than so many in a row means a flood.
    private static let attempts = 8

    let path: String

    /// All of them, opened: what is rotated, compressed or removed from now on does not matter to who reads them. The last one is
    /// the present file. None: the container has said nothing yet.
    func open() throws -> [LogSegment] {
        for attempt in 1...Self.attempts {
            let numbers = rotated()
            guard let present = try LogSegment(path: path, compressed: false, number: (numbers.last ?? 0) + 1) else {
                // Between a rotation's two steps, or no log at all.
                if attempt < Self.attempts, !numbers.isEmpty { continue }
                return numbers.isEmpty ? [] : try numbers.compactMap(open)
            }
            let older = try numbers.compactMap(open)
            // Else it was rotated after the look: its number is another, and one before it may be missing.
            let isSame = present.isAt(path) && rotated().last == numbers.last
            if isSame || attempt == Self.attempts { return older + [present] }
        }
        throw LogError(description: "log \(path): it is rotated faster than it can be read")
    }

    /// The file whose lines follow those of `segment`, which is no longer at `path`; nil when there is none yet.
    func successor(of segment: LogSegment) throws -> LogSegment? {
        for _ in 0..<Self.attempts {
            let later = rotated().filter { $0 > segment.number }
            for next in later { if let found = try open(next) { return found } }
            let number = max(segment.number, later.last ?? 0) + 1
            guard let present = try LogSegment(path: path, compressed: false, number: number) else { return nil }
            if rotated().last ?? 0 < number { return present }
        }
        return nil
    }

    /// Their numbers, in order. One that is being compressed is there twice for a moment.
    private func rotated() -> [UInt64] {
        let (directory, name) = (
            directory, String(path[(path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex)...])
        )
        var found: Set<UInt64> = []
        for other in DiskFiles.names(in: directory) where other.hasPrefix(name + ".") {
            if let number = LogFileName("0.log" + other.dropFirst(name.count))?.number { found.insert(number) }
        }
        return found.sorted()
    }

    private var directory: String { String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) }

    /// The plain file, as long as it is there; the compressed one is complete then.
    private func open(_ number: UInt64) throws -> LogSegment? {
        try LogSegment(path: "\(path).\(number)", compressed: false, number: number)
            ?? LogSegment(path: "\(path).\(number).gz", compressed: true, number: number)
    }
}
