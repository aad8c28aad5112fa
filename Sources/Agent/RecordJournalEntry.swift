// One record in the journal of records: how it lies on the disk, and how whatever lies there is told from it. Values only.
import CZlib

/// 512 bytes or a multiple: a header of 32 bytes (magic, serial, lengths of uid and body, checksum of all that), uid, body,
/// zeros. Numbers are little endian. A disk writes sectors of 512 bytes whole, so an entry is never torn by the writing of its
/// neighbour.
struct RecordJournalEntry: Sendable, Hashable {
    static let sector = 512
    private static let magic = Array("swlrecd1".utf8)
    private static let headerBytes = 32
    private static let checksumAt = 24
    /// A uid is a directory's name.
    private static let maximumUID = 255

    var uid: String
    /// Grows from entry to entry, in the order in which they lie on the disk.
    var serial: UInt64 = 0
    /// Empty: the pod was forgotten.
    var body: [UInt8]

    /// On the disk.
    var length: Int { (Self.headerBytes + uid.utf8.count + body.count + Self.sector - 1) / Self.sector * Self.sector }

    var bytes: [UInt8] {
        let name = Array(uid.utf8)
        var bytes = Self.magic
        Self.append(serial, 8, &bytes)
        Self.append(UInt64(name.count), 4, &bytes)
        Self.append(UInt64(body.count), 4, &bytes)
        let sum = Self.checksum(bytes[...], name[...], body[...])
        Self.append(UInt64(sum), 4, &bytes)
        Self.append(0, 4, &bytes)
        bytes += name
        bytes += body
        let rest = bytes.count % Self.sector
        if rest > 0 { bytes += [UInt8](repeating: 0, count: Self.sector - rest) }
        return bytes
    }

    /// The entry that begins there, with its length on disk; nil when there is none, or a damaged one.
    static func read(_ bytes: [UInt8], at start: Int, end: Int) -> (entry: RecordJournalEntry, length: Int)? {
        guard start + headerBytes <= end, bytes[start..<start + magic.count].elementsEqual(magic) else { return nil }
        let serial = number(bytes, start + 8, 8)
        let (name, body) = (Int(number(bytes, start + 16, 4)), Int(number(bytes, start + 20, 4)))
        guard name > 0, name <= maximumUID, body <= end - start else { return nil }
        let length = (headerBytes + name + body + sector - 1) / sector * sector
        guard start + length <= end else { return nil }
        let (nameAt, bodyAt) = (start + headerBytes, start + headerBytes + name)
        let sum = checksum(bytes[start..<start + checksumAt], bytes[nameAt..<bodyAt], bytes[bodyAt..<bodyAt + body])
        guard UInt64(sum) == number(bytes, start + checksumAt, 4) else { return nil }
        let uid = String(decoding: bytes[nameAt..<bodyAt], as: UTF8.self)
        return (RecordJournalEntry(uid: uid, serial: serial, body: Array(bytes[bodyAt..<bodyAt + body])), length)
    }

    /// The entries of one half, each with the place behind it. What lies behind the newest is older (the half is written anew
    /// from its beginning) and is left out; what is damaged costs itself alone.
    static func all(_ bytes: [UInt8], from start: Int, to end: Int) -> [(entry: RecordJournalEntry, next: Int)] {
        var found: [(entry: RecordJournalEntry, next: Int)] = []
        var at = start
        while at + sector <= end {
            guard let (entry, length) = read(bytes, at: at, end: end) else {
                at += sector
                continue
            }
            at += length
            if entry.serial > found.last?.entry.serial ?? 0 { found.append((entry, at)) }
        }
        return found
    }

    private static func append(_ value: UInt64, _ count: Int, _ bytes: inout [UInt8]) {
        for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))) }
    }

    private static func number(_ bytes: [UInt8], _ at: Int, _ count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | UInt64(bytes[at + $1]) << (8 * UInt64($1)) }
    }

    private static func checksum(_ parts: ArraySlice<UInt8>...) -> UInt32 {
        UInt32(
            // zlib takes no bytes for a wish to begin anew.
            truncatingIfNeeded: parts.filter { !$0.isEmpty }.reduce(crc32(0, nil, 0)) { sum, part in
                part.withUnsafeBufferPointer { crc32(sum, $0.baseAddress, uInt($0.count)) }
            })
    }
}
