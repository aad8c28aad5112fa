// What engines and scripts that know runc 1.1 do with a runtime, and where its manners and ours must meet.

import CLinux
import Glibc
import JSON
import Testing

@testable import OCIRuntime

@Suite("As callers of runc expect", .enabled(if: Machine.canRun, "needs root, busybox-static and a built swiftlet-oci"))
struct CompatibilityTests {
    private func shell(_ script: String) -> Outcome { run("/bin/sh", ["sh", "-c", script]) }

    // MARK: Limits

    @Test(
        "update gives a container the CPUs that create was not asked for",
        .enabled(if: HostFile.isDirectory("/sys/fs/cgroup/cpuset")))
    func cpuset() throws {
        try withRunning { _, runtime, id in
            let updated = runtime.call(["update", "--cpuset-cpus", "0", id])
            #expect(updated.succeeded, "\(updated.errors)")
            #expect(HostFile.text("/sys/fs/cgroup/cpuset/\(id)/cpuset.cpus") == "0\n")
            #expect(
                runtime.call(["exec", id, "grep", "Cpus_allowed_list", "/proc/1/status", "/proc/self/status"]).lines.count == 2)
            for line in runtime.call(["exec", id, "grep", "Cpus_allowed_list", "/proc/1/status", "/proc/self/status"]).lines {
                #expect(line.hasSuffix("\t0"), "\(line)")
            }
            #expect(runtime.call(["delete", "--force", id]).succeeded)
            #expect(!HostFile.exists("/sys/fs/cgroup/cpuset/\(id)"))
        }
    }

    @Test(
        "update --memory -1 takes the limit of memory and swap together away too",
        .enabled(if: HostFile.isDirectory("/sys/fs/cgroup/memory")))
    func unlimitedMemory() throws {
        try withRunning { _, runtime, id in
            #expect(runtime.call(["update", "--memory", "128m", "--memory-swap", "128m", id]).succeeded)
            let updated = runtime.call(["update", "--memory", "-1", id])
            #expect(updated.succeeded, "\(updated.errors)")
            let stats = try JSONValue(parsing: runtime.call(["events", "--stats", id]).output)
            #expect((stats[path: "data", "memory", "usage", "limit"]?.intValue ?? .max) > 1 << 40)
        }
    }

    @Test(
        "numbers that mean nothing are refused by update",
        arguments: ["cpu-share", "cpu-period", "cpu-burst", "cpu-rt-period", "blkio-weight"].map { ["--\($0)", "-7"] } + [
            ["--blkio-weight", "70000"], ["--cpu-share", "18446744073709551616"], ["--memory", "-5"], ["--pids-limit", "x"],
        ])
    func absurdNumbers(_ words: [String]) throws {
        try withRunning { _, runtime, id in
            let outcome = runtime.call(["update"] + words + [id])
            #expect(!outcome.succeeded && outcome.errors.contains(String(words[0].dropFirst(2))), "\(outcome.errors)")
        }
    }

    @Test("events tells that the kernel killed somebody for memory")
    func outOfMemory() throws {
        let bundle = try Bundle { $0.set(["linux", "resources"], to: ["memory": ["limit": 33_554_432]]) }
        try bundle.shell("while [ ! -e /go ]; do sleep 0.05; done; dd if=/dev/zero of=/dev/null bs=200M count=1; sleep 60")
        let runtime = try Runtime.ours(bundle)
        let id = Bundle.newID()
        try #require(runtime.create(bundle, id).succeeded)
        try #require(runtime.call(["start", id]).succeeded)
        let log = "\(bundle.directory)/events"
        let pid = try #require(
            shell("\(runtime.path) --root \(runtime.root) events --interval 500ms \(id) >\(log) 2>&1 & echo $!").lines.first
                .flatMap { Int32($0) })
        #expect(eventually { HostFile.text(log)?.contains("stats") == true })
        try HostFile.replace("\(bundle.directory)/rootfs/go", with: [])
        #expect(
            eventually(seconds: 20) { HostFile.text(log)?.contains(#"{"type":"oom","id":"\#(id)"}"#) == true },
            "\(HostFile.text(log) ?? "")")
        #expect(runtime.call(["delete", "--force", id]).succeeded)
        #expect(eventually { ProcessHandle(pid: pid) == nil })
        withExtendedLifetime(bundle) {}
    }

    // MARK: Files and sockets that callers name

    @Test("a process and resources come through a pipe whose writer is slow", arguments: ["exec", "update"])
    func pipes(_ verb: String) throws {
        try withRunning { bundle, runtime, id in
            let file = "\(bundle.directory)/document"
            let isExec = verb == "exec"
            let document: JSONValue =
                isExec ? ["args": ["echo", "told"], "cwd": "/", "env": ["PATH=/bin"]] : ["pids": ["limit": 41]]
            try HostFile.replace(file, with: document.serialized())
            let words = isExec ? "exec --process /dev/stdin" : "update --resources /dev/stdin"
            let outcome = shell("(sleep 0.3; cat \(file)) | \(runtime.path) --root \(runtime.root) \(words) \(id)")
            #expect(outcome.succeeded && outcome.lines == (isExec ? ["told"] : []), "\(outcome.errors)")
        }
    }

    @Test("sockets of a service manager are the program's from 3 on, what is preserved stands behind them")
    func activation() throws {
        let bundle = try Bundle()
        let runtime = try Runtime.ours(bundle)
        for name in ["one", "two"] { try HostFile.replace("\(bundle.directory)/\(name)", with: Array("\(name)\n".utf8)) }
        try bundle.shell("echo $LISTEN_FDS $LISTEN_PID; cat <&3; cat <&4; ls /proc/self/fd | grep -c .")
        func script(_ pid: String) -> String {
            """
            exec 3<\(bundle.directory)/one 4<\(bundle.directory)/two; LISTEN_FDS=1 LISTEN_PID=\(pid) PATH=/usr/bin:/bin
            export LISTEN_FDS LISTEN_PID; 
            exec \(runtime.path) --root \(runtime.root) run --preserve-fds 1 --bundle \(bundle.directory) \(Bundle.newID())
            """
        }
        // 0, 1, 2, the two, and the directory that ls reads.
        #expect(shell(script("$$")).lines == ["1 1", "one", "two", "6"])
        // Somebody else's variables: only what is preserved is passed on, the first one.
        #expect(shell(script("1")).lines.first == "one")
    }

    @Test("a console socket is for a terminal, and may be named from where the caller is")
    func consoleSocket() throws {
        try withRunning { bundle, runtime, id in
            let receiver = try ConsoleReceiver(path: "\(bundle.directory)/console.sock")
            #expect(!runtime.call(["exec", "--detach", "--console-socket", receiver.path, id, "true"]).succeeded)
            let outcome = shell(
                """
                cd \(bundle.directory)
                \(runtime.path) --root \(runtime.root) exec --detach --tty --console-socket console.sock \(id) true
                """
            )
            try #require(outcome.succeeded, "\(outcome.errors)")
            close(try receiver.receive())
        }
    }

    @Test("the console of a command in the foreground has no name that others know, and leaves none")
    func ownConsole() throws {
        try withRunning { _, runtime, id in
            // What used to be its name, made by somebody else before.
            let outcome = shell(
                """
                touch /tmp/swiftlet-oci-console-$$; echo $$
                exec \(runtime.path) --root \(runtime.root) exec --tty \(id) tty </dev/null
                """
            )
            let pid = try #require(outcome.lines.first)
            #expect(outcome.output.contains("/dev/pts/"), "\(outcome.errors)")
            #expect(unlink("/tmp/swiftlet-oci-console-\(pid)") == 0)
        }
        let receiver = try ConsoleReceiver()
        let directory = receiver.path.replacingLastComponent("")
        var info = stat()
        #expect(stat(directory, &info) == 0 && info.st_mode & 0o7777 == 0o700 && info.st_uid == geteuid())
        let abandoned = try { try ConsoleReceiver().path }()
        #expect(!HostFile.exists(abandoned) && !HostFile.exists(abandoned.replacingLastComponent("")))
        withExtendedLifetime(receiver) {}
    }

    // MARK: config.json

    @Test("a filter without syscalls is its default action")
    func seccompDefault() throws {
        for value in [["defaultAction": "SCMP_ACT_ALLOW"], ["defaultAction": "SCMP_ACT_ALLOW", "syscalls": .null]] as [JSONValue]
        {
            let bundle = try Bundle { $0.set(["linux", "seccomp"], to: value) }
            try bundle.shell("grep Seccomp: /proc/self/status")
            let outcome = try Runtime.ours(bundle).run(bundle)
            #expect(outcome.lines == ["Seccomp:\t2"], "\(outcome.errors)")
        }
    }

    @Test("several mount options in one string are what they are one by one")
    func joinedOptions() throws {
        let bundle = try Bundle { document in
            document.set(
                ["mounts"],
                to: .array(
                    (document["mounts"]?.arrayValue ?? []) + [
                        [
                            "destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
                            "options": ["size=64k,mode=711,nosuid", "noexec"],
                        ]
                    ]))
        }
        try bundle.shell("grep ' /tmp ' /proc/mounts")
        let outcome = try Runtime.ours(bundle).run(bundle)
        for word in ["size=64k", "mode=711", "nosuid", "noexec"] { #expect(outcome.output.contains(word), "\(outcome)") }
    }

    @Test("kernel.domainname is set in a uts namespace of the container's own, and refused elsewhere")
    func domainName() throws {
        let bundle = try Bundle { $0.set(["linux", "sysctl"], to: ["kernel.domainname": "example.org"]) }
        try bundle.shell("cat /proc/sys/kernel/domainname")
        let runtime = try Runtime.ours(bundle)
        let outcome = runtime.run(bundle)
        #expect(outcome.lines == ["example.org"], "\(outcome.errors)")
        bundle.configuration.set(["linux", "namespaces"], to: [["type": "pid"], ["type": "mount"], ["type": "ipc"]])
        bundle.configuration.set(["hostname"], to: nil)
        try bundle.write()
        #expect(runtime.run(bundle).errors.contains("linux.sysctl.kernel.domainname"))
        #expect(HostFile.text("/proc/sys/kernel/domainname") != "example.org\n")
    }

    @Test("hooks inside read the pid, whatever number stands in the id")
    func hookState() throws {
        let id = "\(Bundle.newID())-2147483648"
        let bundle = try Bundle()
        bundle.configuration.set(
            ["hooks", "createContainer"],
            to: [
                [
                    "path": "/bin/sh", "args": ["sh", "-c", .string("cat > \(bundle.directory)/state")],
                    "env": ["PATH=/usr/bin:/bin"],
                ]
            ])
        try bundle.write()
        let runtime = try Runtime.ours(bundle)
        try #require(runtime.create(bundle, id).succeeded)
        let state = try JSONValue(parsing: HostFile.read("\(bundle.directory)/state"))
        #expect(state["id"]?.stringValue == id && (state["pid"]?.intValue ?? 0) >= 1)
        withExtendedLifetime(bundle) {}
    }

    // MARK: What is told

    @Test("list names the owner")
    func owner() throws {
        try withRunning { _, runtime, _ in
            let list = try JSONValue(parsing: runtime.call(["list", "--format", "json"]).output)
            #expect(list[0]?["owner"] == "root")
        }
    }

    @Test("a wish that is not applied is told, and the help names what is there")
    func told() throws {
        let bundle = try Bundle { $0.set(["process", "args"], to: ["true"]) }
        let runtime = try Runtime.ours(bundle)
        let outcome = runtime.call(["run", "--no-new-keyring", "--bundle", bundle.directory, Bundle.newID()])
        #expect(outcome.succeeded && outcome.errors.contains("--no-new-keyring"), "\(outcome.errors)")
        #expect(!runtime.call(["--help"]).output.contains("ID..."))
    }

    @Test(
        "durations are Go's",
        arguments: [("500ms", 500), ("5s", 5000), ("1m30s", 90_000), ("1.5s", 1500), ("2h", 7_200_000), ("7", 7000)])
    func durations(_ text: String, _ milliseconds: Int) throws { #expect(try UsageCommand.interval(text) == milliseconds) }

    @Test("what is no duration is refused", arguments: ["", "0", "0s", "s", "5x", "-1s", "1s5", "25h", "1e3s", ".", "100us"])
    func noDurations(_ text: String) { #expect(throws: OCIError.self) { try UsageCommand.interval(text) } }
}

@Suite("The device list's lines")
struct DeviceLineTests {
    private func lines(_ text: String) throws -> [String] {
        try ResourceSpecification(parsing: Array(text.utf8)).effectiveDeviceRules().map { $0.version1(field: "") }.flatMap {
            setting in
            setting.value.split(separator: "\n").map { "\(setting.file) \($0)" }
        }
    }

    @Test(
        "a rule for both types that names a device or an access is a line for each, never everything",
        arguments: [
            (#"{"allow":true,"type":"a","major":10,"minor":229,"access":"rw"}"#, "10:229 rw"),
            (#"{"allow":true,"major":10,"minor":229,"access":"rw"}"#, "10:229 rw"), (#"{"allow":true,"major":10}"#, "10:* rwm"),
            (#"{"allow":true,"access":"r"}"#, "*:* r"), (#"{"allow":true,"type":"a","minor":3,"access":"m"}"#, "*:3 m"),
        ])
    func bothTypes(_ rule: String, _ expected: String) throws {
        let lines = try lines("{\"devices\":[\(rule)]}")
        #expect(lines.first == "devices.deny a")
        #expect(lines.contains("devices.allow c \(expected)") && lines.contains("devices.allow b \(expected)"), "\(lines)")
        #expect(!lines.contains { $0.hasPrefix("devices.allow a") })
    }

    @Test("after everything was allowed, what is denied of both types is denied alone")
    func denied() throws {
        let lines = try lines(#"{"devices":[{"allow":true},{"allow":false,"major":1,"minor":11,"access":"w"}]}"#)
        #expect(lines == ["devices.allow a", "devices.deny c 1:11 w", "devices.deny b 1:11 w"])
    }

    @Test("the program of cgroup v2 decides on both types the same way")
    func program() throws {
        let rules = try ResourceSpecification(
            parsing: Array(
                #"{"devices":[{"allow":true,"major":10,"minor":229,"access":"rw"},{"allow":true,"access":"r","major":7}]}"#.utf8)
        ).effectiveDeviceRules()
        let program = DeviceProgram(rules).instructions
        for type in [UInt32(1), 2] {
            #expect(BPFMachine.run(program, type: type, access: 6, major: 10, minor: 229) == 1)
            #expect(BPFMachine.run(program, type: type, access: 2, major: 7, minor: 1) == 1)
            #expect(BPFMachine.run(program, type: type, access: 4, major: 7, minor: 1) == 0)
            #expect(BPFMachine.run(program, type: type, access: 2, major: 10, minor: 228) == 0)
        }
    }
}
