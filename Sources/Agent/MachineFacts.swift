// What the agent must know of its machine: size, identity and how full it is. Read from /proc, /sys and statvfs; small
// synchronous reads of kernel files that do not block on devices.
import AgentCore
import Glibc

/// Facts that do not change while the machine is up.
public struct MachineFacts: Sendable, Hashable {
    public var hostname: String
    public var cpuMillis: Int64
    public var memoryBytes: Int64
    public var machineID: String
    public var bootID: String
    public var kernelVersion: String
    public var osImage: String
    /// Go's word, as Kubernetes' label kubernetes.io/arch wants it: amd64, arm64.
    public var architecture: String

    public init(
        hostname: String, cpuMillis: Int64, memoryBytes: Int64, machineID: String, bootID: String, kernelVersion: String,
        osImage: String, architecture: String
    ) {
        self.hostname = hostname
        self.cpuMillis = cpuMillis
        self.memoryBytes = memoryBytes
        self.machineID = machineID
        self.bootID = bootID
        self.kernelVersion = kernelVersion
        self.osImage = osImage
        self.architecture = architecture
    }

    /// Reads the machine below `root` ("" in production; a fake tree in tests). CPU and memory are the smaller of the
    /// machine's and of the limits of the agent's own cgroup, so that a Lite in a container tells what it really has.
    public static func read(root: String = "") -> MachineFacts {
        var names = utsname()
        uname(&names)
        let cgroup = OwnCgroupLimits.read(root: root)
        let cpus = Int64(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) * 1000
        let memory = KernelFile.field("MemTotal:", in: "\(root)/proc/meminfo").map { $0 * 1024 } ?? 0
        return MachineFacts(
            hostname: string(of: names.nodename),
            cpuMillis: min(cpus, cgroup.cpuMillis ?? cpus),
            memoryBytes: min(memory, cgroup.memoryBytes ?? memory),
            machineID: KernelFile.line("\(root)/etc/machine-id") ?? KernelFile.line("\(root)/var/lib/dbus/machine-id") ?? "",
            bootID: KernelFile.line("\(root)/proc/sys/kernel/random/boot_id") ?? "",
            kernelVersion: string(of: names.release),
            osImage: prettyName(KernelFile.text("\(root)/etc/os-release") ?? ""),
            architecture: goArchitecture(string(of: names.machine)))
    }

    static func prettyName(_ osRelease: String) -> String {
        for line in osRelease.split(separator: "\n") where line.hasPrefix("PRETTY_NAME=") {
            return String(line.dropFirst("PRETTY_NAME=".count).filter { $0 != "\"" })
        }
        return "Linux"
    }

    static func goArchitecture(_ machine: String) -> String {
        switch machine {
        case "x86_64": "amd64"
        case "aarch64": "arm64"
        default: machine
        }
    }

    private static func string<T>(of field: T) -> String {
        withUnsafeBytes(of: field) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// Limits that the agent's own cgroup sets; nil where it sets none.
struct OwnCgroupLimits {
    var cpuMillis: Int64?
    var memoryBytes: Int64?
    /// Bytes in use in it, without page cache that was not used lately.
    var memoryWorkingSet: Int64?

    /// cgroup v2 first (one line "0::/path"), then the v1 hierarchies that /proc/self/cgroup names.
    static func read(root: String) -> OwnCgroupLimits {
        var limits = OwnCgroupLimits()
        for line in (KernelFile.text("\(root)/proc/self/cgroup") ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let path = parts[2] == "/" ? "" : String(parts[2])
            switch parts[1] {
            case "": limits.mergeV2("\(root)/sys/fs/cgroup\(path)")
            case let controllers where controllers.split(separator: ",").contains("memory"):
                limits.mergeMemoryV1("\(root)/sys/fs/cgroup/memory\(path)")
            case let controllers where controllers.split(separator: ",").contains("cpu"):
                limits.mergeCPUV1("\(root)/sys/fs/cgroup/cpu\(path)")
            default: continue
            }
        }
        return limits
    }

    private mutating func mergeV2(_ directory: String) {
        if let text = KernelFile.line("\(directory)/memory.max"), let bytes = Int64(text) {
            memoryBytes = bytes
            measure("\(directory)/memory.current", "inactive_file ", "\(directory)/memory.stat")
        }
        let quota = (KernelFile.line("\(directory)/cpu.max") ?? "").split(separator: " ")
        if quota.count == 2, let used = Int64(quota[0]), let period = Int64(quota[1]), period > 0 {
            cpuMillis = used * 1000 / period
        }
    }

    private mutating func mergeMemoryV1(_ directory: String) {
        // v1 says "no limit" with a number near 2^63.
        guard let text = KernelFile.line("\(directory)/memory.limit_in_bytes"), let bytes = Int64(text), bytes < 1 << 60 else {
            return
        }
        memoryBytes = bytes
        measure("\(directory)/memory.usage_in_bytes", "total_inactive_file ", "\(directory)/memory.stat")
    }

    private mutating func measure(_ usage: String, _ inactive: String, _ stat: String) {
        guard let used = KernelFile.line(usage).flatMap({ Int64($0) }) else { return }
        memoryWorkingSet = max(0, used - (KernelFile.field(inactive, in: stat) ?? 0))
    }

    private mutating func mergeCPUV1(_ directory: String) {
        guard let quota = KernelFile.line("\(directory)/cpu.cfs_quota_us").flatMap({ Int64($0) }), quota > 0,
            let period = KernelFile.line("\(directory)/cpu.cfs_period_us").flatMap({ Int64($0) }), period > 0
        else { return }
        cpuMillis = quota * 1000 / period
    }
}

extension NodeMeasurement {
    /// Measures the machine and the file system that holds `directory`.
    public static func measure(directory: String, root: String = "") -> NodeMeasurement {
        var disk = statvfs()
        let known = statvfs(directory, &disk) == 0
        let block = Int64(disk.f_frsize)
        // "0.20 0.18 0.12 1/80 11206": the fourth field is runnable/existing scheduling entities (proc(5)).
        let loadavg = (KernelFile.line("\(root)/proc/loadavg") ?? "").split(separator: " ")
        let entities = loadavg.count > 3 ? loadavg[3].split(separator: "/").last.flatMap { Int64($0) } : nil
        let memory = memory(root: root)
        return NodeMeasurement(
            memoryAvailableBytes: memory.available,
            diskFreeBytes: known ? Int64(disk.f_bavail) * block : 0,
            diskTotalBytes: known ? Int64(disk.f_blocks) * block : 0,
            inodesFree: known ? Int64(disk.f_favail) : 0,
            inodesTotal: known ? Int64(disk.f_files) : 0,
            processes: entities ?? 0,
            processLimit: KernelFile.line("\(root)/proc/sys/kernel/pid_max").flatMap { Int64($0) } ?? 32768,
            memoryTotalBytes: memory.total)
    }

    /// Of the machine, or of the agent's own cgroup where that has a limit and less of it is left: a Lite in a container is
    /// as full as its container.
    private static func memory(root: String) -> (available: Int64, total: Int64) {
        let machine = (
            available: (KernelFile.field("MemAvailable:", in: "\(root)/proc/meminfo") ?? 0) * 1024,
            total: (KernelFile.field("MemTotal:", in: "\(root)/proc/meminfo") ?? 0) * 1024
        )
        let own = OwnCgroupLimits.read(root: root)
        guard let limit = own.memoryBytes, let used = own.memoryWorkingSet, limit < machine.total else { return machine }
        return (min(machine.available, max(0, limit - used)), limit)
    }
}

/// Small kernel files as text.
enum KernelFile {
    /// Kernel files that we read fit in it; anything longer is cut.
    static let limit = 64 * 1024

    static func text(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: limit)
        var filled = 0
        while filled < limit {
            let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress?.advanced(by: filled), limit - filled) }
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { break }
            filled += count
        }
        return String(decoding: bytes[..<filled], as: UTF8.self)
    }

    static func line(_ path: String) -> String? {
        text(path).map { String($0.prefix { $0 != "\n" }) }
    }

    /// The number after `name` in a file of "Name:   123 kB" lines.
    static func field(_ name: String, in path: String) -> Int64? {
        for line in (text(path) ?? "").split(separator: "\n") where line.hasPrefix(name) {
            return line.dropFirst(name.count).split(separator: " ").first.flatMap { Int64($0) }
        }
        return nil
    }
}
