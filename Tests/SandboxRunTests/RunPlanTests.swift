// From options and a machine to the plan, without root: golden files, and what is refused before anything is made.

import Cgroups
import Glibc
import SandboxPolicy
import Testing

@testable import SandboxRun

enum Machines {
    static let version1 = CgroupHost(
        hierarchies: [
            .memory: .init(version: 1, path: "/cg/memory"), .cpu: .init(version: 1, path: "/cg/cpu"),
            .cpuacct: .init(version: 1, path: "/cg/cpuacct"), .pids: .init(version: 1, path: "/cg/pids"),
        ], features: [.swap])
    static let version2 = CgroupHost(
        hierarchies: [
            .memory: .init(version: 2, path: "/cg"), .cpu: .init(version: 2, path: "/cg"), .pids: .init(version: 2, path: "/cg"),
            .io: .init(version: 2, path: "/cg"), .cpuset: .init(version: 2, path: "/cg"),
        ], unified: "/cg", features: Set(CgroupFeature.allCases))
    static let none = CgroupHost(hierarchies: [:])

    static func root(_ cgroups: CgroupHost = version1) -> Machine {
        Machine(
            rootless: nil, processID: 42, cgroups: cgroups, landlockABI: 7, nameservers: ["10.0.0.53"],
            environment: ["LANG": "C", "SECRET": "1"])
    }

    static func user(_ ranges: Machine.Rootless.Ranges? = nil, cgroups: CgroupHost = none) -> Machine {
        var machine = Machine(
            rootless: .init(uid: 1500, gid: 1600, ranges: ranges), processID: 42, cgroups: cgroups, landlockABI: 7,
            resourceCeilings: ["nofile": 20_000, "nproc": 4096], mayRaiseLimits: false, oomScoreMinimum: 0, niceMinimum: 0,
            environment: [:])
        if cgroups.layout == .none {
            machine.cgroupReason = "no cgroup is delegated to uid 1500"
            machine.cgroupFix = "delegate one"
        }
        return machine
    }

    static let ranges = Machine.Rootless.Ranges(
        uidStart: 100_000, uidCount: 65_536, gidStart: 200_000, gidCount: 65_536, newuidmap: "/usr/bin/newuidmap",
        newgidmap: "/usr/bin/newgidmap")
    static let resources = RunResources(blockDevice: { $0.hasPrefix("/dev/") ? (254, 16) : nil }, read: { _ in nil })
}

@Suite("Plans of swiftlet run")
struct RunPlanTests {
    static func plan(_ machine: Machine, _ words: String...) throws -> RunPlan { try plan(machine, words) }

    static func plan(_ machine: Machine, _ words: [String]) throws -> RunPlan {
        guard case .run(let options) = try RunOptions.parse(words) else {
            throw RunFailure(field: "", found: "help", expected: "options")
        }
        return try RunPlan(options, machine: machine, resources: Machines.resources)
    }

    /// The host view, the devices and /proc are SandboxPolicy's golden files; here they would only repeat.
    static func text(_ plan: RunPlan) -> String {
        plan.launch.text.split(separator: "\n").filter { line in
            !line.hasPrefix("device ") && !line.hasPrefix("mask ") && !line.hasPrefix("readonly ") && !line.hasPrefix("seccomp ")
                && !line.hasPrefix("bind /etc/") && !line.hasPrefix("file /etc/") && !line.hasPrefix("symlink /proc")
        }.joined(separator: "\n") + "\n"
    }

    @Test(
        "plans are as written down",
        arguments: [
            ("default", Machines.root(), ["true"]),
            (
                "limits-v1", Machines.root(),
                ["-m", "64Mi", "--swap", "32Mi", "--cpus", "1.5", "--pids", "20", "--rlimit", "nofile=100", "true"]
            ),
            (
                "limits-v2", Machines.root(Machines.version2),
                [
                    "-m", "64Mi", "--cpus=0.5", "--cpuset", "0-1", "--io-read-bps", "/dev/vda:1Mi", "--io-write-iops",
                    "/dev/vda:50", "true",
                ]
            ),
            ("rootless", Machines.user(), ["--user", "33:34", "true"]),
            ("rootless-ranges", Machines.user(Machines.ranges), ["--user", "1000:1000", "true"]),
            ("rootless-delegated", Machines.user(cgroups: Machines.version2), ["-m", "64Mi", "true"]),
            ("network-host", Machines.root(), ["--network", "host", "--port", "8080", "--connect-port", "443", "true"]),
            (
                "everything", Machines.root(),
                [
                    "--rootfs", "/nowhere/image", "--rw-rootfs", "--bind", "/nowhere/data:/data:rw", "--tmpfs", "/scratch:1Mi",
                    "--workdir", "/data",
                    "--cap-add", "net_bind_service", "--hostname", "box", "--sysctl", "kernel.shmmax=65536", "--time-offset",
                    "1h", "--env", "A=b c",
                    "--umask", "077", "--nice", "5", "--oom-score-adj", "500", "--time-limit", "30s", "--grace", "1s", "--log",
                    "/nowhere/log", "--name",
                    "job-1", "--seccomp", "unconfined", "--uid-map", "0:100000:1000", "--gid-map", "0:100000:1000", "true",
                ]
            ),
        ])
    func golden(name: String, machine: Machine, words: [String]) throws {
        try Golden.expect(Self.text(Self.plan(machine, words)), name)
    }

    @Test("what --explain shows is the plan that would run, line by line")
    func explanation() throws {
        let plan = try Self.plan(Machines.root(), "-m", "64Mi", "sh", "-c", "a b")
        let explanation = RunExplanation(plan)
        let lines = plan.launch.text.split(separator: "\n").dropFirst().dropLast()  // without the head and `end`
        #expect(explanation.text.split(separator: "\n").count == lines.count + 2)
        #expect(explanation.text.contains("a b"))
        #expect(explanation.json.contains("\"operation\": \"cgroup-make\""))
        #expect(plan.launch == plan.spec.withPlan)
    }

    @Test(
        "a wish that the machine cannot fulfil is refused with its option",
        arguments: [
            (Machines.user(), ["-m", "64Mi", "true"], "--memory"), (Machines.user(), ["--cpus", "1", "true"], "--cpus"),
            (Machines.root(), ["--io-weight", "50", "true"], "--io-weight"),
            (Machines.root(), ["--io-read-bps", "/proc:1Mi", "true"], "--io-read-bps"),
            (Machines.user(), ["--rlimit", "nofile=30000", "true"], "--rlimit nofile"),
            (Machines.user(), ["--nice", "-5", "true"], "--nice"),
            (Machines.user(), ["--oom-score-adj", "-5", "true"], "--oom-score-adj"),
            (Machines.user(Machines.ranges), ["--user", "70000", "true"], "--user"),
            (Machines.root(), ["--user", "70000", "true"], "--user"),
            (Machines.root(), ["--uid-map", "0:0:1", "--gid-map", "0:1:1", "true"], "--uid-map"),
            (Machines.root(), ["--uid-map", "0:5:1", "true"], "--gid-map"),
            (Machines.root(), ["--port", "80", "true"], "--port"),
            (Machines.root(), ["--seccomp", "Nonesuch", "true"], "--seccomp"),
            (Machines.root(), ["--seccomp", "/nowhere.json", "true"], "--seccomp"),
            (Machines.root(), ["--hostname", "a b", "true"], "--hostname"),
            (Machines.root(), ["--name", "../x", "true"], "--name"),
            (Machines.root(), ["--bind", "/usr:/proc/x", "true"], "--bind"), (Machines.root(), ["--json=1", "true"], "--json"),
        ])
    func refused(machine: Machine, words: [String], field: String) throws {
        #expect { try Self.plan(machine, words) } throws: { error in
            guard let failure = error as? RunFailure else { return false }
            return failure.field.hasPrefix(field)
        }
    }

    @Test("what is not enforced runs with --allow-unenforced, and is named")
    func unenforced() throws {
        let plan = try Self.plan(Machines.user(), "--allow-unenforced", "-m", "64Mi", "--pids", "9", "true")
        #expect(plan.unenforced.map(\.option).sorted() == ["--memory", "--pids"])
        #expect(plan.launch.operations.contains(.resourceLimit(name: "nproc", soft: 9, hard: 9)))
    }

    @Test("processes are always bounded: by the controller, else by rlimit nproc in the task's user namespace")
    func processes() throws {
        let controlled = try Self.plan(Machines.root(), "true").launch.text
        #expect(controlled.contains("pids.max 1024") && !controlled.contains("rlimit nproc"))
        #expect(try Self.plan(Machines.user(), "true").launch.text.contains("rlimit nproc 1024 1024"))
    }

    @Test("the caller's environment stays outside, unless asked for")
    func environment() throws {
        #expect(!(try Self.plan(Machines.root(), "true").launch.text.contains("SECRET")))
        #expect(try Self.plan(Machines.root(), "--env", "SECRET", "true").launch.text.contains("env SECRET=1"))
        let last = try Self.plan(Machines.root(), "--env", "A=1", "--env", "A=2", "true").launch.text
        #expect(last.contains("env A=2") && !last.contains("env A=1"))
    }

    @Test("two runs of one moment have different ids on the host")
    func ranges() throws {
        var other = Machines.root()
        other.processID = 43
        let starts = [try Self.plan(Machines.root(), "true"), try Self.plan(other, "true")].map(\.spec.idRangeStart)
        #expect(starts[0] != starts[1])
    }
}

extension SandboxSpec {
    var withPlan: LaunchPlan? { try? plan() }
}

enum Golden {
    static var directory: String {
        "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/") + "/Golden/SandboxRun"
    }

    /// SWIFTLET_RECORD_GOLDEN=1 writes the files anew.
    static func expect(_ text: String, _ name: String) throws {
        let path = "\(directory)/\(name).plan"
        if getenv("SWIFTLET_RECORD_GOLDEN") != nil {
            mkdir(directory, 0o755)
            try #require(SmallFile.create(path, Array(text.utf8), mode: 0o644))
        }
        #expect(text == SmallFile.read(path), "differs from \(path)")
    }
}
