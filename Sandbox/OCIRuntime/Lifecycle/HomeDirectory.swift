// The program's environment: each name once, and HOME, which programs expect and engines leave to the runtime, from the image's own /etc/passwd.

import CLinux
import Glibc

extension ProcessSpecification {
    /// Of entries with one name the last one counts, as with runc; an empty HOME is none. The image is hostile: its file is opened beneath
    /// its root, and read as far as a sane one goes.
    mutating func completeEnvironment(rootfs: String) {
        var seen: Set<Substring> = []
        environment = environment.reversed().filter { seen.insert($0.prefix { $0 != "=" }).inserted }.reversed()
        guard !environment.contains(where: { $0.hasPrefix("HOME=") && $0 != "HOME=" }) else { return }
        environment.removeAll { $0 == "HOME=" }
        environment.append("HOME=\(Self.home(of: user.uid, rootfs: rootfs) ?? "/")")
    }

    private static func home(of uid: UInt32, rootfs: String) -> String? {
        let descriptor = clinux_open_in_root(rootfs, "/etc/passwd")
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard let bytes = try? HostFile.readAll(descriptor, "/etc/passwd") else { return nil }
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            // name:password:uid:gid:comment:home:shell
            let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            guard fields.count >= 6, UInt32(String(decoding: fields[2], as: UTF8.self)) == uid else { continue }
            let home = String(decoding: fields[5], as: UTF8.self)
            return home.hasPrefix("/") && !home.utf8.contains(0) ? home : nil
        }
        return nil
    }

    /// For a container without `process`: it is created, and never started.
    static let absent: ProcessSpecification = {
        var process = ProcessSpecification()
        process.arguments = ["/nonexistent"]
        return process
    }()
}
