// Gives back the pages that only a process's start has read: code and constants of its program and libraries, half of what an idle
// process would go on holding.
import Glibc

enum StartPages {
    /// From the start of the services to their first quiet moment.
    static let settling = Duration.seconds(2)

    struct Mapping: Equatable {
        var start: UInt
        var end: UInt
    }

    /// After this the pages that are used come back from the page cache as they are touched; the rest stays away.
    static func release() {
        guard let text = FileText.read("/proc/self/smaps") else { return }
        for mapping in unwritten(text) {
            // SAFETY: a private mapping of a file without a page of our own, read-only: dropped pages are read again, with the same content.
            // What cannot be dropped (locked memory) stays; nothing depends on it.
            madvise(UnsafeMutableRawPointer(bitPattern: mapping.start), Int(mapping.end - mapping.start), MADV_DONTNEED)
        }
    }

    /// The mappings of files that are private, not writable and as the file has them. (A relocated table is read-only too, but its
    /// pages are not the file's: proc(5), "Anonymous".)
    static func unwritten(_ smaps: String) -> [Mapping] {
        var found: [Mapping] = []
        var current: Mapping?
        for line in smaps.split(separator: "\n") {
            let words = line.split(separator: " ", omittingEmptySubsequences: true)
            guard let first = words.first else { continue }
            if first.last != ":" {
                current = mapping(words)
            } else if first == "Anonymous:", words.count > 1, words[1] == "0", let mapping = current {
                found.append(mapping)
            }
        }
        return found
    }

    /// "start-end r-xp offset device inode /path"; nil: not one that may be dropped.
    private static func mapping(_ words: [Substring]) -> Mapping? {
        guard words.count >= 6, words[1] == "r-xp" || words[1] == "r--p", words[5].first == "/" else { return nil }
        let ends = words[0].split(separator: "-")
        guard ends.count == 2, let start = UInt(ends[0], radix: 16), let end = UInt(ends[1], radix: 16), start < end else {
            return nil
        }
        return Mapping(start: start, end: end)
    }
}
