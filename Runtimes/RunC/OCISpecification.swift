// config.json of the runtime-spec: everything of a sandbox that it can express.

import CLinux
import Cgroups
import Glibc
import JSON
import LocalRuntime
import RuntimeInterface
import SandboxPolicy

struct OCISpecification {
    /// What its documents say and every runtime takes.
    private static let version = "1.0.2"

    let spec: SandboxSpec
    let program: OCIProgram
    let namespaces: PodNamespaces
    let cgroup: Cgroup
    /// The container's, completed.
    let limits: RuntimeLimits
    let seccomp: SeccompProfile?
    let annotations: [String: String]
    let wall: SecondWall?
    /// Trees that carry their attributes already, and where they are bound.
    let binds: [(source: String, path: String)]

    var value: JSONValue {
        var value: JSONValue = [
            "ociVersion": .string(Self.version),
            "process": process,
            "root": ["path": .string(OCIBundle.root), "readonly": .bool(spec.readOnlyRoot)],
            "mounts": .array(mounts),
            "linux": linux,
            "annotations": .object(
                JSONObject(annotations.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.string($0.value)) })),
        ]
        if let hooks = program.hooks { value["hooks"] = hooks }
        return value
    }

    // MARK: Process

    private var process: JSONValue {
        let kept = (spec.privileged ? Capability.allCases : spec.capabilities).map {
            JSONValue.string("CAP_" + $0.rawValue.uppercased())
        }
        var process: JSONValue = [
            "terminal": .bool(spec.attach?.terminal == true),
            "user": [
                "uid": .int(Int64(spec.uid)), "gid": .int(Int64(spec.gid)), "umask": .int(Int64(spec.umask)),
                "additionalGids": .array(spec.groups.map { .int(Int64($0)) }),
            ],
            "args": strings(first + spec.arguments), "env": strings(spec.environment), "cwd": .string(spec.workingDirectory),
            // Ambient, so that a user other than root has them behind exec too.
            "capabilities": [
                "bounding": .array(kept), "effective": .array(kept), "inheritable": .array(kept), "permitted": .array(kept),
                "ambient": .array(kept),
            ],
            "noNewPrivileges": true,
        ]
        // Else our own first process sets them.
        if wall == nil {
            process["rlimits"] = .array(
                spec.resourceLimits.map {
                    [
                        "type": .string("RLIMIT_" + $0.name.uppercased()), "soft": .int(Int64(clamping: $0.soft)),
                        "hard": .int(Int64(clamping: $0.hard)),
                    ]
                })
        }
        if let score = spec.oomScoreAdjustment { process["oomScoreAdj"] = .int(Int64(score)) }
        return process
    }

    /// What stands before the program: our own first process, where the runtime hands descriptors on.
    private var first: [String] {
        wall == nil ? [] : [OCIBundle.initPath, "oci-init", "--wall", SecondWall.programPath]
    }

    // MARK: Mounts

    private var mounts: [JSONValue] {
        let inodes = max(1024, spec.sharedMemoryBytes / 16_384)
        var mounts = [
            mount("/proc", type: "proc", "proc", ["nosuid", "noexec", "nodev"]),
            mount(
                "/dev", type: "tmpfs", "tmpfs",
                ["nosuid", "noexec", "strictatime", "mode=755", "size=65536", "nr_inodes=128"]
                    + (spec.readOnlyRoot && program.makesDevicesFirst ? ["ro"] : [])),
            mount("/dev/pts", type: "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "max=16"]),
            mount(
                "/dev/shm", type: "tmpfs", "shm",
                ["nosuid", "noexec", "nodev", "mode=1777", "size=\(spec.sharedMemoryBytes)", "nr_inodes=\(inodes)"]),
        ]
        if showsCgroups {
            let flags = ["nosuid", "noexec", "nodev"]
            mounts.append(mount("/sys", type: "tmpfs", "tmpfs", flags + ["mode=755", "size=65536", "nr_inodes=64"]))
            mounts.append(mount("/sys/fs/cgroup", type: "cgroup", "cgroup", flags + ["relatime", "ro"]))
        }
        let further = spec.temporaryFileSystems.map { ($0.path, $0.bytes) }
        if case .memory(let bytes) = spec.temporary { mounts.append(temporary("/tmp", bytes)) }
        mounts += further.map(temporary)
        return mounts + binds.map { mount($0.path, type: "bind", $0.source, ["rbind", "rprivate"]) }
    }

    private var showsCgroups: Bool { spec.showsCgroups && !spec.cgroups.isEmpty }

    private func temporary(_ path: String, _ bytes: Int64) -> JSONValue {
        mount(
            path, type: "tmpfs", "tmpfs",
            ["nosuid", "nodev", "mode=1777", "size=\(bytes)", "nr_inodes=\(max(1024, bytes / 16_384))"])
    }

    private func mount(_ path: String, type: String, _ source: String, _ options: [String]) -> JSONValue {
        ["destination": .string(path), "type": .string(type), "source": .string(source), "options": strings(options)]
    }

    // MARK: Linux

    private var linux: JSONValue {
        let masks = !spec.unmaskedProc && !spec.privileged
        var linux: JSONValue = [
            "namespaces": .array(kernelNamespaces), "cgroupsPath": .string("/" + cgroup.name), "resources": resources,
            "rootfsPropagation": "private",
            "maskedPaths": strings(
                masks ? ProcFileSystem.masked + (spec.idRangeStart == nil ? ProcFileSystem.rootsOwn : []) : []),
            "readonlyPaths": strings((masks ? ProcFileSystem.readOnly : []) + (showsCgroups ? ["/sys", "/sys/fs/cgroup"] : [])),
        ]
        if let start = spec.idRangeStart {
            let map: JSONValue = [
                ["containerID": 0, "hostID": .int(Int64(start)), "size": .int(Int64(SandboxSpec.idRangeCount))]
            ]
            linux["uidMappings"] = map
            linux["gidMappings"] = map
        }
        if let seccomp { linux["seccomp"] = (wall == nil ? seccomp : seccomp.permittingWall).specification }
        return linux
    }

    private var kernelNamespaces: [JSONValue] {
        var list: [JSONValue] = [["type": "pid"], ["type": "mount"], ["type": "cgroup"]]
        // The others are in the pod's already when they come (the plan's join-namespace); a machine of its own has to be told.
        if !program.hasInit {
            for (namespace, path) in namespaces.shared {
                list.append(["type": .string(namespace == .net ? "network" : namespace.rawValue), "path": .string(path)])
            }
        }
        // Ours, which nobody's id owns (identity.c): a runtime would make it as root, and what is counted inside would count as root's.
        if spec.idRangeStart != nil {
            list.append(program.hasInit ? ["type": "user", "path": .string(OCIBundle.userNamespace)] : ["type": "user"])
        }
        return list
    }

    /// The limits stand in the container's groups before the runtime comes; it is told the same, as it may set them in a machine of its own.
    private var resources: JSONValue {
        let wanted = cgroup.host.enforceable(ContainerGroups.limits(limits, on: cgroup.host))
        var resources: JSONValue = ["devices": .array([["allow": false, "access": "rwm"]] + spec.devices.compactMap(device))]
        if let bytes = wanted.memoryBytes { resources["memory"] = ["limit": .int(bytes)] }
        if let pids = wanted.pids { resources["pids"] = ["limit": .int(pids)] }
        var cpu: JSONValue = [:]
        if let shares = wanted.cpuShares { cpu["shares"] = .int(Int64(shares)) }
        if let millis = wanted.cpuMillis {
            cpu["period"] = 100_000
            cpu["quota"] = .int(millis.saturatingMultiplied(by: 100))
        }
        if cpu != [:] { resources["cpu"] = cpu }
        if wanted.oomGroup == true { resources["unified"] = ["memory.oom.group": "1"] }
        return resources
    }

    private func device(_ device: SandboxSpec.Device) -> JSONValue? {
        var facts = stat()
        guard stat(device.source, &facts) == 0 else { return nil }
        return [
            "allow": true, "type": facts.st_mode & S_IFMT == S_IFBLK ? "b" : "c",
            "major": .int(Int64(clinux_major(facts.st_rdev))),
            "minor": .int(Int64(clinux_minor(facts.st_rdev))), "access": "rw",
        ]
    }

    private func strings(_ list: [String]) -> JSONValue { .array(list.map { .string($0) }) }
}
