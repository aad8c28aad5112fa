// The launch plan: what `swiftlet-sandbox` does, line by line. Sandbox/README.md has the format; this is its Swift side.

/// One operation. The cases stand in the order in which the launcher accepts them; `LaunchPlan+Values.swift` has what they carry.
///
/// Ids are those that the launcher sees at that point: the host's, until `enterUserNamespace`; with `rootless`, which enters the
/// user namespace first, those inside.
public enum LaunchOperation: Sendable, Hashable {
    // MARK: Supervision
    case id(String)
    /// Output as a CRI log. One of `log`, `inheritStandardStreams` and `terminal` is in every plan.
    /// `maximumBytes` is one file's, `files` are kept; one whose first line is older than `maximumAgeSeconds` (0: any) is full too.
    /// `late`: file and directory are made with the first line; a task that says nothing has none.
    case log(path: String, maximumBytes: Int64, files: Int64 = 2, maximumAgeSeconds: Int64 = 0, late: Bool = false)
    /// The task gets the launcher's own standard input, output and error.
    case inheritStandardStreams
    case grace(milliseconds: Int64)
    /// What asks the task to stop, 1 to 64; without it SIGTERM does.
    case stopSignal(Int32)
    /// The task gets a pseudo terminal, whose master goes over this unix socket as one descriptor.
    /// `keepsLineEnds`: a line's end leaves it as the program wrote it, for whoever copies it to a terminal of its own or into a pipe.
    case terminal(socketPath: String, keepsLineEnds: Bool = false)
    /// Wall clock from exec; then the task is stopped with its grace, reason `DeadlineExceeded`.
    case deadline(milliseconds: Int64)
    /// The filter notifies of refused calls (SECCOMP_RET_USER_NOTIF): the supervisor answers EPERM and counts, at most so many times.
    case denials(maximum: Int)
    /// The filter notifies of calls, which are let through; the numbers seen are written here at the end.
    case learn(path: String)
    /// A socket: the jail stands and waits until somebody says a word there. `looksForProgram`: one that is missing is told before.
    case startGate(path: String, looksForProgram: Bool = true)
    /// Beside a log: clients of the socket `attach` in the state directory see the output and, with `stdin`, type; the task then has a
    /// standard input (that ends with the first of them who typed, if `once`), or with `terminal` a terminal of its own for all three.
    case attach(stdin: Bool, once: Bool, terminal: Bool)
    /// Of the terminal, in characters.
    case consoleSize(rows: UInt16, columns: UInt16)
    /// Descriptors from 3 on that the program inherits from the launcher.
    case preserveDescriptors(Int)
    /// The launcher's caller runs hooks of its own before the root is entered; init waits for it.
    case runtimeHooks
    /// What hooks inside the container read from standard input: text before and after their pid.
    case hookState(beforePID: String, afterPID: String)
    /// A program to run at a point of the set-up; 0 waits without limit. Arguments (the first is its name) and environment follow.
    case hook(HookPoint, path: String, timeoutMilliseconds: Int)
    case hookArgument(String)
    case hookEnvironment(String)
    /// A container that an OCI runtime makes of a bundle: the arguments are its program and global options, then come its verbs; the one
    /// that makes the container and the others each have a time to end in. `program` is the container's, for messages; with `hasInit` the
    /// container's first process is the launcher (`oci-init`), and the program its child.
    case ociRuntime(name: String, bundle: String, createMilliseconds: Int, verbMilliseconds: Int, program: String, hasInit: Bool)
    /// An existing directory that everybody may enter: in the runtime's mount namespace an empty file system lies there, for the places of
    /// the operations that follow. `userNamespace`: a path in it where the plan's own user namespace is bound, for the runtime to join.
    case ociStage(path: String, userNamespace: String?)
    /// An overlay at a place that only the runtime and the container see.
    case ociOverlay(at: String, options: OverlayOptions, flags: MountFlags)
    /// A copy of what is at `source`, at a place that only the runtime and the container see.
    case ociBind(source: String, path: String, flags: MountFlags)

    // MARK: Cgroups
    case makeCgroup(version: Int, path: String)
    case setCgroup(path: String, file: String, value: String)
    case cgroup(version: Int, controller: String, path: String)
    /// Removed by the supervisor after the end, innermost first.
    case removeCgroup(path: String)

    // MARK: Namespaces
    /// A new one, owned by the launcher's user namespace.
    case namespace(Namespace)
    /// A new one, owned by the task's new user namespace, so that a capability inside has power over it (ipc, uts, cgroup, net, time).
    case ownedNamespace(Namespace)
    /// An existing one, by the path of its file (`/proc/PID/ns/net`, `/run/netns/NAME`).
    case joinNamespace(Namespace, path: String)
    /// The root of a process that shares the caller's mounts, by its magic link (`/proc/PID/root`); of the verb `create` alone.
    case joinRoot(path: String)
    /// Of the time namespace. Nanoseconds 0..<1e9 are added to the seconds, whose sign counts.
    case timeOffset(NamespaceClock, seconds: Int64, nanoseconds: Int64)
    /// Several lines are allowed. The host's id 0 is refused unless `mayMapHostRoot`.
    case uidMap(inside: UInt32, host: UInt32, count: UInt32, mayMapHostRoot: Bool = false)
    case gidMap(inside: UInt32, host: UInt32, count: UInt32, mayMapHostRoot: Bool = false)
    /// Ids that own the directories and files which the launcher makes in the root.
    case owner(uid: UInt32, gid: UInt32)
    /// The user namespace is entered before the mounts and owns them: the set-up of an ordinary user.
    case rootless(IDMapWriter)

    // MARK: Root and files
    case rootTmpfs(at: String, options: TmpfsOptions)
    case rootBind(source: String, at: String, flags: MountFlags)
    case rootOverlay(at: String, options: OverlayOptions, flags: MountFlags)
    /// A detached copy that is entered without being mounted anywhere: for a task in the caller's own mount namespace.
    case rootDetached(source: String)
    case rootPropagation(MountPropagation)
    case makeDirectory(path: String, mode: UInt16)
    case symlink(target: String, path: String)
    case file(path: String, mode: UInt16, contents: [UInt8])
    case bind(source: String, path: String, flags: MountFlags)
    /// Ids of the bind before this, instead of the container's: from the file system's to the mount's.
    case bindUIDMap(inside: UInt32, host: UInt32, count: UInt32)
    case bindGIDMap(inside: UInt32, host: UInt32, count: UInt32)
    case tmpfs(path: String, options: TmpfsOptions, flags: MountFlags)
    /// Any file system; `data` are its comma-separated options, `\` before a comma that belongs to a value.
    case mount(type: String, source: String, path: String, flags: MountFlags, data: String)
    case proc(path: String, options: ProcOptions = ProcOptions())
    /// A node of the host's /dev by name, bound.
    case device(String)
    /// Made with mknod(2), or bound from the host where that is not permitted.
    case deviceNode(path: String, type: DeviceType, major: UInt32, minor: UInt32, mode: UInt16, uid: UInt32, gid: UInt32)
    case mask(String)
    case readOnly(String)
    /// The mount that stands there, and nothing below it.
    case readOnlyMount(String)
    case rootReadOnly
    case pivot
    /// Instead of pivot_root(2): where that is not possible (`move`), or nothing was attached (`detached`).
    case changeRoot(RootChange)

    // MARK: System
    case hostname(String)
    case domainName(String)
    case loopback
    /// Only a namespaced one: kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.*, net.*. Dots or slashes between the words.
    case sysctl(name: String, value: String)

    // MARK: Process
    /// `UInt64.max` is "unlimited".
    case resourceLimit(name: String, soft: UInt64, hard: UInt64)
    case oomScoreAdjustment(Int)
    case umask(UInt16)
    case nice(Int)
    case scheduler(SchedulerPolicy)
    /// Level 0 (first) to 7.
    case ioPriority(IOPriorityClass, level: Int)
    /// As in cpuset files: `0-3,8`.
    case cpuAffinity(String)
    /// set_mempolicy(2): a mode such as "bind", flags such as "static-nodes", nodes such as "0-3,7".
    case memoryPolicy(mode: String, flags: [String], nodes: String?)
    case personality(UInt32)
    case enterUserNamespace
    case secureBits([SecureBit])
    case dropBoundingSet
    /// The capabilities that stay in the bounding set.
    case boundingSet([Capability])
    case user(uid: UInt32, gid: UInt32, groups: [UInt32])
    case dropCapabilities
    case capabilities(CapabilitySets)
    case noNewPrivileges
    case workingDirectory(String)

    // MARK: Second wall
    /// First of its group; what there are rules for is then refused unless a rule allows it.
    case landlock(LandlockSupport)
    case landlockPath(String, rights: [LandlockRight])
    /// nil: no port at all, but the direction is restricted.
    case landlockPort(LandlockDirection, port: UInt16?)
    case landlockScope([LandlockScope])

    // MARK: Program
    case environment(String)
    case argument(String)
    /// A compiled BPF program, 8 bytes an instruction. Several are stacked in this order.
    case seccomp([UInt8], flags: [SeccompFlag] = [])
}

public struct LaunchPlan: Sendable, Hashable {
    public static let header = "swiftlet-plan 1"
    /// The launcher's own bound (plan.h); a larger plan is refused here already, with a reason.
    public static let maximumBytes = 2 << 20

    public var operations: [LaunchOperation]

    public init(operations: [LaunchOperation]) { self.operations = operations }

    /// The file's bytes.
    public func encoded() -> [UInt8] {
        var bytes = Array(Self.header.utf8)
        bytes.reserveCapacity(operations.count * 80)  // paths, flags and a filter: the usual plan fits
        bytes.append(UInt8(ascii: "\n"))
        for operation in operations { operation.append(to: &bytes) }
        // A plan that was cut off at the end of a line is none.
        bytes.append(contentsOf: "end\n".utf8)
        return bytes
    }

    /// The same as text, for people and golden files; every byte of a plan is printable ASCII.
    public var text: String { String(decoding: encoded(), as: UTF8.self) }
}
