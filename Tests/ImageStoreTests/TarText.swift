// Tars written byte by byte, so that tests can say what no well-meaning program writes.
import CArchive
import Glibc

struct TarText {
    private(set) var bytes: [UInt8] = []

    /// One entry. `size` may lie about the data; `checksum` may be wrong on purpose.
    mutating func add(
        _ name: String, type: Character = "0", data: [UInt8] = [], size: Int64? = nil, mode: Int = 0o644, uid: Int64 = 0,
        gid: Int64 = 0,
        time: Int64 = 1_600_000_000, link: String = "", device: (Int, Int) = (0, 0), hasGoodChecksum: Bool = true
    ) {
        add(
            Array(name.utf8), type: type, data: data, size: size, mode: mode, uid: uid, gid: gid, time: time, link: link,
            device: device,
            hasGoodChecksum: hasGoodChecksum)
    }

    mutating func add(
        _ name: [UInt8], type: Character = "0", data: [UInt8] = [], size: Int64? = nil, mode: Int = 0o644, uid: Int64 = 0,
        gid: Int64 = 0,
        time: Int64 = 1_600_000_000, link: String = "", device: (Int, Int) = (0, 0), hasGoodChecksum: Bool = true
    ) {
        if name.count > 100 || link.utf8.count > 100 {
            var records = name.count > 100 ? [(key: "path", value: name)] : []
            if link.utf8.count > 100 { records.append((key: "linkpath", value: Array(link.utf8))) }
            pax(records)
        }
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: some Sequence<UInt8>, at offset: Int, limit: Int) {
            for (index, byte) in text.prefix(limit).enumerated() { header[offset + index] = byte }
        }
        func number(_ value: Int64, at offset: Int, length: Int) {
            let digits = String(value, radix: 8)
            if value >= 0, digits.utf8.count < length {
                put(
                    String(repeating: "0", count: length - 1 - digits.utf8.count).utf8 + Array(digits.utf8), at: offset,
                    limit: length - 1)
            } else {
                // Base 256, as GNU tar writes what octal digits cannot.
                for index in 0..<length {
                    header[offset + length - 1 - index] = UInt8(truncatingIfNeeded: value >> (8 * min(index, 7)))
                }
                header[offset] |= 0x80
            }
        }
        put(name, at: 0, limit: 100)
        number(Int64(mode), at: 100, length: 8)
        number(uid, at: 108, length: 8)
        number(gid, at: 116, length: 8)
        number(size ?? Int64(data.count), at: 124, length: 12)
        number(time, at: 136, length: 12)
        put("        ".utf8, at: 148, limit: 8)
        put(String(type).utf8, at: 156, limit: 1)
        put(link.utf8, at: 157, limit: 100)
        put("ustar\u{0}00".utf8, at: 257, limit: 8)
        number(Int64(device.0), at: 329, length: 8)
        number(Int64(device.1), at: 337, length: 8)
        let sum = header.reduce(0) { $0 + Int($1) } + (hasGoodChecksum ? 0 : 1)
        let digits = String(sum, radix: 8)
        put((String(repeating: "0", count: 6 - digits.utf8.count) + digits + "\u{0} ").utf8, at: 148, limit: 8)
        bytes += header
        append(data)
    }

    /// A pax header for the next entry ("x"), or for all that follow ("g").
    mutating func pax(_ records: [(key: String, value: [UInt8])], type: Character = "x") {
        var text: [UInt8] = []
        for record in records {
            let rest = Array(" \(record.key)=".utf8) + record.value + [10]
            var length = rest.count + 1
            while String(length).utf8.count + rest.count != length { length += 1 }
            text += Array(String(length).utf8) + rest
        }
        add("pax", type: type, data: text)
    }

    mutating func pax(_ key: String, _ value: String) { pax([(key, Array(value.utf8))]) }

    mutating func directory(_ name: String, mode: Int = 0o755, uid: Int64 = 0, time: Int64 = 1_600_000_000) {
        add(name, type: "5", mode: mode, uid: uid, time: time)
    }

    mutating func link(_ name: String, to target: String) { add(name, type: "2", mode: 0o777, link: target) }
    mutating func hardLink(_ name: String, to target: String) { add(name, type: "1", link: target) }
    mutating func file(_ name: String, _ text: String = "text", mode: Int = 0o644) {
        add(name, data: Array(text.utf8), mode: mode)
    }

    mutating func append(_ data: [UInt8]) {
        bytes += data
        if bytes.count % 512 != 0 { bytes += [UInt8](repeating: 0, count: 512 - bytes.count % 512) }
    }

    /// With the two blocks of zeros at the end.
    var finished: [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    static func finished(_ body: (inout TarText) -> Void) -> [UInt8] {
        var tar = TarText()
        body(&tar)
        return tar.finished
    }
}

enum Compressed {
    static func gzip(_ bytes: [UInt8]) -> [UInt8] { compress(bytes) { archive_write_add_filter_gzip($0) } }
    static func zstd(_ bytes: [UInt8]) -> [UInt8] { compress(bytes) { archive_write_add_filter_zstd($0) } }

    private static func compress(_ bytes: [UInt8], _ filter: (OpaquePointer?) -> Int32) -> [UInt8] {
        let writer = archive_write_new()
        defer { archive_write_free(writer) }
        archive_write_set_format_raw(writer)
        _ = filter(writer)
        archive_write_set_bytes_in_last_block(writer, 1)
        var result = [UInt8](repeating: 0, count: bytes.count + (1 << 16))
        var used = 0
        result.withUnsafeMutableBytes { buffer in
            archive_write_open_memory(writer, buffer.baseAddress, buffer.count, &used)
            let entry = archive_entry_new()
            archive_entry_set_filetype(entry, 0o100000)
            archive_write_header(writer, entry)
            bytes.withUnsafeBytes { _ = archive_write_data(writer, $0.baseAddress, $0.count) }
            archive_entry_free(entry)
            archive_write_close(writer)
        }
        return Array(result.prefix(used))
    }
}
