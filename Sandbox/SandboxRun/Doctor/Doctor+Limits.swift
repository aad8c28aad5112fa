// Limits: a group with the limit is made, joined and removed; what has no group is said with its reason.
import Cgroups
import Glibc
import SandboxPolicy

extension Doctor {
    var limits: [DoctorFinding] {
        var findings = [layout]
        let tries: [(String, CgroupLimits, Bool)] = [
            ("memory", CgroupLimits(memoryBytes: 64 << 20), true), ("cpu quota", CgroupLimits(cpuMillis: 500), true),
            ("pids", CgroupLimits(pids: 64), false), ("cpu weight", Self.limits { $0.cpuWeight = 50 }, false),
            ("cpuset", Self.limits { $0.cpusetCPUs = "0" }, false),
            ("swap", Self.limits { ($0.memoryBytes, $0.swapBytes) = (64 << 20, 0) }, false),
            ("memory.oom.group", Self.limits { $0.oomGroup = true }, false),
            ("io weight", Self.limits { $0.ioWeight = 50 }, false),
            (
                "hugetlb",
                Self.limits {
                    $0.hugePages = [HugePageLimit(pageSize: machine.cgroups.hugePageSizes.sorted().first ?? "2MB", bytes: 0)]
                }, false
            ),
        ]
        for (name, limits, essential) in tries { findings.append(limit(name, limits, essential: essential)) }
        findings.append(killFile)
        findings.append(pressure)
        findings += ceilings
        return findings
    }

    private static func limits(_ change: (inout CgroupLimits) -> Void) -> CgroupLimits {
        var limits = CgroupLimits()
        change(&limits)
        return limits
    }

    private var layout: DoctorFinding {
        let host = CgroupHost()
        let name =
            switch host.layout {
            case .version1(let hybrid): hybrid ? "v1 and v2 beside each other (hybrid)" : "v1"
            case .version2: "v2"
            case .none: "none"
            }
        if let obstacle = machine.cgroupObstacle {
            return DoctorFinding(
                .limits, machine.rootless == nil ? "cgroups" : "cgroup delegation", .missing, "\(name); \(obstacle.reason)",
                fix: obstacle.fix,
                essential: machine.rootless == nil)
        }
        return DoctorFinding(.limits, machine.rootless == nil ? "cgroups" : "cgroup delegation", .works, name)
    }

    private func limit(_ name: String, _ limits: CgroupLimits, essential: Bool) -> DoctorFinding {
        // Rootless tasks have rlimits and size-bound file systems in their place; root is expected to hold limits.
        let essential = essential && machine.rootless == nil
        if let obstacle = machine.unenforceable(limits).first {
            let stand = name == "pids" ? "; rlimit nproc stands in" : ""
            return DoctorFinding(
                .limits, name, name == "pids" ? .limited : .missing,
                (machine.cgroupReason == nil ? obstacle.reason : "no cgroup of one's own") + stand,
                fix: machine.cgroupReason == nil ? obstacle.fix : "as for the delegation above", essential: essential)
        }
        let plan = machine.cgroups.plan([CgroupLevel("swiftlet-doctor-\(getpid())", limits)])
        return finding(
            .limits, name, probe.run { $0.cgroups = plan.launchOperations },
            fix: "make the group's directory writable, or mount the controller",
            essential: essential)
    }

    private var killFile: DoctorFinding {
        guard let unified = CgroupHost().unified else {
            return DoctorFinding(
                .limits, "cgroup.kill", .limited, "no cgroup v2: the pid namespace's end kills instead", fix: "mount cgroup2")
        }
        let has = CgroupHost().features.contains(.kill)
        return DoctorFinding(
            .limits, "cgroup.kill", has ? .works : .limited,
            has ? unified : "the kernel lacks it: processes are killed one by one",
            fix: "Linux 5.14 or later")
    }

    private var pressure: DoctorFinding {
        guard SmallFile.read("/proc/pressure/memory") != nil else {
            return DoctorFinding(
                .limits, "pressure (PSI)", .missing, "/proc/pressure is absent: thrashing at a limit is seen by its faults only",
                fix: "start the kernel with psi=1")
        }
        return DoctorFinding(.limits, "pressure (PSI)", .works, SmallFile.line("/proc/pressure/memory") ?? "")
    }

    private var ceilings: [DoctorFinding] {
        if machine.mayRaiseLimits { return [DoctorFinding(.limits, "rlimits", .works, "CAP_SYS_RESOURCE: no ceiling")] }
        let shown = ["nofile", "nproc", "memlock"].map { name in
            "\(name) \(machine.resourceCeilings[name].map { "\($0)" } ?? "unlimited")"
        }
        let fix = "give CAP_SYS_RESOURCE, or raise the hard limits where this session begins"
        return [
            DoctorFinding(.limits, "rlimits", .limited, "ceilings: " + shown.joined(separator: ", "), fix: fix),
            DoctorFinding(
                .limits, "oom_score_adj", .limited, "not below \(machine.oomScoreMinimum)", fix: "give CAP_SYS_RESOURCE"),
        ]
    }
}

extension CgroupPlan {
    /// The launcher makes, joins and removes the groups itself, in its own order.
    var launchOperations: [LaunchOperation] {
        operations.map { operation -> LaunchOperation in
            switch operation {
            case .make(let version, let directory): .makeCgroup(version: version, path: directory)
            case .set(let directory, let file, let value): .setCgroup(path: directory, file: file, value: value)
            }
        } + joins.map { .cgroup(version: $0.version, controller: $0.controller, path: $0.path) }
            + removals.map { .removeCgroup(path: $0) }
    }
}
