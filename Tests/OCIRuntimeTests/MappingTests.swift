// config.json to launch plan, against golden files: what a container's jail is shows as a file that a person reads.
// SWIFTLET_RECORD_GOLDEN=1 writes them anew.

import Glibc
import JSON
import SandboxPolicy
import Testing

@testable import OCIRuntime

private enum Golden {
    static let directory = "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/") + "/Golden/OCIRuntime"

    static func expect(_ plan: LaunchPlan, _ name: String) throws {
        let path = "\(directory)/\(name).plan"
        if getenv("SWIFTLET_RECORD_GOLDEN") != nil { try HostFile.replace(path, with: plan.encoded(), mode: 0o644) }
        #expect(plan.text == HostFile.text(path), "differs from \(path)")
    }
}

/// The plan of a changed `spec`, on a machine that exists on paper only.
private func plan(
    rootless: (uid: UInt32, gid: UInt32)? = nil, hierarchies: [CgroupHierarchy] = version1,
    _ change: (inout JSONValue) -> Void = { _ in }, context changeContext: (inout ContainerPlanContext) -> Void = { _ in }
) throws -> LaunchPlan {
    var document = SpecCommand.document(rootless: rootless)
    document.set(["process", "terminal"], to: false)
    change(&document)
    let specification = try ContainerSpecification(parsing: document.serialized())
    var context = ContainerPlanContext(id: "box", bundle: "/b", rootfs: "/b/rootfs")
    context.gate = "/run/swiftlet-oci/box/start.sock"
    context.isPrivileged = rootless == nil
    if rootless == nil {
        context.cgroups = try CgroupLayout.places(
            path: specification.linux.cgroupsPath, id: "box", needed: [], hierarchies: hierarchies)
    }
    changeContext(&context)
    return try ContainerPlan(specification, context).launchPlan()
}

private let version1 = ["memory", "cpu", "pids", "devices", "freezer", "name=systemd", "blkio"].map {
    CgroupHierarchy(version: 1, controllers: [$0], mount: "/sys/fs/cgroup/\($0)", ownGroup: "/")
}
private let version2 = [
    CgroupHierarchy(version: 2, controllers: ["cpu", "memory", "pids", "io"], mount: "/sys/fs/cgroup", ownGroup: "/user.slice")
]

@Suite("config.json to launch plan")
struct MappingTests {
    @Test("the bundle that spec writes") func standard() throws { try Golden.expect(plan(), "spec") }

    @Test("the bundle that spec --rootless writes")
    func rootless() throws { try Golden.expect(plan(rootless: (1000, 1000)), "spec-rootless") }

    @Test("a cgroup v2 machine binds the container's own group, or mounts it in a cgroup namespace")
    func cgroupVersion2() throws { try Golden.expect(plan(hierarchies: version2), "cgroup-v2") }

    @Test("mount options: bind, rbind, recursive, propagation, tmpcopyup, idmap, data")
    func mounts() throws {
        try Golden.expect(
            plan { document in
                document.set(["linux", "namespaces"], to: [["type": "mount"], ["type": "user"]])
                document.set(["linux", "uidMappings"], to: [["containerID": 0, "hostID": 100_000, "size": 65536]])
                document.set(["linux", "gidMappings"], to: [["containerID": 0, "hostID": 100_000, "size": 65536]])
                document.set(["hostname"], to: nil)
                document.set(
                    ["mounts"],
                    to: [
                        ["destination": "relative/place", "source": "data", "options": ["bind", "ro", "nosuid"]],
                        ["destination": "/tree", "type": "none", "source": "/tree", "options": ["rbind", "ro", "rslave"]],
                        ["destination": "/whole", "source": "/tree", "options": ["rbind", "rro", "rnosuid"]],
                        ["destination": "/ids", "source": "/ids", "options": ["bind", "idmap"]],
                        ["destination": "/top", "source": "/ids", "options": ["rbind", "idmap"]],
                        ["destination": "/all", "source": "/ids", "options": ["rbind", "ridmap"]],
                        [
                            "destination": "/up", "type": "tmpfs", "source": "tmpfs",
                            "options": ["tmpcopyup", "size=1m", "mode=1777", "sync"],
                        ],
                        [
                            "destination": "/late/../x/./y", "type": "tmpfs",
                            "options": ["rw", "ro", "rw", "noatime", "nosymfollow"],
                        ],
                    ])
            }, "mounts")
    }

    @Test("process: user, groups, umask, limits, capabilities, scheduler, priority, score, personality")
    func process() throws {
        try Golden.expect(
            plan { document in
                document.set(
                    ["process"],
                    to: [
                        "cwd": "/srv/./data", "args": ["/bin/app", "a b", ""], "env": ["A=1", "B=x=y"],
                        "user": ["uid": 1000, "gid": 1001, "umask": 63, "additionalGids": [5, 6]],
                        "capabilities": [
                            "bounding": ["CAP_CHOWN", "CAP_KILL"], "permitted": ["CAP_KILL"],
                            "effective": ["CAP_KILL", "CAP_CHOWN"],
                            "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL", "CAP_UNHEARD_OF"],
                        ],
                        "rlimits": [
                            ["type": "RLIMIT_NOFILE", "soft": 10, "hard": 20], ["type": "RLIMIT_CORE", "soft": 0, "hard": 0],
                        ],
                        "oomScoreAdj": -500, "noNewPrivileges": true, "scheduler": ["policy": "SCHED_RR", "priority": 9],
                        "ioPriority": ["class": "IOPRIO_CLASS_BE", "priority": 3],
                    ])
                document.set(["linux", "personality"], to: ["domain": "LINUX32"])
            }, "process")
    }

    @Test("namespaces: joined, new, with offsets; sysctls of those that are the container's")
    func namespaces() throws {
        try Golden.expect(
            plan { document in
                document.set(
                    ["linux", "namespaces"],
                    to: [
                        ["type": "mount"], ["type": "pid", "path": "/proc/7/ns/pid"],
                        ["type": "network", "path": "/run/netns/a"], ["type": "ipc"],
                        ["type": "uts"], ["type": "time"],
                    ])
                document.set(
                    ["linux", "timeOffsets"], to: ["boottime": ["secs": -7, "nanosecs": 5], "monotonic": ["secs": 100]])
                document.set(["linux", "sysctl"], to: ["net.ipv4.ip_forward": "1", "kernel.shmmax": "65536"])
                document.set(["domainname"], to: "example.org")
                document.set(["linux", "rootfsPropagation"], to: "slave")
            }, "namespaces")
    }

    @Test("a user namespace that is joined keeps its maps, whatever the configuration says of them")
    func joinedUserNamespace() throws {
        let operations = try plan { document in
            document.set(
                ["linux", "namespaces"],
                to: [
                    ["type": "mount"], ["type": "pid"], ["type": "uts"], ["type": "ipc"],
                    ["type": "user", "path": "/run/users/a"],
                ])
            for key in ["uidMappings", "gidMappings"] {
                document.set(["linux", key], to: [["containerID": 0, "hostID": 100_000, "size": 65_536]])
            }
        }.operations
        #expect(operations.contains(.joinNamespace(.user, path: "/run/users/a")) && operations.contains(.rootless(.direct)))
        #expect(!operations.contains { if case .uidMap = $0 { true } else if case .gidMap = $0 { true } else { false } })
    }

    @Test("hooks inside the container, devices, descriptors, no pivot_root")
    func hooksAndDevices() throws {
        try Golden.expect(
            plan { document in
                document.set(
                    ["hooks"],
                    to: [
                        "prestart": [["path": "/bin/pre"]],
                        "createContainer": [["path": "/bin/cc", "args": ["cc", "x"], "env": ["K=v"], "timeout": 3]],
                        "startContainer": [["path": "/bin/sc"]], "poststop": [["path": "/bin/post"]],
                    ])
                document.set(
                    ["linux", "devices"],
                    to: [
                        ["path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 384, "uid": 5, "gid": 6],
                        ["path": "/run/pipe", "type": "p"],
                    ])
            } context: { context in
                context.preservedDescriptors = 2
                context.usesPivot = false
                context.hookState = ("{\"pid\":", "}")
            }, "hooks")
    }

    @Test("without a mount namespace of its own the root is entered detached")
    func sharedMounts() throws {
        try Golden.expect(
            plan {
                $0.set(["linux", "namespaces"], to: [["type": "pid"]])
                $0.set(["hostname"], to: nil)
            }, "shared-mounts")
    }
}

@Suite("Limits as files")
struct LimitMappingTests {
    private let everything: JSONValue = [
        "memory": ["limit": 104_857_600, "swap": 209_715_200, "reservation": 52_428_800],
        "cpu": ["shares": 512, "quota": 50_000, "period": 100_000, "cpus": "0-1", "idle": 0], "pids": ["limit": 0],
        "blockIO": ["weight": 500, "throttleReadBpsDevice": [["major": 8, "minor": 0, "rate": 600]]],
        "hugepageLimits": [["pageSize": "2MB", "limit": 4_194_304]], "unified": ["memory.high": "1000000"],
    ]

    private func files(version2: Bool) throws -> [String] {
        try ResourceSpecification(parsing: everything.serialized()).settings { _ in version2 }.map { "\($0.file)=\($0.value)" }
    }

    @Test("v1 has a controller's own files")
    func version1Files() throws {
        #expect(
            try files(version2: false) == [
                "memory.limit_in_bytes=104857600", "memory.memsw.limit_in_bytes=209715200", "memory.soft_limit_in_bytes=52428800",
                "cpu.shares=512", "cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000", "cpu.idle=0", "cpuset.cpus=0-1",
                "pids.max=1",
                "blkio.bfq.weight|blkio.weight=500", "blkio.throttle.read_bps_device=8:0 600",
                "hugetlb.2MB.limit_in_bytes=4194304",
                "hugetlb.2MB.rsvd.limit_in_bytes=4194304", "memory.high=1000000",
            ])
    }

    @Test("v2 counts swap by itself and shares as a weight")
    func version2Files() throws {
        #expect(
            try files(version2: true) == [
                "memory.swap.max=104857600", "memory.max=104857600", "memory.low=52428800", "cpu.weight=20",
                "cpu.max=50000 100000",
                "cpu.idle=0", "cpuset.cpus=0-1", "pids.max=1", "io.bfq.weight|io.weight=4950", "io.max=8:0 rbps=600",
                "hugetlb.2MB.max=4194304",
                "hugetlb.2MB.rsvd.max=4194304", "memory.high=1000000",
            ])
    }

    @Test("the device list starts from nothing and ends with the default devices")
    func devices() throws {
        let rules = try ResourceSpecification(
            parsing: JSONValue(parsing: #"{"devices":[{"allow":true,"type":"c","major":10,"minor":229,"access":"rw"}]}"#)
                .serialized()
        )
        .effectiveDeviceRules().map { $0.version1(field: "") }.map { "\($0.file) \($0.value)" }
        #expect(rules.first == "devices.deny a")
        #expect(rules.dropFirst().first == "devices.allow c 10:229 rw")
        #expect(rules.contains("devices.allow c 1:3 rwm") && rules.contains("devices.allow c 136:* rwm"))
    }

    @Test("the v2 program for the device list decides as the list does")
    func deviceProgram() {
        let rules: [ResourceSpecification.DeviceRule] = [
            .init(allow: false, type: "a", major: nil, minor: nil, access: "rwm"),
            .init(allow: true, type: "c", major: 1, minor: 3, access: "rw"),
            .init(allow: true, type: "b", major: 8, minor: nil, access: "r"),
            .init(allow: false, type: "c", major: 1, minor: 3, access: "w"),
        ]
        let program = DeviceProgram(rules)
        // (type, access, major, minor): linux/bpf.h counts mknod 1, read 2, write 4; block 1, char 2.
        #expect(BPFMachine.run(program.instructions, type: 2, access: 2, major: 1, minor: 3) == 1)
        #expect(BPFMachine.run(program.instructions, type: 2, access: 4, major: 1, minor: 3) == 0)
        #expect(BPFMachine.run(program.instructions, type: 2, access: 1, major: 1, minor: 3) == 0)
        #expect(BPFMachine.run(program.instructions, type: 1, access: 2, major: 8, minor: 77) == 1)
        #expect(BPFMachine.run(program.instructions, type: 1, access: 6, major: 8, minor: 77) == 0)
        #expect(BPFMachine.run(program.instructions, type: 2, access: 2, major: 5, minor: 0) == 0)
    }
}

/// The few eBPF instructions that the device program uses.
enum BPFMachine {
    static func run(_ program: [UInt64], type: UInt32, access: UInt32, major: UInt32, minor: UInt32) -> UInt64? {
        let context = [type | access << 16, major, minor]
        var registers = [UInt64](repeating: 0, count: 11)
        var at = 0
        while program.indices.contains(at) {
            let word = program[at]
            let (code, destination, source) = (UInt8(word & 0xff), Int(word >> 8 & 15), Int(word >> 12 & 15))
            let offset = Int(Int16(truncatingIfNeeded: word >> 16))
            let immediate = UInt64(bitPattern: Int64(Int32(truncatingIfNeeded: word >> 32)))
            at += 1
            switch code {
            case 0x61: registers[destination] = UInt64(context[offset / 4])
            case 0xbc: registers[destination] = registers[source] & 0xffff_ffff
            case 0x54: registers[destination] &= immediate & 0xffff_ffff
            case 0x74: registers[destination] = (registers[destination] & 0xffff_ffff) >> immediate
            case 0xb7: registers[destination] = immediate
            case 0x55: if registers[destination] != immediate { at += offset }
            case 0x15: if registers[destination] == immediate { at += offset }
            case 0x95: return registers[0]
            default: return nil
            }
        }
        return nil
    }
}
