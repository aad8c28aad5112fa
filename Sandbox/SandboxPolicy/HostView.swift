// The host view: the read-only part of this machine that a task may see. A list with reasons; what is not here is absent.

package enum HostView {
    private static let readOnlyTree: MountFlags = [.readOnly, .noSuid, .noDev]

    /// Programs and libraries. Not id-mapped: the task has only what the host grants to "others", so a file that the
    /// host keeps to its root stays unreadable for the task's root too.
    package static let programs = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]

    /// Of /etc only what programs need to start and to check certificates: no accounts, keys or host configuration. Each is a mount, which
    /// costs a launch some 40 us of CPU (15 of them 0.6 ms, eight launches in flight): what only a tool that writes would read (ldconfig's
    /// and update-ca-certificates' own files) is not here.
    package static let configuration = [
        "/etc/alternatives",  // Debian's links to the chosen interpreter or tool
        "/etc/ld.so.cache",  // where the dynamic linker looks
        "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/pki/tls/certs",  // public certificates
        "/etc/localtime", "/etc/timezone",
        "/etc/protocols", "/etc/services", "/etc/gai.conf", "/etc/host.conf",  // getaddrinfo(3)
        "/etc/mime.types",
    ]

    /// `further`: flags of the trees beside their own.
    static func operations(_ further: MountFlags = []) -> [LaunchOperation] {
        let programs: [LaunchOperation] = programs.map {
            .bind(source: $0, path: $0, flags: [readOnlyTree, further, .optional, .copyLink])
        }
        let configuration: [LaunchOperation] = configuration.map {
            .bind(source: $0, path: $0, flags: [readOnlyTree, further, .noExec, .optional])
        }
        return programs + configuration
    }

    /// What an image needs beside the programs, outer paths first. Bound after /tmp, below which it may lie.
    static func additional(_ paths: [String], _ further: MountFlags = []) -> [LaunchOperation] {
        paths.sorted { $0.utf8.count < $1.utf8.count }.map { .bind(source: $0, path: $0, flags: [readOnlyTree, further]) }
    }
}

enum DeviceFileSystem {
    /// Nodes that every container runtime gives: no data of the machine flows through them. (runtime-spec, "Default Devices")
    private static let nodes = ["null", "zero", "full", "random", "urandom", "tty"]

    static let ownPaths = (nodes + ["fd", "stdin", "stdout", "stderr", "shm", "pts", "ptmx"]).map { "/dev/" + $0 }

    /// `own`: a file system of its own, so that nothing is written into an image. The host view's root is one already.
    static func operations(own: Bool, sharedMemoryBytes: Int64, owner: (uid: UInt32, gid: UInt32)) -> [LaunchOperation] {
        let place: [LaunchOperation] =
            own
            ? [
                .tmpfs(
                    path: "/dev", options: TmpfsOptions(bytes: 65_536, inodes: 64, mode: 0o755, uid: owner.uid, gid: owner.gid),
                    flags: [.noSuid, .noExec])
            ] : []
        return place + nodes.map { .device($0) } + [
            .symlink(target: "/proc/self/fd", path: "/dev/fd"),
            .symlink(target: "/proc/self/fd/0", path: "/dev/stdin"),
            .symlink(target: "/proc/self/fd/1", path: "/dev/stdout"),
            .symlink(target: "/proc/self/fd/2", path: "/dev/stderr"),
            // Bounded in inodes too: empty files cost kernel memory.
            .tmpfs(
                path: "/dev/shm",
                options: TmpfsOptions(
                    bytes: sharedMemoryBytes, inodes: max(1024, sharedMemoryBytes / 16_384), mode: 0o1777, uid: owner.uid,
                    gid: owner.gid),
                flags: [.noSuid, .noDev, .noExec]),
        ] + terminals
    }

    /// Of the task's own: nobody else's terminal has a name there. Without a terminal too: programs make some for what they start
    /// (openpty(3)), and a command that comes later may have one. The machine has some 4,000 in all (kernel.pty.max), so a task gets few.
    private static let terminals: [LaunchOperation] = [
        .mount(
            type: "devpts", source: "devpts", path: "/dev/pts", flags: [.noSuid, .noExec],
            data: "newinstance,ptmxmode=0666,mode=0620,max=16"),
        .symlink(target: "pts/ptmx", path: "/dev/ptmx"),
    ]
}

package enum ProcFileSystem {
    /// Paths of the kernel that say more about the machine than a task should know, or that reach its hardware
    /// (containerd's and runc's default masks).
    package static let masked = [
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
        "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/proc/kmsg", "/proc/kallsyms", "/proc/config.gz",
    ]
    /// The kernel shows these to the machine's own root alone, which a task with ids of its own never is.
    package static let rootsOwn = [
        "/proc/kpagecount", "/proc/kpageflags", "/proc/kpagecgroup", "/proc/slabinfo", "/proc/vmallocinfo", "/proc/pagetypeinfo",
        "/proc/iomem", "/proc/ioports", "/proc/mtrr",
    ]
    package static let readOnly = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

    /// A task sees its own processes only: not even its init, which it may not trace.
    static func operations(unmasked: Bool, hasMachineIDs: Bool) -> [LaunchOperation] {
        if unmasked { return [.proc(path: "/proc")] }
        let proc = LaunchOperation.proc(path: "/proc", options: ProcOptions(hidePID: .invisible))
        let hidden = hasMachineIDs ? masked + rootsOwn : masked
        return [proc] + hidden.map { .mask($0) } + readOnly.map { .readOnly($0) }
    }
}
