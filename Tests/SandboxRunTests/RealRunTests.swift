// What a command in a sandbox can see, do and use up; on this kernel, as root's task and as an ordinary user's.

import Glibc
import JSON
import SandboxPolicy
import Testing

@testable import SandboxRun

@Suite("swiftlet run on this kernel", .enabled(if: RealRun.canRun))
struct RealRunTests {
    /// Every promise that does not depend on who asks.
    static let machines: [@Sendable () -> Machine] = [{ RealRun.machine() }, { RealRun.userMachine() }]

    @Test("the exit status is the command's, or says why there was none", arguments: machines.indices)
    func statuses(kind: Int) throws {
        func status(_ words: String...) throws -> Int32 {
            try RealRun(words, machine: Self.machines[kind](), withRecord: false).status
        }
        #expect(try status("true") == 0)
        #expect(try status("sh", "-c", "exit 7") == 7)
        #expect(try status("sh", "-c", "kill -9 $$") == 137)
        #expect(try status("nonesuch") == RunExit.notFound)
        #expect(try status("/etc/hostname") == RunExit.notExecutable)
        #expect(try status("--bind", "/nowhere/at/all:/x", "true") == RunExit.failure)
    }

    @Test("what cannot be started says the stage on standard error")
    func complaint() throws {
        let run = try RealRun(["--bind", "/nowhere/at/all:/x", "true"], withRecord: false)
        #expect(run.errors.contains("/nowhere/at/all") && run.errors.contains("No such file"))
    }

    @Test("a task that only thrashes at its memory limit is ended when that was asked for, and the report names the limit")
    func thrashing() throws {
        let scratch = try ScratchDirectory("swiftlet-run-test")
        let data = scratch.path + "/data"
        let report = scratch.path + "/report"
        let made = mkdir(data, 0o755)
        try #require(made == 0)
        chmod(scratch.path, 0o755)
        chmod(data, 0o777)
        let script = """
            head -c 100m /dev/zero > /data/file; sync
            exec python3 -c 'import mmap, random, os
            f = os.open("/data/file", os.O_RDONLY); m = mmap.mmap(f, 0, prot=mmap.PROT_READ); m.madvise(mmap.MADV_RANDOM); n = len(m) >> 12
            while True: m[random.randrange(n) << 12]'
            """
        let words = [
            "--memory", "40Mi", "--thrash-limit", "2s", "--time-limit", "2m", "--bind", "\(data):/data:rw", "--json=\(report)",
            "--", "sh", "-c", script,
        ]
        guard case .run(let options) = try RunOptions.parse(words) else {
            throw RunFailure(field: "", found: "help", expected: "options")
        }
        let plan = try RunPlan(options, machine: RealRun.machine(), resources: .machine)
        let code = try RunTask(plan, launcher: Launcher(path: RealRun.launcher(in: scratch.path))).run()
        for number in [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2] { signal(number, SIG_DFL) }
        let told = try JSONValue(parsing: #require(SmallFile.readBytes(report)))
        #expect(code == 143 || code == 137)
        #expect(told["reason"]?.stringValue == "MemoryThrashing", "\(told)")
        #expect(told["message"]?.stringValue?.contains("memory limit of 41943040 bytes") == true, "\(told)")
    }

    @Test("standard input, output and error are the caller's", arguments: machines.indices)
    func streams(kind: Int) throws {
        let run = try RealRun(["sh", "-c", "tr a-z A-Z; echo oops >&2"], machine: Self.machines[kind](), input: "abc\n")
        #expect(run.output == "ABC\n")
        #expect(run.errors == "oops\n")
    }

    @Test(
        "inside: no capability, no new privileges, a filter, no descriptor, own host name, loopback alone",
        arguments: machines.indices)
    func inside(kind: Int) throws {
        let script = """
            grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'
            ls /proc/self/fd | wc -l; hostname; tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; ls /root /home 2>/dev/null | wc -l
            for d in /usr /etc; do touch $d/x 2>&1 | sed 's/.*: //'; done; touch /tmp/x /dev/shm/x && echo scratch
            """
        let run = try RealRun(["--hostname", "box", "sh", "-c", script], machine: Self.machines[kind]())
        let none = String(repeating: "0", count: 16)
        #expect(
            run.lines == ["Inh", "Prm", "Eff", "Bnd", "Amb"].map { "Cap\($0):\(none)" } + [
                // ls itself holds its directory: 0, 1, 2 and that one.
                "NoNewPrivs:1", "Seccomp:2", "4", "box", "lo", "0", "Read-only file system", "Read-only file system", "scratch",
            ], "\(run.errors)")
    }

    @Test(
        "nothing mounted can be taken away, not even with a user namespace more and without a filter", arguments: machines.indices
    )
    func mountsStay(kind: Int) throws {
        let script = """
            umount /proc/kcore 2>/dev/null && echo bare; umount /proc 2>/dev/null && echo proc
            unshare -Urm --propagation unchanged sh -c '
                grep -q "CapEff:.*[1-9a-f]" /proc/self/status && echo power
                for at in /proc/kcore /proc/sys; do umount $at && echo $at; done
                for how in remount,rw remount,rw,bind; do mount -o $how /usr && echo $how; done' 2>/dev/null
            echo x 2>/dev/null >/proc/sys/kernel/hostname && echo sysctl; test -s /proc/kcore && echo kcore; echo done
            """
        // Not root: a task without capabilities may map any id but that one into a user namespace of its own.
        let run = try RealRun(["--seccomp", "unconfined", "--user", "1000:1000", "sh", "-c", script], machine: Self.machines[kind]())
        #expect(run.lines == ["power", "done"], "\(run.errors)")
    }

    @Test("no process survives its task, whatever it did", arguments: machines.indices)
    func wholeTree(kind: Int) throws {
        let marker = "98\(getpid())\(kind)"
        let run = try RealRun(
            ["sh", "-c", "trap '' TERM HUP; (setsid sleep \(marker) &) ; sleep \(marker) & exit 3"],
            machine: Self.machines[kind]())
        #expect(run.status == 3)
        #expect(Self.commandLines().allSatisfy { !$0.contains(marker) })
    }

    @Test("a task over its memory is ended, and the report says so")
    func memory() throws {
        let run = try RealRun(["-m", "24Mi", "--tmp-size", "64Mi", "sh", "-c", "head -c 60000000 /dev/zero >/tmp/x"])
        let report = RunReport(record: run.record, exitCode: run.status, unenforced: []).value
        #expect(report["oomKilled"]?.boolValue == true)
        #expect(report["reason"]?.stringValue == "OOMKilled")
        #expect(report["memoryPeakBytes"]?.intValue ?? 0 > 20 << 20)
        let groups = run.plan.spec.madeCgroups.map(\.path)
        #expect(!groups.isEmpty && groups.allSatisfy { !RunPath.exists($0) }, "groups go with their task")
    }

    @Test("a task has no more processes than it may, with cgroups and without", arguments: machines.indices)
    func processes(kind: Int) throws {
        let script = "i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done; ls -d /proc/[0-9]* | wc -l"
        let run = try RealRun(["--pids", "12", "sh", "-c", script], machine: Self.machines[kind]())
        #expect(run.errors.contains("fork"), "\(run.output)")
    }

    @Test("a time limit ends the task, and is the reason")
    func timeLimit() throws {
        let run = try RealRun([
            "--time-limit", "200ms", "--grace", "100ms", "sh", "-c", "trap '' TERM; while :; do sleep 1; done",
        ])
        #expect(run.status == 137)
        let report = RunReport(record: run.record, exitCode: run.status, unenforced: []).value
        #expect(report["reason"]?.stringValue == "DeadlineExceeded")
        #expect(report["wallNanoseconds"]?.intValue ?? .max < 20_000_000_000)
    }

    @Test("rlimits, umask, niceness, environment and working directory are as asked for")
    func process() throws {
        let run = try RealRun(
            [
                "--rlimit", "nofile=77:88", "--umask", "027", "--nice", "3", "--env", "A=b c", "-w", "/usr", "sh", "-c",
                "ulimit -n; ulimit -Hn; umask; nice; echo $A; pwd; env | cut -d= -f1 | sort | tr '\\n' ' '",
            ])
        #expect(Array(run.lines.prefix(6)) == ["77", "88", "0027", "3", "b c", "/usr"])
        #expect(!(run.lines.last ?? "").contains("SWIFTLET"))
    }

    @Test("binds are read-only unless they say otherwise, and what is written belongs to the host's root")
    func binds() throws {
        let shared = try ScratchDirectory("swiftlet-run-bind")
        chmod(shared.path, 0o755)
        let script = "touch /ro/x 2>/dev/null || echo refused; echo hi >/rw/made"
        let run = try RealRun(["--bind", "\(shared.path):/ro", "--bind", "\(shared.path):/rw:rw", "sh", "-c", script])
        #expect(run.lines == ["refused"])
        var info = stat()
        #expect(stat(shared.path + "/made", &info) == 0 && info.st_uid == 0)
    }

    @Test("an ordinary user's own files are writable through a bind, and stay his")
    func userBinds() throws {
        let shared = try ScratchDirectory("swiftlet-run-bind")
        chown(shared.path, RealRun.uid, RealRun.uid)
        let run = try RealRun(
            ["--bind", "\(shared.path):/data:rw", "sh", "-c", "echo hi >/data/made"], machine: RealRun.userMachine())
        #expect(run.status == 0, "\(run.errors)")
        var info = stat()
        #expect(stat(shared.path + "/made", &info) == 0 && info.st_uid == RealRun.uid)
    }

    @Test("a report has times, usage and what was not enforced")
    func report() throws {
        let run = try RealRun(["--allow-unenforced", "-m", "64Mi", "sh", "-c", "exit 4"], machine: RealRun.userMachine())
        let report = RunReport(record: run.record, exitCode: run.status, unenforced: run.plan.unenforced).value
        #expect(report["exitCode"]?.intValue == 4)
        #expect(report["signal"] == .null)
        #expect(report["started"]?.boolValue == true)
        #expect(report["reason"]?.stringValue == "Error")
        #expect(report["unenforced"]?[0]?["option"]?.stringValue == "--memory")
        #expect(report["wallNanoseconds"]?.intValue ?? 0 > 0)
        #expect(report["cpuNanoseconds"]?.intValue ?? 0 > 0)
    }

    @Test("refused system calls stand in the report by name", arguments: machines.indices)
    func denials(kind: Int) throws {
        let run = try RealRun(
            ["--json=/dev/null", "sh", "-c", "unshare -U true; unshare -U true; true"], machine: Self.machines[kind]())
        let report = RunReport(record: run.record, exitCode: run.status, unenforced: []).value
        #expect(report["deniedSystemCalls"]?["unshare"]?.intValue == 2)
    }

    @Test("a learnt profile permits the same run again, and not what was not in it", arguments: machines.indices)
    func learning(kind: Int) throws {
        let scratch = try ScratchDirectory("swiftlet-run-learn")
        chmod(scratch.path, 0o777)
        let profile = scratch.path + "/profile.json"
        let command = ["sh", "-c", "ls / >/dev/null; echo done"]
        let lesson = try RealRun(["--seccomp-learn", profile] + command, machine: Self.machines[kind]())
        #expect(lesson.lines == ["done"])
        try RunLesson.write(profile, of: command)
        #expect(try RealRun(["--seccomp", profile] + command, machine: Self.machines[kind]()).lines == ["done"])
        let other = try RealRun(["--seccomp", profile, "sh", "-c", "sleep 0.01 && echo slept"], machine: Self.machines[kind]())
        #expect(other.lines == [])
    }

    @Test("in the host's network only the ports that were named can be bound", .enabled(if: LandlockKernel.abi >= 4))
    func ports() throws {
        let free = try Self.freePort()
        let script = """
            import socket
            for port in (\(free), \(free) + 1):
                try:
                    socket.socket().bind(('127.0.0.1', port)); print('bound')
                except PermissionError:
                    print('refused')
            """
        let run = try RealRun(["--network", "host", "--port", "\(free)", "python3", "-c", script])
        #expect(run.lines == ["bound", "refused"], "\(run.errors)")
    }

    @Test("Landlock closes what its rules do not name", .enabled(if: LandlockKernel.abi >= 1), arguments: machines.indices)
    func landlock(kind: Int) throws {
        let rules = ["/usr", "/bin", "/lib", "/lib64"].filter(RunPath.exists).flatMap { ["--landlock-exec", $0] }
        let run = try RealRun(
            rules + [
                "--landlock-ro", "/etc/hostname", "sh", "-c", "cat /etc/hostname; cat /etc/passwd || touch /tmp/x || echo closed",
            ], machine: Self.machines[kind]())
        #expect(run.lines == ["sandbox", "closed"])
    }

    /// A port that nobody listened on a moment ago, with its neighbour inside the range.
    private static func freePort() throws -> Int {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && getsockname(socket, $0, &length) == 0
            }
        }
        try #require(bound)
        return Int(UInt16(bigEndian: address.sin_port))
    }

    @Test("the doctor finds that sandboxes can be made here, with a reason and a fix for what is not")
    func doctor() throws {
        let report = try Doctor.examine(launcher: Launcher(path: RunPath.absolute(RealRun.built)), directory: "/tmp")
        #expect(report.isHealthy, "\(report.text)")
        for finding in report.findings where finding.state != .works {
            #expect(!finding.detail.isEmpty && !finding.fix.isEmpty, "\(finding.feature)")
        }
        let parsed = try JSONValue(parsing: report.json)
        #expect(parsed["features"]?.arrayValue?.count == report.findings.count)
    }

    private static func commandLines() -> [String] {
        guard let directory = opendir("/proc") else { return [] }
        defer { closedir(directory) }
        var lines: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if let pid = Int32(name), let text = SmallFile.read("/proc/\(pid)/cmdline") { lines.append(text) }
        }
        return lines
    }
}
