// config-linux.md: file systems, devices, namespaces, paths, sysctl, seccomp; and the limits.

import Glibc
import JSON

@testable import OCIRuntime

extension Clause {
    private static func resources(_ value: JSONValue, _ path: String) -> (inout JSONValue) -> Void {
        { document in
            document.set(["linux", "resources"], to: value)
            document.set(["linux", "cgroupsPath"], to: .string(path))
        }
    }

    /// The value of a file of the created container's group, on a machine with v1 controllers.
    private static func setting(
        _ runtime: (Bundle) -> Runtime, _ value: JSONValue, _ controller: String, _ file: String, _ expected: String
    ) throws -> Bool {
        guard HostFile.isDirectory("/sys/fs/cgroup/\(controller)") else { return true }
        let path = "/\(Bundle.newID())"
        return try created(runtime, resources(value, path)) { _, _, _ in
            HostFile.text("/sys/fs/cgroup/\(controller)\(path)/\(file)") == expected + "\n"
        }
    }

    static let linux: [Clause] = [
        Clause("config-linux.md#default-devices", "null, zero, full, random, urandom, tty and ptmx are there") { runtime in
            try output(
                runtime,
                "for d in null zero full random urandom tty ptmx; do [ -c /dev/$d ] && echo $d; done; readlink /dev/fd; readlink /dev/stdin"
            )
                == ["null", "zero", "full", "random", "urandom", "tty", "ptmx", "/proc/self/fd", "/proc/self/fd/0"]
        },
        Clause("config-linux.md#devices", "a configured device has its type, numbers, mode and owner") { runtime in
            try output(runtime, "stat -c '%F %t %T %a %u %g' /dev/mine; stat -c %F /dev/fifo") {
                $0.set(
                    ["linux", "devices"],
                    to: [
                        ["path": "/dev/mine", "type": "c", "major": 10, "minor": 229, "fileMode": 432, "uid": 5, "gid": 6],
                        ["path": "/dev/fifo", "type": "p"],
                    ])
            } == ["character special file a e5 660 5 6", "fifo"]
        },
        Clause("config-linux.md#namespaces", "a new namespace is another one, one that is not named is the runtime's") {
            runtime in
            let inside = try output(runtime, "for n in pid net ipc uts mnt; do readlink /proc/self/ns/$n; done")
            guard let inside, inside.count == 5 else { return false }
            let host = ["pid", "net", "ipc", "uts", "mnt"].map { HostFile.linkTarget("/proc/self/ns/\($0)") ?? "" }
            guard zip(inside, host).allSatisfy({ $0 != $1 }) else { return false }
            return try output(runtime, "for n in net ipc uts; do readlink /proc/self/ns/$n; done") {
                $0.set(["linux", "namespaces"], to: [["type": "pid"], ["type": "mount"]])
                $0.set(["hostname"], to: nil)
                $0.set(
                    ["mounts"],
                    to: .array(
                        ($0["mounts"]?.arrayValue ?? []).filter {
                            $0["type"] != "sysfs" && $0["type"] != "mqueue" && $0["type"] != "cgroup"
                        }))
            } == Array(host[1...3])
        },
        Clause("config-linux.md#namespaces", "a path is joined, and a path of another type is an error") { runtime in
            let bundle = try Bundle()
            let runtime = runtime(bundle)
            let id = Bundle.newID()
            guard runtime.create(bundle, id).succeeded, let pid = runtime.state(id)?["pid"]?.intValue else { return false }
            let wanted = HostFile.linkTarget("/proc/\(pid)/ns/net") ?? "none"
            func with(_ file: String) throws -> Bundle {
                let other = try Bundle {
                    $0.set(
                        ["linux", "namespaces"],
                        to: [
                            ["type": "mount"], ["type": "pid"], ["type": "network", "path": .string("/proc/\(pid)/ns/\(file)")],
                        ])
                    $0.set(["hostname"], to: nil)
                }
                try other.shell("readlink /proc/self/ns/net")
                return other
            }
            let good = try with("net")
            let bad = try with("uts")
            return runtime.run(good).lines == [wanted] && !runtime.create(bad, Bundle.newID()).succeeded
        },
        Clause("config-linux.md#user-namespace-mappings", "ids are mapped as configured") { runtime in
            try output(runtime, "id -u; cat /proc/self/uid_map /proc/self/gid_map | while read a b c; do echo $a $b $c; done") {
                $0.set(["linux", "namespaces"], to: .array(($0["linux"]?["namespaces"]?.arrayValue ?? []) + [["type": "user"]]))
                $0.set(["linux", "uidMappings"], to: [["containerID": 0, "hostID": 100_000, "size": 2000]])
                $0.set(["linux", "gidMappings"], to: [["containerID": 0, "hostID": 200_000, "size": 3000]])
            } == ["0", "0 100000 2000", "0 200000 3000"]
        },
        Clause("config-linux.md#masked-paths", "a masked file or directory shows nothing") { runtime in
            let bundle = try Bundle { $0.set(["linux", "maskedPaths"], to: ["/etc/secret", "/etc/dir", "/nowhere"]) }
            try HostFile.replace("\(bundle.directory)/rootfs/etc/secret", with: Array("secret".utf8))
            mkdir("\(bundle.directory)/rootfs/etc/dir", 0o755)
            try HostFile.replace("\(bundle.directory)/rootfs/etc/dir/inner", with: Array("secret".utf8))
            try bundle.shell("cat /etc/secret; ls /etc/dir; echo end")
            return runtime(bundle).run(bundle).lines == ["end"]
        },
        Clause("config-linux.md#readonly-paths", "a read-only path cannot be written") { runtime in
            let bundle = try Bundle { $0.set(["linux", "readonlyPaths"], to: ["/etc/fixed"]) }
            try HostFile.replace("\(bundle.directory)/rootfs/etc/fixed", with: Array("fixed\n".utf8), mode: 0o666)
            try bundle.shell("(echo x > /etc/fixed) 2>/dev/null; cat /etc/fixed")
            return runtime(bundle).run(bundle).lines == ["fixed"]
        },
        Clause("config-linux.md#sysctl", "a parameter of a namespace is set, one of the machine refused") { runtime in
            let set = try output(runtime, "cat /proc/sys/net/ipv4/ip_forward") {
                $0.set(["linux", "sysctl"], to: ["net.ipv4.ip_forward": "1"])
            }
            let bundle = try Bundle { $0.set(["linux", "sysctl"], to: ["kernel.core_pattern": "core"]) }
            return set == ["1"] && !runtime(bundle).create(bundle, Bundle.newID()).succeeded
        },
        Clause("config-linux.md#seccomp", "a call answers the configured errno") { runtime in
            try output(runtime, "mkdir /made 2>/dev/null || echo refused; echo on") {
                $0.set(
                    ["linux", "seccomp"],
                    to: [
                        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                        "syscalls": [["names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1]],
                    ])
            } == ["refused", "on"]
        },
        Clause("config-linux.md#seccomp", "also without no_new_privs") { runtime in
            try output(runtime, "mkdir /made 2>/dev/null || echo refused") {
                $0.set(["process", "noNewPrivileges"], to: false)
                $0.set(
                    ["linux", "seccomp"],
                    to: [
                        "defaultAction": "SCMP_ACT_ALLOW",
                        "syscalls": [["names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"]],
                    ])
            } == ["refused"]
        },
        Clause("config-linux.md#rootfs-mount-propagation", "shared is shared, private is not") { runtime in
            let mountinfo =
                "while read a b c d e f; do [ \"$e\" = / ] && echo \"$f\" | grep -c shared; done < /proc/self/mountinfo; true"
            let shared = try output(runtime, mountinfo) { $0.set(["linux", "rootfsPropagation"], to: "shared") }
            return try shared == ["1"]
                && output(runtime, mountinfo) { $0.set(["linux", "rootfsPropagation"], to: "private") } == ["0"]
        },
    ]

    static let limits: [Clause] = [
        Clause("config-linux.md#cgroups-path", "an absolute path counts from the mount point") { runtime in
            try setting(runtime, ["pids": ["limit": 77]], "pids", "pids.max", "77")
        },
        Clause("config-linux.md#cgroups-path", "a path that leads out of the hierarchy never does") { runtime in
            guard HostFile.isDirectory("/sys/fs/cgroup/pids") else { return true }
            let name = Bundle.newID()
            let bundle = try Bundle(resources(["pids": ["limit": 9]], "/../../../../tmp/\(name)"))
            _ = runtime(bundle).create(bundle, Bundle.newID())
            return !HostFile.exists("/tmp/\(name)")
        },
        Clause("config-linux.md#memory", "limit, swap and reservation") { runtime in
            let value: JSONValue = ["memory": ["limit": 67_108_864, "swap": 134_217_728, "reservation": 33_554_432]]
            return try setting(runtime, value, "memory", "memory.limit_in_bytes", "67108864")
                && setting(runtime, value, "memory", "memory.memsw.limit_in_bytes", "134217728")
                && setting(runtime, value, "memory", "memory.soft_limit_in_bytes", "33554432")
        },
        Clause("config-linux.md#memory", "swappiness and the OOM killer's switch") { runtime in
            try setting(runtime, ["memory": ["swappiness": 10]], "memory", "memory.swappiness", "10")
        },
        Clause("config-linux.md#cpu", "shares, quota, period and CPUs") { runtime in
            let value: JSONValue = ["cpu": ["shares": 512, "quota": 50_000, "period": 100_000, "cpus": "0", "mems": "0"]]
            return try setting(runtime, value, "cpu", "cpu.shares", "512")
                && setting(runtime, value, "cpu", "cpu.cfs_quota_us", "50000")
                && setting(runtime, value, "cpuset", "cpuset.cpus", "0")
        },
        Clause("config-linux.md#allowed-device-list", "what is not allowed cannot be opened, what is allowed can") { runtime in
            guard HostFile.isDirectory("/sys/fs/cgroup/devices") else { return true }
            func script(_ allow: Bool) throws -> [String]? {
                try output(runtime, "(: < /dev/mine) 2>/dev/null && echo opened; (: < /dev/null) && echo null") {
                    $0.set(
                        ["linux", "devices"],
                        to: [["path": "/dev/mine", "type": "c", "major": 10, "minor": 229, "fileMode": 438]])
                    $0.set(["linux", "resources"], to: ["devices": [["allow": false, "access": "rwm"]]])
                    if allow {
                        $0.set(
                            ["linux", "resources"],
                            to: [
                                "devices": [
                                    ["allow": false, "access": "rwm"],
                                    ["allow": true, "type": "c", "major": 10, "minor": 229, "access": "r"],
                                ]
                            ])
                    }
                }
            }
            return try script(false) == ["null"] && script(true) == ["opened", "null"]
        },
        Clause("config-linux.md#pids", "a limit of processes holds inside") { runtime in
            // A shell that cannot fork gives up.
            try output(runtime, "echo begin; (for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; echo end) 2>/dev/null; true") {
                $0.set(["linux", "resources"], to: ["pids": ["limit": 5]])
            } == ["begin"]
        },
        Clause("config-linux.md#unified", "a file of the group that is no controller's of this machine is an error") { runtime in
            let bundle = try Bundle { $0.set(["linux", "resources"], to: ["unified": ["nosuch.file": "1"]]) }
            return !runtime(bundle).create(bundle, Bundle.newID()).succeeded
        },
    ]
}
