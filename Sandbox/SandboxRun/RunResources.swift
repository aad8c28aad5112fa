// What a plan takes from this machine's files: block devices behind paths, seccomp profiles.
import CLinux
import Glibc
import SandboxPolicy

public struct RunResources: Sendable {
    /// The block device of a node, or of the file system that holds a path.
    var blockDevice: @Sendable (String) -> (major: UInt32, minor: UInt32)?
    /// A file's bytes; nil when it cannot be read.
    var read: @Sendable (String) -> [UInt8]?
    /// Where compiled filters are kept between runs; nil: each run compiles its own, which costs it some milliseconds.
    var filterCache: String?

    public static let machine = RunResources(
        blockDevice: { path in
            var info = stat()
            guard stat(path, &info) == 0 else { return nil }
            let device = info.st_mode & S_IFMT == S_IFBLK ? info.st_rdev : info.st_dev
            let (major, minor) = (UInt32(clinux_major(device)), UInt32(clinux_minor(device)))
            // 0: a file system without a device (tmpfs, overlay).
            return major == 0 ? nil : (major, minor)
        },
        read: { SmallFile.readBytes($0) }, filterCache: cache)

    /// Goes with the session, or with the machine's next start.
    private static var cache: String? {
        if geteuid() == 0 { return "/run/swiftlet-seccomp" }
        return getenv("XDG_RUNTIME_DIR").map { String(cString: $0) + "/swiftlet-seccomp" }
    }

    /// The compiled filter; nil: unconfined. A run with a report counts what is refused.
    func seccomp(_ options: RunOptions) throws(RunFailure) -> [UInt8]? {
        let profiles = SeccompProfiles(cacheDirectory: filterCache, permitsUnconfined: true)
        let context = SeccompContext(capabilities: Set(options.capabilities))
        do throws(SandboxPolicyError) {
            switch options.seccomp {
            case .unconfined: return nil
            case .named(let name):
                let reference = try SeccompProfileReference(name, field: "--seccomp")
                return try profiles.filter(for: reference, context: context, countsDenials: options.countsDenials)
            case .file(let path):
                guard let document = read(path) else {
                    let reason = "\(path): \(String(cString: strerror(errno)))"
                    throw SandboxPolicyError.invalid(
                        field: "--seccomp", found: reason, expected: "a readable file in the OCI seccomp format")
                }
                let filter = try profiles.filter(document: document, name: path, context: context)
                return options.countsDenials ? FilterProgram.countingDenials(filter) : filter
            }
        } catch { throw RunFailure(error) }
    }
}

extension RunOptions {
    /// Only a report has room for the evidence.
    var countsDenials: Bool { report != .none && seccomp != .unconfined && seccompLearn == nil }
}
