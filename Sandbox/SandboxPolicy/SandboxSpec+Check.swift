// What a spec must fulfil, said with the field's name; the launcher would refuse the same later and less kindly.

extension SandboxSpec {
    package func check() throws(SandboxPolicyError) {
        guard let command = arguments.first, !command.isEmpty else {
            throw .invalid(field: "command", found: "nothing", expected: "a program to run")
        }
        guard Self.isKeyword(id) else { throw .invalid(field: "id", found: id, expected: "letters, digits, '.', '_', '-'") }
        guard Self.isKeyword(hostname), hostname.utf8.count <= 63 else {
            throw .invalid(field: "hostname", found: hostname, expected: "at most 63 letters, digits, '.', '-'")
        }
        for argument in arguments { try Self.checkString("command", argument) }
        for entry in environment {
            try Self.checkString("env", entry)
            guard let equals = entry.firstIndex(of: "="), equals != entry.startIndex else {
                throw .invalid(field: "env", found: entry, expected: "NAME=VALUE")
            }
        }
        try Self.checkPath("workingDir", workingDirectory)
        try Self.checkPath("rootMountPoint", rootMountPoint)
        if case .log(let path, _, _, _, _) = output { try Self.checkPath("logPath", path) }
        if case .terminal(let path, _, _) = output { try Self.checkPath("terminal", path) }
        if case .hostView(let additional) = root { for path in additional { try Self.checkPath("readOnlyPaths", path) } }
        if case .directory(let path) = root {
            try Self.checkPath("rootfs", path)
            // An image is shared: nothing is written into it. Such files are mounted instead.
            guard files.isEmpty else { throw .invalid(field: "files", found: "\(files.count)", expected: "none on an image") }
        }
        for (index, mount) in mounts.enumerated() {
            try Self.checkPath("mounts[\(index)].hostPath", mount.source)
            try Self.checkPath("mounts[\(index)].mountPath", mount.path)
            guard mount.path != "/", !Self.isReserved(mount.path) else {
                throw .invalid(
                    field: "mounts[\(index)].mountPath", found: mount.path, expected: "a path outside /, /proc and /dev")
            }
        }
        for file in files { try Self.checkPath("files", file.path) }
        try checkDevices()
        if let start = idRangeStart {
            guard start >= Self.idRangeCount, start <= UInt32.max - 2 * Self.idRangeCount else {
                throw .invalid(field: "idRangeStart", found: "\(start)", expected: "a range clear of the host's own ids")
            }
            for id in [uid, gid] + groups where id >= Self.idRangeCount {
                throw .invalid(field: "runAsUser", found: "\(id)", expected: "an id below \(Self.idRangeCount)")
            }
        }
    }

    private func checkDevices() throws(SandboxPolicyError) {
        for (index, device) in devices.enumerated() {
            try Self.checkPath("devices[\(index)].hostPath", device.source)
            try Self.checkPath("devices[\(index)].containerPath", device.path)
            let isOwn = DeviceFileSystem.ownPaths.contains { device.path == $0 || device.path.hasPrefix($0 + "/") }
            guard device.path.hasPrefix("/dev/"), !isOwn, device.path != Self.terminationFile else {
                throw .invalid(
                    field: "devices[\(index)].containerPath", found: device.path,
                    expected: "a path below /dev that is none of every task's own nodes")
            }
        }
    }

    /// The sandbox' own file systems: a mount over /proc would hide which process is whose, one over /dev the minimal nodes.
    private static func isReserved(_ path: String) -> Bool {
        ["/proc", "/dev", "/sys"].contains { path == $0 || path.hasPrefix($0 + "/") } && path != "/dev/shm"
            && path != terminationFile
    }

    /// Where a container of Kubernetes leaves its last word: a plain file, bound when /dev is made.
    package static let terminationFile = "/dev/termination-log"

    private static func isKeyword(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
                default: false
                }
            }
    }

    private static func checkString(_ field: String, _ text: String) throws(SandboxPolicyError) {
        guard !text.utf8.contains(0) else { throw .invalid(field: field, found: "a NUL byte", expected: "none") }
        // MAX_ARG_STRLEN: execve(2) takes no longer string.
        guard text.utf8.count < 131_072 else {
            throw .invalid(field: field, found: "\(text.utf8.count) bytes", expected: "less than 131072")
        }
    }

    private static func checkPath(_ field: String, _ path: String) throws(SandboxPolicyError) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        let clean = path == "/" || (path.hasPrefix("/") && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." })
        guard clean, path.utf8.count < 4096, !path.utf8.contains(0) else {
            throw .invalid(field: field, found: path, expected: "an absolute path without '.', '..' and empty parts")
        }
    }
}
