// Which OCI runtimes a machine has, and what each needs to be told apart from the others.

import LocalRuntime

extension OCIProgram {
    /// Where distributions install them, in order of preference.
    private static let usual = [
        ("runc", ["/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc"]),
        ("crun", ["/usr/bin/crun", "/usr/local/bin/crun"]),
    ]
    /// Those whose containers are machines of their own: no descriptor of ours reaches into them.
    private static let machines: Set<String> = ["kata-runtime", "runsc"]
    /// Those that serve one version of cgroups or the other, and refuse a machine that shows both.
    private static let undecided: Set<String> = ["crun"]

    /// A program by its command line, as a node's settings name it. `launcher`: swiftlet-sandbox; `cgroupRoot`: /sys/fs/cgroup.
    public init(handler: String, command: [String], launcher: String, cgroupRoot: String) {
        let program = command.first?.split(separator: "/").last.map(String.init) ?? ""
        let unified = "\(cgroupRoot)/unified"
        let hides = Self.undecided.contains(program) && RecordFiles.exists(unified)
        self.init(
            name: handler, command: hides ? [launcher, "hide", unified] + command : command,
            hasInit: !Self.machines.contains(program))
    }

    /// What is installed in the usual places, and ours, when it lies beside the launcher.
    public static func installed(launcher: String, cgroupRoot: String) -> [OCIProgram] {
        let directory = launcher.lastIndex(of: "/").map { String(launcher[..<$0]) } ?? "."
        return (usual + [("swiftlet-oci", ["\(directory)/swiftlet-oci"])]).compactMap { name, paths in
            paths.first(where: RecordFiles.exists).map {
                OCIProgram(handler: name, command: [$0], launcher: launcher, cgroupRoot: cgroupRoot)
            }
        }
    }
}
