// Limits as asked for, against what the machine can hold: cgroup operations, rlimits, and what is not enforced, each with
// its reason.
import Cgroups
import Glibc

/// A limit that was asked for and that this machine will not hold.
public struct UnenforcedLimit: Sendable, Hashable {
    public var option: String
    public var reason: String
    public var fix: String
    /// What stands in for it, where something does.
    public var instead: String?

    public init(option: String, reason: String, fix: String, instead: String? = nil) {
        self.option = option
        self.reason = reason
        self.fix = fix
        self.instead = instead
    }
}

struct RunLimits: Sendable, Hashable {
    static let defaultPids: Int64 = 1024

    var cgroup = CgroupPlan()
    var resourceLimits: [RunOptions.ResourceLimit] = []
    var unenforced: [UnenforcedLimit] = []

    /// Throws for limits that cannot be enforced, unless the options allow that; `resolve` gives a path's block device.
    init(
        _ options: RunOptions, id: String, machine: Machine, resolve: (String) -> (major: UInt32, minor: UInt32)?
    ) throws(RunFailure) {
        var limits = try Self.cgroupLimits(options, resolve: resolve)
        let host = machine.cgroups
        for obstacle in machine.unenforceable(limits) {
            unenforced.append(UnenforcedLimit(option: Self.option(obstacle.field), reason: obstacle.reason, fix: obstacle.fix))
        }
        limits = host.enforceable(limits)
        resourceLimits = try Self.rlimits(options, machine: machine, unenforced: &unenforced)
        countProcesses(options, machine: machine, limits: &limits)
        if let limit = unenforced.first(where: { $0.instead == nil }), !options.allowUnenforced {
            throw RunFailure(
                field: limit.option, found: "a limit that this machine does not enforce (\(limit.reason))",
                expected: "one that it does", hint: "\(limit.fix); or run without the limit: --allow-unenforced")
        }
        if host.layout != .none, limits != CgroupLimits() || machine.rootless == nil {
            cgroup = host.plan([CgroupLevel("swiftlet-\(id)", limits)])
        }
    }

    private static func cgroupLimits(
        _ options: RunOptions, resolve: (String) -> (major: UInt32, minor: UInt32)?
    ) throws(RunFailure) -> CgroupLimits {
        var limits = CgroupLimits(memoryBytes: options.memoryBytes, cpuMillis: options.cpuMillis, pids: options.pids)
        // Without swap accounting "no swap" is all there is, which is the default anyway.
        limits.swapBytes = options.swapBytes == 0 ? nil : options.swapBytes
        limits.cpuWeight = options.cpuWeight
        limits.cpusetCPUs = options.cpuset
        limits.ioWeight = options.ioWeight
        for limit in options.deviceLimits {
            let option =
                "--io-"
                + ["rbps": "read-bps", "wbps": "write-bps", "riops": "read-iops", "wiops": "write-iops"][
                    limit.kind.rawValue, default: ""]
            guard let device = resolve(limit.device) else {
                throw RunFailure(
                    field: option, found: limit.device, expected: "a block device, or a path on a file system that is on one",
                    hint: "`findmnt` shows file systems with their devices")
            }
            var entry = IODeviceLimit(major: device.major, minor: device.minor)
            if let index = limits.ioDevices.firstIndex(where: { $0.major == device.major && $0.minor == device.minor }) {
                entry = limits.ioDevices.remove(at: index)
            }
            switch limit.kind {
            case .rbps: entry.readBytesPerSecond = limit.value
            case .wbps: entry.writeBytesPerSecond = limit.value
            case .riops: entry.readOperationsPerSecond = limit.value
            case .wiops: entry.writeOperationsPerSecond = limit.value
            }
            limits.ioDevices.append(entry)
        }
        return limits
    }

    private static func rlimits(
        _ options: RunOptions, machine: Machine, unenforced: inout [UnenforcedLimit]
    ) throws(RunFailure) -> [RunOptions.ResourceLimit] {
        var limits = [
            // No core files: they would hold what the task computes on.
            RunOptions.ResourceLimit(name: "core", soft: 0, hard: 0),
            RunOptions.ResourceLimit(name: "nofile", soft: 16_384, hard: 16_384),
        ]
        for index in limits.indices {
            if let ceiling = machine.resourceCeilings[limits[index].name] {
                limits[index].soft = min(limits[index].soft, ceiling)
                limits[index].hard = min(limits[index].hard, ceiling)
            }
        }
        for asked in options.resourceLimits {
            if !machine.mayRaiseLimits, let ceiling = machine.resourceCeilings[asked.name], asked.hard > ceiling {
                guard options.allowUnenforced else {
                    throw RunFailure(
                        field: "--rlimit \(asked.name)", found: "\(asked.hard)",
                        expected: "at most \(ceiling), this process' own hard limit",
                        hint: "raising it needs CAP_SYS_RESOURCE; --allow-unenforced takes what there is")
                }
                unenforced.append(
                    UnenforcedLimit(
                        option: "--rlimit \(asked.name)", reason: "the hard limit here is \(ceiling)",
                        fix: "raise it where this session begins (ulimit -H, LimitNOFILE=)", instead: "\(ceiling)"))
            }
            let ceiling = machine.mayRaiseLimits ? UInt64.max : machine.resourceCeilings[asked.name] ?? .max
            limits.removeAll { $0.name == asked.name }
            limits.append(.init(name: asked.name, soft: min(asked.soft, ceiling), hard: min(asked.hard, ceiling)))
        }
        return limits
    }

    /// A number of processes is always bounded. Without the controller RLIMIT_NPROC does it, if the task has a user
    /// namespace of its own: the kernel counts a user's processes per namespace, and root inside is not exempt.
    private mutating func countProcesses(_ options: RunOptions, machine: Machine, limits: inout CgroupLimits) {
        if machine.cgroups.hierarchies[.pids] != nil {
            if limits.pids == nil { limits.pids = Self.defaultPids }
            return
        }
        let count = UInt64(options.pids ?? Self.defaultPids)
        if !resourceLimits.contains(where: { $0.name == "nproc" }) {
            let bound = min(count, machine.resourceCeilings["nproc"] ?? .max)
            resourceLimits.append(.init(name: "nproc", soft: bound, hard: bound))
        }
        for index in unenforced.indices where unenforced[index].option == "--pids" {
            unenforced[index].instead = "rlimit nproc, counted in the task's own user namespace"
        }
    }

    /// The option behind a property of `CgroupLimits`.
    private static func option(_ field: String) -> String {
        switch field {
        case "memoryBytes": "--memory"
        case "swapBytes": "--swap"
        case "cpuMillis": "--cpus"
        case "cpuWeight": "--cpu-weight"
        case "cpusetCPUs": "--cpuset"
        case "pids": "--pids"
        case "ioWeight": "--io-weight"
        case "ioDevices": "--io-read-bps, --io-write-bps, --io-read-iops, --io-write-iops"
        default: field
        }
    }
}
