// What a machine cannot enforce, and what would change that. Callers refuse such limits unless told otherwise.

/// One limit that was asked for and that this machine would not hold.
public struct UnenforceableLimit: Error, Sendable, Hashable, CustomStringConvertible {
    /// The property of `CgroupLimits`, e.g. "oomGroup".
    public var field: String
    public var reason: String
    /// What the machine's owner may do.
    public var fix: String

    public init(field: String, reason: String, fix: String) {
        self.field = field
        self.reason = reason
        self.fix = fix
    }

    public var description: String { "\(field) cannot be enforced: \(reason); \(fix)" }
}

/// What one property of `CgroupLimits` needs of a machine.
struct LimitRule: Sendable {
    var field: String
    /// nil: needs no controller.
    var controller: CgroupController?
    var feature: CgroupFeature?
    /// 1 or 2: exists in that version only.
    var version: Int?
    var isAsked: @Sendable (CgroupLimits) -> Bool
    var clear: @Sendable (inout CgroupLimits) -> Void

    // Closures and not key paths, which read through the runtime: all of these are asked several times for each container that starts.
    // Switching off what the machine has not is fine, so a flag is asked for when it is true.
    static let all: [LimitRule] = [
        LimitRule(field: "memoryBytes", controller: .memory, isAsked: { $0.memoryBytes != nil }, clear: { $0.memoryBytes = nil }),
        LimitRule(
            field: "memoryHighBytes", controller: .memory, isAsked: { $0.memoryHighBytes != nil },
            clear: { $0.memoryHighBytes = nil }),
        LimitRule(
            field: "memoryReservationBytes", controller: .memory, isAsked: { $0.memoryReservationBytes != nil },
            clear: { $0.memoryReservationBytes = nil }),
        LimitRule(
            field: "swapBytes", controller: .memory, feature: .swap, isAsked: { $0.swapBytes != nil },
            clear: { $0.swapBytes = nil }),
        LimitRule(
            field: "swappiness", controller: .memory, version: 1, isAsked: { $0.swappiness != nil },
            clear: { $0.swappiness = nil }),
        LimitRule(
            field: "oomGroup", controller: .memory, feature: .oomGroup, version: 2, isAsked: { $0.oomGroup == true },
            clear: { $0.oomGroup = nil }),
        LimitRule(
            field: "oomKillDisabled", controller: .memory, version: 1, isAsked: { $0.oomKillDisabled == true },
            clear: { $0.oomKillDisabled = nil }),
        LimitRule(field: "cpuMillis", controller: .cpu, isAsked: { $0.cpuMillis != nil }, clear: { $0.cpuMillis = nil }),
        LimitRule(
            field: "cpuQuotaMicroseconds", controller: .cpu, isAsked: { $0.cpuQuotaMicroseconds != nil },
            clear: { $0.cpuQuotaMicroseconds = nil }),
        LimitRule(
            field: "cpuPeriodMicroseconds", controller: .cpu, isAsked: { $0.cpuPeriodMicroseconds != nil },
            clear: { $0.cpuPeriodMicroseconds = nil }),
        LimitRule(
            field: "cpuBurstMicroseconds", controller: .cpu, feature: .cpuBurst, isAsked: { $0.cpuBurstMicroseconds != nil },
            clear: { $0.cpuBurstMicroseconds = nil }),
        LimitRule(field: "cpuWeight", controller: .cpu, isAsked: { $0.cpuWeight != nil }, clear: { $0.cpuWeight = nil }),
        LimitRule(field: "cpuShares", controller: .cpu, isAsked: { $0.cpuShares != nil }, clear: { $0.cpuShares = nil }),
        LimitRule(
            field: "cpuIdle", controller: .cpu, feature: .cpuIdle, isAsked: { $0.cpuIdle == true }, clear: { $0.cpuIdle = nil }),
        LimitRule(
            field: "cpusetCPUs", controller: .cpuset, isAsked: { $0.cpusetCPUs != nil }, clear: { $0.cpusetCPUs = nil }),
        LimitRule(
            field: "cpusetMemoryNodes", controller: .cpuset, isAsked: { $0.cpusetMemoryNodes != nil },
            clear: { $0.cpusetMemoryNodes = nil }),
        LimitRule(field: "pids", controller: .pids, isAsked: { $0.pids != nil }, clear: { $0.pids = nil }),
        LimitRule(
            field: "ioWeight", controller: .io, feature: .ioWeight, isAsked: { $0.ioWeight != nil }, clear: { $0.ioWeight = nil }),
        LimitRule(
            field: "ioDevices", controller: .io, feature: .ioThrottle, isAsked: { !$0.ioDevices.isEmpty },
            clear: { $0.ioDevices = [] }),
        LimitRule(
            field: "hugePages", controller: .hugetlb, isAsked: { !$0.hugePages.isEmpty }, clear: { $0.hugePages = [] }),
        LimitRule(
            field: "devices", controller: .devices, isAsked: { !$0.devices.isEmpty }, clear: { $0.devices = [] }),
        LimitRule(
            field: "freezable", controller: .freezer, isAsked: { $0.freezable }, clear: { $0.freezable = false }),
        LimitRule(
            field: "unified", version: 2, isAsked: { !$0.unified.isEmpty }, clear: { $0.unified = [:] }),
    ]
}

extension CgroupHost {
    /// What of `limits` this machine would not hold; empty when all of it is enforced.
    public func unenforceable(_ limits: CgroupLimits) -> [UnenforceableLimit] {
        var found = LimitRule.all.filter { $0.isAsked(limits) }.compactMap(obstacle)
        for page in limits.hugePages where hierarchies[.hugetlb] != nil && !hugePageSizes.contains(page.pageSize) {
            let sizes = hugePageSizes.sorted().joined(separator: ", ")
            found.append(
                UnenforceableLimit(
                    field: "hugePages",
                    reason: "the machine has no pages of \(page.pageSize), only \(sizes.isEmpty ? "none" : sizes)",
                    fix: "ask for one of these sizes"))
        }
        return found
    }

    /// `limits` without what the machine cannot enforce: what remains when the caller permits that.
    public func enforceable(_ limits: CgroupLimits) -> CgroupLimits {
        var limits = limits
        let obstacles = Set(unenforceable(limits).map(\.field))
        guard !obstacles.isEmpty else { return limits }
        if obstacles == ["hugePages"], hierarchies[.hugetlb] != nil {
            limits.hugePages.removeAll { !hugePageSizes.contains($0.pageSize) }
            return limits
        }
        for rule in LimitRule.all where obstacles.contains(rule.field) { rule.clear(&limits) }
        return limits
    }

    private func obstacle(_ rule: LimitRule) -> UnenforceableLimit? {
        func limit(_ reason: String, _ fix: String) -> UnenforceableLimit {
            UnenforceableLimit(field: rule.field, reason: reason, fix: fix)
        }
        if layout == .none { return limit("no cgroup file system is mounted", "mount cgroup2 at \(root)") }
        if rule.field == "unified" {
            return layout == .version2 ? nil : limit("the controllers are on cgroup v1", "start the machine with cgroup v2 alone")
        }
        // Every v2 group can be frozen, without a controller.
        if rule.controller == .freezer, layout == .version2 { return nil }
        if rule.controller == .devices, layout == .version2 {
            return limit(
                "cgroup v2 has no device list, only BPF programs",
                "leave it out: a task without CAP_MKNOD has only the devices of its /dev")
        }
        guard let controller = rule.controller else { return nil }
        guard let hierarchy = hierarchies[controller] else {
            let name = layout == .version2 ? controller.rawValue : controller.version1Name
            return limit(
                "the \(name) controller is not offered here",
                layout == .version2
                    ? "enable it in \(root)/cgroup.controllers (kernel option, or the parent's cgroup.subtree_control)"
                    : "mount the \(name) hierarchy at \(root)/\(name)")
        }
        if let version = rule.version, version != hierarchy.version {
            return version == 2
                ? limit("cgroup v1 has no such limit", "start the machine with cgroup v2 (systemd.unified_cgroup_hierarchy=1)")
                : limit("cgroup v2 has no such limit", "leave it out")
        }
        guard let feature = rule.feature, !features.contains(feature) else { return nil }
        switch feature {
        case .ioWeight:
            return limit(
                "no block device here is scheduled by weight",
                "choose the bfq scheduler (/sys/block/DEVICE/queue/scheduler) or enable io.cost.qos")
        case .swap: return limit("the kernel does not account swap", "start it with swapaccount=1 and CONFIG_SWAP")
        default: return limit("the kernel lacks \(feature.rawValue) for this controller", "use a newer kernel (5.14 or later)")
        }
    }
}
