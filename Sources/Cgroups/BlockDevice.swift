// The disk behind a path: io limits are per whole device, never per partition.

import Glibc

public struct BlockDevice: Sendable, Hashable {
    public var major: UInt32
    public var minor: UInt32

    public init(major: UInt32, minor: UInt32) {
        self.major = major
        self.minor = minor
    }

    /// The device of the file system that holds `path`; nil when it has none (tmpfs, overlay, nfs).
    public init?(holding path: String) {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        self.init(number: UInt64(info.st_dev))
    }

    /// From a `dev_t`, of the disk or of one of its partitions.
    init?(number: UInt64, sysfs: String = "/sys/dev/block") {
        // makedev(3)'s layout: Swift does not import the macros.
        major = UInt32(truncatingIfNeeded: (number >> 8) & 0xfff | (number >> 32) & 0xffff_f000)
        minor = UInt32(truncatingIfNeeded: number & 0xff | (number >> 12) & 0xffff_ff00)
        let entry = "\(sysfs)/\(major):\(minor)"
        guard major != 0, CgroupFile.exists(entry) else { return nil }
        guard CgroupFile.exists("\(entry)/partition") else { return }
        let parts = (CgroupFile.read("\(entry)/../dev") ?? "").split(whereSeparator: { $0 == ":" || $0 == "\n" }).compactMap {
            UInt32($0)
        }
        guard parts.count == 2 else { return nil }
        (major, minor) = (parts[0], parts[1])
    }
}
