// Namespaces: one probe each, and whether an ordinary user may make them.
import Glibc
import SandboxPolicy

extension Doctor {
    var namespaces: [DoctorFinding] {
        var findings: [DoctorFinding] = [userNamespace]
        let kinds: [(LaunchOperation.Namespace, String, Bool)] = [
            (.mount, "CONFIG_NAMESPACES", true), (.pid, "CONFIG_PID_NS", true), (.ipc, "CONFIG_IPC_NS", true),
            (.uts, "CONFIG_UTS_NS", true),
            (.cgroup, "CONFIG_CGROUPS", false), (.net, "CONFIG_NET_NS", true), (.time, "CONFIG_TIME_NS", false),
        ]
        for (kind, option, essential) in kinds {
            findings.append(
                finding(
                    .namespaces, kind.rawValue, probe.run { $0.namespaces = [kind] },
                    fix:
                        "a kernel with \(option)\(machine.rootless == nil ? ", and CAP_SYS_ADMIN" : ", and user namespaces for ordinary users")",
                    essential: essential))
        }
        findings.append(
            finding(
                .namespaces, "time offsets",
                probe.run {
                    $0.namespaces = [.time]
                    $0.timeOffsets = [.timeOffset(.monotonic, seconds: 60, nanoseconds: 0)]
                }, fix: "a kernel with CONFIG_TIME_NS"))
        findings.append(ordinaryUsers)
        findings.append(idRanges)
        return findings
    }

    private var userNamespace: DoctorFinding {
        finding(
            .namespaces, "user", probe.run { $0.user = true },
            detail: machine.rootless == nil ? "65536 ids of its own" : "the own id",
            fix: machine.userNamespaceObstacle.map { "\($0): change that as root" }
                ?? "kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, kernel.apparmor_restrict_unprivileged_userns=0",
            essential: true)
    }

    /// Root asks the same question as nobody: the launcher, without any power, makes a rootless task.
    private var ordinaryUsers: DoctorFinding {
        let fix = "sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000; only rootless use needs it"
        guard machine.rootless == nil else {
            return finding(
                .namespaces, "user, twice nested", probe.run { $0.namespaces = [.mount, .pid] },
                detail: "mounts belong to another one than the task's", fix: fix, essential: true)
        }
        let nobody: UInt32 = 65_534
        let inner = probe.scratch.path + "/nobody"
        guard mkdir(inner, 0o700) == 0, chown(inner, nobody, nobody) == 0, chmod(probe.scratch.path, 0o755) == 0 else {
            return DoctorFinding(.namespaces, "user, by ordinary users", .limited, "not tried: \(inner) cannot be made")
        }
        var innerMachine = machine
        innerMachine.rootless = Machine.Rootless(uid: nobody, gid: nobody)
        var innerPlan = Probe(launcher: probe.launcher, machine: innerMachine, scratch: probe.scratch).plan(
            Probe.Steps(namespaces: [.mount, .pid]))
        innerPlan.operations[1] = .log(path: inner + "/log", maximumBytes: 65_536)
        let path = probe.scratch.path + "/nobody.plan"
        guard SmallFile.create(path, innerPlan.encoded(), mode: 0o644) else {
            return DoctorFinding(.namespaces, "user, by ordinary users", .limited, "not tried: \(path) cannot be written")
        }
        let words = [probe.launcher.path, "supervise", "--foreground", "--plan", path, "--state-dir", inner]
        let outer = LaunchPlan(
            operations: [
                .id("probe"), .log(path: probe.scratch.path + "/log", maximumBytes: 65_536),
                .user(uid: nobody, gid: nobody, groups: []),
                .noNewPrivileges,
            ] + words.map { .argument($0) })
        guard probe.run(outer).works, let record = probe.record(inner) else {
            return DoctorFinding(
                .namespaces, "user, by ordinary users", .limited, "not tried: nobody may not execute \(probe.launcher.path)",
                fix: "install it where everybody may read")
        }
        return finding(.namespaces, "user, by ordinary users", Probe.outcome(record), fix: fix, otherwise: .limited)
    }

    private var idRanges: DoctorFinding {
        guard let rootless = machine.rootless else {
            return DoctorFinding(.namespaces, "id ranges", .works, "any: a private range for each task")
        }
        let fix = "apt-get install uidmap; usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"
        guard let ranges = rootless.ranges else {
            let missing =
                SubordinateIDs.program("newuidmap") == nil
                ? "no newuidmap" : "/etc/subuid or /etc/subgid grants uid \(rootless.uid) nothing"
            return DoctorFinding(.namespaces, "id ranges", .limited, "\(missing): tasks have one id", fix: fix)
        }
        var steps = Probe.Steps()
        steps.user = true
        var plan = probe.plan(steps)
        plan.operations = plan.operations.flatMap { operation -> [LaunchOperation] in
            switch operation {
            case .uidMap: [operation, .uidMap(inside: 1, host: ranges.uidStart, count: ranges.uidCount)]
            case .gidMap: [operation, .gidMap(inside: 1, host: ranges.gidStart, count: ranges.gidCount)]
            case .rootless: [.rootless(.helpers(newuidmap: ranges.newuidmap, newgidmap: ranges.newgidmap))]
            default: [operation]
            }
        }
        return finding(
            .namespaces, "id ranges", probe.run(plan), detail: "\(ranges.uidCount) from \(ranges.uidStart) (/etc/subuid)",
            fix: fix,
            otherwise: .limited)
    }
}
