// Each operation of the plan's namespaces, system and process against the kernel.

import CLinux
import Glibc
import SandboxPolicy
import Testing

@Suite("Operations: namespaces and process", .enabled(if: Machine.canRun))
struct OperationProcessTests {
    @Test("names and kernel parameters of a namespace are the task's own; the host's stay")
    func system() throws {
        try withOperationLab { lab in
            let before = Lab.text("/proc/sys/kernel/shmmax")
            var jail = Jail()
            jail.namespaces = [.namespace(.uts), .namespace(.ipc), .namespace(.net)]
            jail.system = [
                .hostname("alice"), .domainName("wonder.land"), .loopback, .sysctl(name: "kernel.shmmax", value: "12345"),
                .sysctl(name: "kernel.sem", value: "250 32000 100 7"), .sysctl(name: "net.ipv4.ip_forward", value: "1"),
                .sysctl(name: "net/ipv4/conf/lo/forwarding", value: "0"), .sysctl(name: "fs.mqueue.msg_max", value: "11"),
            ]
            let result = try lab.run(
                jail,
                "hostname; cd /proc/sys; cat kernel/domainname kernel/shmmax kernel/sem net/ipv4/ip_forward net/ipv4/conf/lo/forwarding fs/mqueue/msg_max; ping -c1 -W1 127.0.0.1 >/dev/null 2>&1; cat /sys/class/net/lo/operstate 2>/dev/null; grep -c lo: /proc/net/dev"
            )
            #expect(
                result.output.prefix(7) == ["alice", "wonder.land", "12345", "250\t32000\t100\t7", "1", "0", "11"], "\(result)")
            #expect(Lab.text("/proc/sys/kernel/shmmax") == before)
        }
    }

    @Test("a kernel parameter that is not there is named")
    func sysctlRefused() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.namespaces = [.namespace(.net)]
            jail.system = [.sysctl(name: "net.none.such", value: "1")]
            try #expect(lab.run(jail, "true").stage == "sysctl(net.none.such)")
        }
    }

    @Test("the clocks of a time namespace are offset")
    func time() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.namespaces = [
                .namespace(.time), .timeOffset(.boottime, seconds: 1_000_000, nanoseconds: 5),
                .timeOffset(.monotonic, seconds: -1, nanoseconds: 0),
            ]
            let result = try lab.run(jail, "cut -d. -f1 /proc/uptime; cat /proc/self/timens_offsets | tr -s ' '")
            let uptime = try #require(Int(result.output.first ?? ""), "\(result)")
            #expect(uptime > 1_000_000)
            #expect(Array(result.output.dropFirst()) == ["monotonic -1 0", "boottime 1000000 5"], "\(result)")
        }
    }

    @Test("existing namespaces are joined instead of made")
    func join() throws {
        try withOperationLab { lab in
            mkfifo("\(lab.directory)/end", 0o600)
            mkfifo("\(lab.directory)/ready", 0o600)
            let holder = try OperationLab.spawn(
                "/usr/bin/unshare",
                [
                    "-n", "-u", "-i", "-C", "-m", "-p", "-f", "--kill-child", "--mount-proc", "/bin/sh", "-c",
                    "hostname joined; mount -t tmpfs x /mnt; echo mine > /mnt/mine; echo > \(lab.directory)/ready; read x < \(lab.directory)/end",
                ])
            defer {
                kill(holder, SIGKILL)
                _ = try? OperationLab.status(of: holder)
            }
            let ready = clinux_open("\(lab.directory)/ready", O_RDONLY | O_CLOEXEC, 0)
            var byte: UInt8 = 0
            #expect(read(ready, &byte, 1) == 1)
            close(ready)
            let child = try #require(Lab.text("/proc/\(holder)/task/\(holder)/children").split(separator: " ").first)
            let inside = "/proc/\(child)/ns"
            let kinds: [(LaunchOperation.Namespace, String)] = [
                (.net, "net"), (.uts, "uts"), (.ipc, "ipc"), (.cgroup, "cgroup"), (.pid, "pid"), (.mount, "mnt"),
            ]
            let plan = LaunchPlan(
                operations: [.id("j"), .log(path: "\(lab.directory)/log", maximumBytes: 1 << 20)]
                    + kinds.map { .joinNamespace($0.0, path: "\(inside)/\($0.1)") } + [
                        .workingDirectory("/"), .environment("PATH=/usr/bin:/bin"), .argument("/bin/sh"), .argument("-c"),
                        .argument(
                            "hostname; cat /mnt/mine; for n in net uts ipc cgroup pid mnt; do readlink /proc/self/ns/$n; done; readlink /proc/1/ns/pid"
                        ),
                    ])
            let result = try lab.run(plan)
            func name(_ kind: String) -> String {
                var buffer = [CChar](repeating: 0, count: 64)
                readlink("\(inside)/\(kind)", &buffer, 63)
                return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            }
            #expect(result.output == ["joined", "mine"] + kinds.map { name($0.1) } + [name("pid")], "\(result)")
            let missing = LaunchPlan(
                operations: plan.operations.map { operation in
                    if case .joinNamespace(.net, _) = operation { return .joinNamespace(.net, path: "/nowhere/net") }
                    return operation
                })
            try #expect(lab.run(missing).stage == "join-namespace(net /nowhere/net)")
        }
    }

    @Test("several id ranges; a namespace has its power for the task only when it is owned")
    func ownedNamespaces() throws {
        try withOperationLab { lab in
            func result(_ kind: (LaunchOperation.Namespace) -> LaunchOperation) throws -> JailResult {
                var jail = Jail()
                jail.namespaces = [
                    .namespace(.user), kind(.net), kind(.uts), kind(.ipc), kind(.cgroup),
                    .uidMap(inside: 0, host: 0x4001_0000, count: 10),
                    .uidMap(inside: 10, host: 0x4003_0000, count: 100), .gidMap(inside: 0, host: 0x4001_0000, count: 65_536),
                    .owner(uid: 0x4001_0000, gid: 0x4001_0000),
                ]
                let two: [Capability] = [.sysAdmin, .netAdmin]
                jail.process = [
                    .enterUserNamespace, .boundingSet(two), .user(uid: 0, gid: 0, groups: []),
                    .capabilities(CapabilitySets(effective: two, permitted: two)), .noNewPrivileges,
                ]
                return try lab.run(
                    jail,
                    "hostname inside 2>/dev/null && echo named; echo 1 2>/dev/null > /proc/sys/net/ipv4/ip_forward && echo forwards; umount /proc 2>/dev/null && echo unmounted; tr -s ' ' < /proc/self/uid_map"
                )
            }
            try #expect(result { .ownedNamespace($0) }.output == ["named", "forwards", " 0 1073807360 10", " 10 1073938432 100"])
            try #expect(result { .namespace($0) }.output == [" 0 1073807360 10", " 10 1073938432 100"])
        }
    }

    @Test("limits, priorities, CPUs and execution domain")
    func process() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.process = [
                .resourceLimit(name: "nofile", soft: 100, hard: .max), .resourceLimit(name: "stack", soft: .max, hard: .max),
                .resourceLimit(name: "rttime", soft: 1000, hard: 2000), .oomScoreAdjustment(123), .umask(0o27), .nice(5),
                .ioPriority(.bestEffort, level: 6), .cpuAffinity("0"), .personality(0x0004_0000),
            ]
            let result = try lab.run(
                jail,
                "ulimit -n; ulimit -s; grep -o 'realtime timeout *[0-9]* *[0-9]*' /proc/self/limits | tr -s ' '; cat /proc/self/oom_score_adj; umask; nice; ionice; grep -o 'allowed_list:.*' /proc/self/status; cat /proc/self/personality"
            )
            #expect(
                result.output == [
                    "100", "unlimited", "realtime timeout 1000 2000", "123", "0027", "5", "best-effort: prio 6",
                    "allowed_list:\t0", "allowed_list:\t0",
                    "00040000",
                ], "\(result)")
        }
    }

    @Test(
        "scheduling policies",
        arguments: [
            (SchedulerPolicy(policy: .batch, priority: 3), "SCHED_BATCH"), (SchedulerPolicy(policy: .idle), "SCHED_IDLE"),
            (SchedulerPolicy(policy: .fifo, priority: 3, flags: [.resetOnFork]), "SCHED_FIFO|SCHED_RESET_ON_FORK"),
            (SchedulerPolicy(policy: .rr, priority: 1), "SCHED_RR"),
        ])
    func scheduler(policy: SchedulerPolicy, expected: String) throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.process = [.scheduler(policy)]
            let result = try lab.run(jail, "chrt -p $$ | head -1")
            // A control group without a realtime share refuses; the refusal has its stage.
            if [.fifo, .rr].contains(policy.policy), result.stage?.hasPrefix("scheduler(") == true { return }
            #expect(result.output.first?.hasSuffix(": \(expected)") == true, "\(result)")
        }
    }

    @Test("policy deadline takes its three times")
    func deadlineScheduler() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.process = [
                .scheduler(
                    SchedulerPolicy(
                        policy: .deadline, flags: [.resetOnFork], runtime: 1_000_000, deadline: 10_000_000, period: 10_000_000))
            ]
            let result = try lab.run(jail, "chrt -p $$")
            if result.stage == "scheduler(deadline)" { return }  // where other tasks have the processors' share already
            #expect(result.output.first?.hasSuffix(": SCHED_DEADLINE|SCHED_RESET_ON_FORK") == true, "\(result)")
            #expect(result.output.contains { $0.hasSuffix(": 1000000/10000000/10000000") }, "\(result)")
        }
    }

    @Test("the five sets of capabilities and the secure bits are as the plan says")
    func capabilities() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.process = [
                .secureBits([.noRoot, .noRootLocked, .noAmbientRaise]), .boundingSet([.netBindService, .kill, .chown]),
                .user(uid: 1000, gid: 1000, groups: [5]),
                .capabilities(
                    CapabilitySets(
                        effective: [.netBindService], permitted: [.netBindService, .kill],
                        inheritable: [.netBindService, .chown],
                        ambient: [.netBindService])), .noNewPrivileges,
            ]
            // After exec of a program without file capabilities: permitted and effective are the ambient set.
            let result = try lab.run(
                jail, "id -u; id -G; grep -E '^Cap|NoNew' /proc/self/status; capsh --print | grep -o 'Securebits: [^ ]*'")
            #expect(
                result.output == [
                    "1000", "1000 5", "CapInh:\t0000000000000401", "CapPrm:\t0000000000000400", "CapEff:\t0000000000000400",
                    "CapBnd:\t0000000000000421", "CapAmb:\t0000000000000400", "NoNewPrivs:\t1",
                    "Securebits: 0103/0x43/7'b1000011",
                ], "\(result)")
        }
    }

    @Test("no capability in any set, and secure bits alone")
    func noCapabilities() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.process = [.dropBoundingSet, .user(uid: 0, gid: 0, groups: []), .dropCapabilities, .noNewPrivileges]
            try #expect(Set(lab.run(jail, "grep ^Cap /proc/self/status | cut -f2").output) == ["0000000000000000"])
            jail.process = [.secureBits([.noSetuidFixup, .keepCapabilities])]
            // keep-caps goes at exec (capabilities(7)).
            try #expect(lab.run(jail, "capsh --print | grep -o 'Securebits: [^ ]*'").output == ["Securebits: 04/0x4/3'b100"])
        }
    }

    @Test(
        "a working directory that is none of the task's is refused",
        arguments: ["/proc/self/fd/3", "/proc/1/root", "/none", "/bin/sh", "/proc/self/cwd"])
    func workingDirectory(path: String) throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.workingDirectory = path
            try #expect(lab.run(jail, "true").stage == "cwd(\(path))")
        }
    }

    @Test("a working directory that only the task's root may enter is where its user begins, and no way to another one")
    func closedWorkingDirectory() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.files = [.makeDirectory(path: "/home1", mode: 0o700), .makeDirectory(path: "/home1/below", mode: 0o700)]
            jail.workingDirectory = "/home1"
            jail.process = [.dropBoundingSet, .user(uid: 1000, gid: 1000, groups: []), .dropCapabilities, .noNewPrivileges]
            let result = try lab.run(jail, "pwd; ls . 2>/dev/null || echo closed; cd below 2>/dev/null || echo closed")
            #expect(result.output == ["/home1", "closed", "closed"], "\(result)")
        }
    }

    @Test("a program's path cannot lead through the launcher's descriptors", arguments: [3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    func programThroughDescriptor(number: Int) throws {
        try withOperationLab { lab in
            let operations = lab.plan(Jail(), "").operations.filter { if case .argument = $0 { false } else { true } }
            let path = "/proc/self/fd/\(number)/../../../../../bin/true"
            let result = try lab.run(LaunchPlan(operations: operations + [.argument(path)]))
            #expect(result.stage == "exec(\(path))", "\(result)")
        }
    }

    @Test("nothing is open in the task but its standard descriptors, which are its own")
    func descriptors() throws {
        try withOperationLab { lab in
            let result = try lab.run(Jail(), "ls /proc/$$/fd; readlink /proc/$$/fd/0")
            #expect(result.output == ["0", "1", "2", "/dev/null"], "\(result)")
        }
    }

    @Test("preserved descriptors reach the program, no others do")
    func preserved() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.supervision = [.preserveDescriptors(2)]
            lab.write("plan", lab.plan(jail, "cat <&3; cat <&4; ls /proc/$$/fd").text)
            lab.write("three", "three\n")
            lab.write("four", "four\n")
            let script =
                "exec $0 supervise --foreground --plan \(lab.directory)/plan --state-dir \(lab.directory)/state 3<\(lab.directory)/three 4<\(lab.directory)/four 5</"
            let shell = try OperationLab.spawn("/bin/sh", ["-c", script, try #require(Machine.launcher)])
            try #expect(OperationLab.status(of: shell) == 0)
            let output = Lab.text("\(lab.directory)/log").split(separator: "\n").map {
                $0.split(separator: " ").last.map(String.init) ?? ""
            }
            #expect(output == ["three", "four", "0", "1", "2", "3", "4"])
        }
    }

    @Test("init passes signals on, but not back to the program that sent them")
    func ownSignal() throws {
        try withOperationLab { lab in
            // What came back would come within the sleep.
            let result = try lab.run(Jail(), "kill -TERM 1; sleep 0.5; echo own; (sleep 60 & kill -TERM 1; wait); echo passed on")
            #expect(result.output == ["own"], "\(result)")
        }
    }

    @Test("the program of a launcher that leaves tasks behind cannot be written to through /proc")
    func sealed() throws {
        try withOperationLab { lab in
            let socket = "\(lab.directory)/socket"
            let launcher = try OperationLab.spawn(try #require(Machine.launcher), ["serve", "--socket", socket, "--spares", "1"])
            defer {
                kill(launcher, SIGTERM)
                _ = try? OperationLab.status(of: launcher)
            }
            let deadline = clock() + 20 * CLOCKS_PER_SEC
            while access(socket, F_OK) != 0, clock() < deadline { usleep(1000) }
            // While it runs, writing is refused anyway (ETXTBSY); what counts is afterwards.
            var info = statvfs()
            #expect(statvfs("/proc/\(launcher)/exe", &info) == 0 && info.f_flag & UInt(ST_RDONLY) != 0)
        }
    }
}
