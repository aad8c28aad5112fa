// spec: a bundle's config.json to start from, the same container that `runc spec` describes.

import Glibc
import JSON

enum SpecCommand {
    static func spec(_ words: [String]) throws(OCIError) {
        let options = try CommandOptions(words, flags: [.value("bundle", "b"), .toggle("rootless")], verb: "spec")
        guard options.arguments.isEmpty else { throw .usage("\"spec\" requires exactly 0 argument(s)") }
        let path = "\(options.value("bundle") ?? ".")/config.json"
        guard !HostFile.exists(path) else { throw .usage("File config.json exists. Remove it first") }
        let rootless = options.has("rootless")
        let text = document(rootless: rootless ? (geteuid(), getegid()) : nil).serialized(pretty: true) + [UInt8(ascii: "\n")]
        try HostFile.replace(path, with: text, mode: 0o644)
    }

    /// `rootless` are the ids that the container's root stands for.
    static func document(rootless: (uid: UInt32, gid: UInt32)?) -> JSONValue {
        var document = JSONObject([
            ("ociVersion", "1.0.2"), ("process", process()),
            ("root", .object(JSONObject([("path", "rootfs"), ("readonly", true)]))), ("hostname", "swiftlet"),
        ])
        document["mounts"] = .array(mounts(rootless: rootless != nil))
        document["linux"] = linux(rootless: rootless)
        return .object(document)
    }

    private static func process() -> JSONValue {
        let capabilities: JSONValue = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
        return [
            "terminal": true, "user": ["uid": 0, "gid": 0], "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"], "cwd": "/",
            "capabilities": ["bounding": capabilities, "effective": capabilities, "permitted": capabilities],
            "rlimits": [["type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024]], "noNewPrivileges": true,
        ]
    }

    private static func mount(_ destination: String, _ type: String, _ source: String, _ options: [String]) -> JSONValue {
        var entry = JSONObject([("destination", .string(destination)), ("type", .string(type)), ("source", .string(source))])
        if !options.isEmpty { entry["options"] = .array(options.map { .string($0) }) }
        return .object(entry)
    }

    private static func mounts(rootless: Bool) -> [JSONValue] {
        let locked = ["nosuid", "noexec", "nodev"]
        return [
            mount("/proc", "proc", "proc", []),
            mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
            // The group of terminals has no name in a map of one id.
            mount(
                "/dev/pts", "devpts", "devpts",
                ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"] + (rootless ? [] : ["gid=5"])),
            mount("/dev/shm", "tmpfs", "shm", locked + ["mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", "mqueue", locked),
            // A new sysfs needs power over the network namespace's owner; the host's is bound, read-only.
            rootless
                ? mount("/sys", "none", "/sys", ["rbind"] + locked + ["ro"]) : mount("/sys", "sysfs", "sysfs", locked + ["ro"]),
        ] + (rootless ? [] : [mount("/sys/fs/cgroup", "cgroup", "cgroup", locked + ["relatime", "ro"])])
    }

    private static func linux(rootless: (uid: UInt32, gid: UInt32)?) -> JSONValue {
        var linux = JSONObject()
        if let rootless {
            linux["uidMappings"] = [["containerID": 0, "hostID": .int(Int64(rootless.uid)), "size": 1]]
            linux["gidMappings"] = [["containerID": 0, "hostID": .int(Int64(rootless.gid)), "size": 1]]
        } else {
            linux["resources"] = ["devices": [["allow": false, "access": "rwm"]]]
        }
        let namespaces =
            ["pid"] + (rootless == nil ? ["network"] : []) + ["ipc", "uts", "mount", "cgroup"] + (rootless == nil ? [] : ["user"])
        linux["namespaces"] = .array(namespaces.map { .object(JSONObject([("type", .string($0))])) })
        linux["maskedPaths"] = .array(maskedPaths.map { .string($0) })
        linux["readonlyPaths"] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
        return .object(linux)
    }

    private static let maskedPaths = [
        "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
        "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
    ]
}
