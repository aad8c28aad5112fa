// What a plan takes from this machine's files: block devices behind paths, seccomp profiles.
import CLinux
import Glibc
import SandboxPolicy

public struct RunResources: Sendable {
    /// The block device of a node, or of the file system that holds a path.
    var blockDevice: @Sendable (String) -> (major: UInt32, minor: UInt32)?
    /// A file's bytes; nil when it cannot be read.
    var read: @Sendable (String) -> [UInt8]?

    public static let machine = RunResources(
        blockDevice: { path in
            var info = stat()
            guard stat(path, &info) == 0 else { return nil }
            let device = info.st_mode & S_IFMT == S_IFBLK ? info.st_rdev : info.st_dev
            let (major, minor) = (UInt32(clinux_major(device)), UInt32(clinux_minor(device)))
            // 0: a file system without a device (tmpfs, overlay).
            return major == 0 ? nil : (major, minor)
        },
        read: { SmallFile.readBytes($0) })

    /// The compiled filter; nil: unconfined.
    func seccomp(_ options: RunOptions, capabilities: [Capability]) throws(RunFailure) -> [UInt8]? {
        let profile: SeccompProfile
        switch options.seccomp {
        case .unconfined: return nil
        case .named(let name): profile = try Self.named(name)
        case .file(let path):
            guard let bytes = read(path) else {
                throw RunFailure(
                    field: "--seccomp", found: "\(path): \(String(cString: strerror(errno)))", expected: "a readable file in the OCI seccomp format")
            }
            do { profile = try SeccompProfile(parsing: bytes) } catch {
                throw RunFailure(field: "--seccomp", found: "\(path): \(error)", expected: "a file in the OCI seccomp format")
            }
        }
        do { return try SeccompCompiler.program(for: profile) } catch { throw RunFailure(error) }
    }

    private static func named(_ name: String) throws(RunFailure) -> SeccompProfile {
        do {
            switch name {
            case "RuntimeDefault", "default": return try .runtimeDefault()
            default: break
            }
        } catch { throw RunFailure(error) }
        throw RunFailure(
            field: "--seccomp", found: RunAmount.shown(name), expected: "RuntimeDefault, a file, or unconfined",
            hint: "a file's name holds a slash or ends in .json")
    }
}
