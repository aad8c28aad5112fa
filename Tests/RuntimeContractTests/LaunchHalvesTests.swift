// A launch has two halves that run beside each other: the supervisor makes the task's groups while its init builds the root, and joins.

import Cgroups
import Glibc
import SandboxPolicy
import Testing

@Suite("The two halves of a launch", .enabled(if: Machine.canRun))
struct LaunchHalvesTests {
    /// The groups that a plan makes, as the agent's do.
    private struct Groups {
        let name = "swiftlet-halves-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        let plan: CgroupPlan

        init(_ limits: CgroupLimits) { plan = Machine.cgroups.plan([CgroupLevel(name, limits)]) }

        var operations: [LaunchOperation] {
            // What is made last is joined first: whoever does not wait for its settings meets it without.
            plan.makingOperations + plan.joiningOperations.reversed() + plan.removingOperations
        }

        /// What stays, if it stays: groups go behind the answer.
        func left() -> [String] {
            let there = { plan.removals.filter { access($0, F_OK) == 0 } }
            for _ in 0..<3000 where !there().isEmpty { usleep(10_000) }  // until the supervisor has cleared up
            return there()
        }
    }

    /// Both ways into a launch: a waiting init, and one that is cloned when the plan comes.
    private func inBothWays(_ body: (OperationLab, (LaunchPlan, String) throws -> (start: String, state: String)) throws -> Void) throws {
        try withOperationLab { lab in
            let server = try ResidentServer(lab.directory)  // with spares left, so that a launch is alone
            defer { try? server.kill() }
            try body(lab) { plan, name in
                let directory = lab.make(name)
                let answers = try server.run(plan.text, directory)
                return (answers.start, Lab.text("\(directory)/state.json"))
            }
        }
        try withOperationLab { lab in
            try body(lab) { plan, _ in ("", try lab.run(plan).state) }
        }
    }

    @Test("a limit that the kernel refuses once init has joined fails the start, and neither init nor a group is left")
    func refusedLimit() throws {
        try inBothWays { lab, launch in
            for round in 0..<3 {
                let groups = Groups(CgroupLimits(memoryBytes: 64 << 20, pids: 20))
                var jail = ResidentLauncherTests.jail
                var operations = groups.operations
                let index = try #require(operations.lastIndex { if case .setCgroup = $0 { true } else { false } })
                let last = groups.plan.operations.last { if case .set = $0 { true } else { false } }
                guard case .set(let path, let file, _) = last else { preconditionFailure("no limit is set") }
                operations.insert(.setCgroup(path: path, file: file, value: "nonsense"), at: index + 1)
                jail.supervision = operations
                let (start, state) = try launch(lab.plan(jail, "exit 7"), "refused\(round)")
                #expect(start.isEmpty || start.hasPrefix("failed 22 cgroup(set \(path)/\(file) nonsense)"), "\(start)")
                #expect(state.contains("\"phase\":\"failed\"") && state.contains("cgroup(set \(path)/\(file) nonsense)"), "\(state)")
                #expect(groups.left().isEmpty)
            }
        }
    }

    @Test(
        "a task that was held back at its quota says so, and one that was over at once says that it was not",
        .enabled(if: Machine.cgroups.unenforceable(CgroupLimits(cpuMillis: 10)).isEmpty))
    func heldBack() throws {
        try inBothWays { lab, launch in
            for (script, isHeldBack) in [("i=0; while [ $i -lt 8000 ]; do i=$((i+1)); done", true), ("exit 0", false)] {
                let groups = Groups(CgroupLimits(memoryBytes: 64 << 20, cpuMillis: isHeldBack ? 10 : 2000, pids: 20))
                var jail = ResidentLauncherTests.jail
                jail.supervision = groups.operations
                let (_, state) = try launch(lab.plan(jail, script), "held-\(isHeldBack)")
                #expect(state.contains("\"exitCode\":0") && state.contains("\"oomKills\":0"), "\(state)")
                #expect(state.contains("\"throttledPeriods\":0,") != isHeldBack, "\(state)")
                #expect(groups.left().isEmpty)
            }
        }
    }

    @Test("limits hold from the program's first instruction on, and a group without processors of its own gets them before it is joined")
    func limitsFirst() throws {
        var limits = CgroupLimits(memoryBytes: 64 << 20, pids: 3)
        let first = try #require(Self.processors(of: "self").split { $0 == "," || $0 == "-" }.first.map(String.init))
        limits.cpusetCPUs = first
        if Machine.cgroups.layout == .version2 || !Machine.cgroups.unenforceable(limits).isEmpty { limits.cpusetCPUs = nil }
        try inBothWays { lab, launch in
            for round in 0..<6 {
                let groups = Groups(limits)
                var jail = ResidentLauncherTests.jail
                jail.supervision = Self.slowed(groups.operations)
                // With init and the shell the third process is the last one.
                let script = """
                    (/bin/true | /bin/true | /bin/true) 2> /dev/null && exit 1
                    while read key value; do
                    test "$key" = Cpus_allowed_list: && test "$value" = '\(limits.cpusetCPUs ?? "")' && exit 7
                    done < /proc/self/status; exit \(limits.cpusetCPUs == nil ? 7 : 2)
                    """
                let (_, state) = try launch(lab.plan(jail, script), "limits\(round)")
                #expect(state.contains("\"exitCode\":7"), "\(round): \(state)")
                #expect(groups.left().isEmpty)
            }
        }
    }

    @Test("a group that is bound into the root is there by then, with its limits")
    func boundGroup() throws {
        try inBothWays { lab, launch in
            let image = lab.makeImage("image")
            lab.make("image/mnt")
            for round in 0..<6 {
                let groups = Groups(CgroupLimits(memoryBytes: 64 << 20))
                // On v1 that of the memory controller.
                let own = try #require(groups.plan.joins.first { $0.version == 2 || $0.controller == "memory" }?.path)
                var jail = ResidentLauncherTests.jail
                jail.supervision = Self.slowed(groups.operations)
                jail.root = [
                    .rootBind(source: image, at: lab.place, flags: [.noSuid, .noDev]),
                    .bind(source: own, path: "/mnt", flags: [.readOnly, .noSuid, .noDev, .noExec]),
                ]
                let script = "limit=$(cat /mnt/memory.max /mnt/memory.limit_in_bytes 2> /dev/null); test \"$limit\" = \(64 << 20) && exit 7"
                let (start, state) = try launch(lab.plan(jail, script), "bound\(round)")
                #expect(state.contains("\"exitCode\":7"), "\(round): \(start) \(state)")
                #expect(groups.left().isEmpty)
            }
        }
    }

    @Test("a group that was there before gets every setting, also those that a new one has by itself")
    func formerGroup() throws {
        try inBothWays { lab, launch in
            for isNew in [true, false] {
                let groups = Groups(CgroupLimits(cpuMillis: 500))
                let files = groups.plan.operations.compactMap { operation -> (path: String, value: String)? in
                    guard case .set(let directory, let file, let value) = operation, file.hasPrefix("cpu.") else { return nil }
                    return ("\(directory)/\(file)", value)
                }
                try #require(!files.isEmpty)
                defer { groups.plan.removals.forEach { rmdir($0) } }
                if !isNew {
                    try Cgroup.apply(groups.plan)
                    for file in files { try Self.overwrite(file.path, file.path.hasSuffix("cpu.max") ? "max 50000" : "50000") }
                }
                var jail = ResidentLauncherTests.jail
                jail.supervision = groups.plan.makingOperations + groups.plan.joiningOperations  // nobody removes them
                let (_, state) = try launch(lab.plan(jail, "exit 7"), "former\(isNew)")
                #expect(state.contains("\"exitCode\":7"), "\(state)")
                for file in files { #expect(Lab.text(file.path) == file.value + "\n", "\(isNew): \(file.path)") }
            }
        }
    }

    @Test("program and init may run on the processors of their launcher: all of them, or the one that it is kept to")
    func processors() throws {
        let all = Self.processors(of: "self")
        let one = try #require(all.split { $0 == "," || $0 == "-" }.first.map(String.init))
        for (wanted, prelude) in [(all, []), (one, ["/usr/bin/taskset", "-c", one])] {
            try withOperationLab { lab in
                try lab.withServer(prelude: prelude) { server in
                    for round in 0..<4 {
                        let groups = Groups(CgroupLimits(pids: 20))
                        var jail = ResidentLauncherTests.jail
                        jail.supervision = groups.operations
                        let script = "\(round % 2 == 0 ? "" : "sleep 0.05;") grep -h '^Cpus_allowed_list:' /proc/self/status /proc/1/status"
                        unlink("\(lab.directory)/log")
                        let answers = try server.run(lab.plan(jail, script).text, lab.make("task\(round)"))
                        #expect(answers.end == "ended 0 0\n")
                        #expect(lab.lines.map { $0.split(separator: "\t").last.map(String.init) } == [wanted, wanted], "\(lab.lines)")
                    }
                }
            }
        }
    }

    /// With the limit of processes, and those of processors, behind long rows of other settings: the supervisor is the slower half.
    private static func slowed(_ operations: [LaunchOperation]) -> [LaunchOperation] {
        operations.flatMap { operation -> [LaunchOperation] in
            guard case .setCgroup(let path, let file, _) = operation else { return [operation] }
            let other: LaunchOperation? =
                switch file {
                case "pids.max": .setCgroup(path: path, file: file, value: "max")
                case "cpuset.cpus": .setCgroup(path: path, file: "notify_on_release", value: "0")
                default: nil
                }
            return (other.map { [LaunchOperation](repeating: $0, count: 700) } ?? []) + [operation]
        }
    }

    private static func overwrite(_ path: String, _ text: String) throws {
        let file = try #require(fopen(path, "we"))
        fputs(text, file)
        #expect(fclose(file) == 0)
    }

    private static func processors(of pid: String) -> String {
        let line = Lab.text("/proc/\(pid)/status").split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
        return line?.split(separator: "\t").last.map(String.init) ?? ""
    }
}
