// Reading whole small files: /proc, /sys and /etc.
import Glibc

enum SmallFile {
    /// nil when it cannot be opened. Cut at `maximumBytes`.
    static func read(_ path: String, maximumBytes: Int = 1 << 20) -> String? {
        readBytes(path, maximumBytes: maximumBytes).map { String(decoding: $0, as: UTF8.self) }
    }

    static func readBytes(_ path: String, maximumBytes: Int = 1 << 20) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while bytes.count < maximumBytes {
            let chunk = [UInt8](unsafeUninitializedCapacity: 16_384) { buffer, count in
                count = max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
            }
            if chunk.isEmpty { break }
            bytes += chunk
        }
        return bytes
    }

    /// The first line, without its end.
    static func line(_ path: String) -> String? { read(path, maximumBytes: 4096).map { String($0.prefix { $0 != "\n" }) } }

    static func number(_ path: String) -> Int64? { line(path).flatMap { Int64($0) } }

    /// The rest of the line that begins with `key`, trimmed.
    static func value(_ path: String, key: String) -> String? {
        guard let text = read(path) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix(key) {
            return line.dropFirst(key.count).split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
        return nil
    }

    /// A new file, or the old one's contents replaced; never through a link.
    static func create(_ path: String, _ bytes: [UInt8], mode: mode_t = 0o600) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return fchmod(descriptor, mode) == 0 && write(bytes, to: descriptor)
    }

    static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                return false
            }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
