// Whole files of bounded size: configurations, plugin results, attachment records.

import CLinux
import Glibc

enum SmallFile {
    static let maximumBytes = 1 << 20

    /// nil: not there, or larger than any of these files may be.
    static func read(_ path: String) -> [UInt8]? {
        let descriptor = clinux_open(path, O_RDONLY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return read(descriptor)
    }

    /// From the beginning.
    static func read(_ descriptor: Int32) -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count <= maximumBytes {
            let offset = off_t(bytes.count)
            let chunk = [UInt8](unsafeUninitializedCapacity: 16_384) { buffer, count in
                count = max(0, pread(descriptor, buffer.baseAddress, buffer.count, offset))
            }
            if chunk.isEmpty { return bytes }
            bytes += chunk
        }
        return nil
    }
}
