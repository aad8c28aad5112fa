// What a task can see and do: the barriers of Sandbox/README.md, looked at from inside.

import Glibc
import LocalRuntime
import RuntimeInterface
import Testing

@Suite("RunP isolation", .enabled(if: Machine.canRun))
struct IsolationTests {
    @Test("the environment is what the pod says and nothing else, case kept")
    func environment() async throws {
        setenv("SWIFTLET_TEST_LEAK", "secret", 1)
        try await withLab { lab in
            let result = try await lab.run("env | sort") {
                $0.environment = [
                    EnvironmentVariable(name: "MixedCase", value: "a b\"%$'"),
                    EnvironmentVariable(name: "HOME", value: "/nowhere"),
                ]
            }
            #expect(
                result.output == [
                    "HOME=/nowhere", "HOSTNAME=alice-pod", "MixedCase=a b\"%$'",
                    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PWD=/",
                ])
        }
    }

    @Test("no capability, no way to gain one, a filter, new names")
    func privileges() async throws {
        try await withLab { lab in
            let result = try await lab.run(
                "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status | tr -d '\\t'; hostname; id -u; cat /proc/self/uid_map | tr -s ' '"
            )
            #expect(
                result.output.dropLast() == [
                    "CapInh:0000000000000000", "CapPrm:0000000000000000", "CapEff:0000000000000000",
                    "CapBnd:0000000000000000", "CapAmb:0000000000000000", "NoNewPrivs:1", "Seccomp:2", "alice-pod", "0",
                ])
            let map = try #require(result.output.last).split(separator: " ")
            #expect(map.first == "0" && map.last == "65536")
            #expect(try #require(map.dropFirst().first.flatMap { UInt32($0) }) >= 0x4000_0000)
        }
    }

    @Test("only its own processes; its own init as pid 1 cannot be seen, read or ended")
    func processes() async throws {
        try await withLab { lab in
            let result = try await lab.run(
                "ls -d /proc/[0-9]* | wc -l; echo $PPID; ls /proc/1/fd 2>&1; kill -9 1 2>/dev/null; echo $?")
            #expect(Int(result.output[0]).map { $0 <= 4 } == true)
            #expect(result.output[1] == "1")
            #expect(result.output[2].contains("No such file"))
            // Refused by Landlock's signal scope; without it, pid 1 takes no signal from its own namespace.
            #expect(["0", "1"].contains(result.output[3]))
            #expect(result.exit.exitCode == 0)
        }
    }

    @Test("a task reads its own limits below /sys/fs/cgroup, where nothing of another group is, and cannot change them")
    func ownGroups() async throws {
        try await withLab { lab in
            let result = try await lab.run(
                """
                cd /sys/fs/cgroup; ls -d /sys/* /sys/fs/*
                cat memory.max memory/memory.limit_in_bytes 2>/dev/null
                cat cpu.max 2>/dev/null || cat cpu/cpu.cfs_quota_us
                find . -type d | grep -vE '^\\.(/(memory|cpu|cpuacct|cpuset|cpu,cpuacct))?$'
                for file in memory.max memory/memory.limit_in_bytes cgroup.procs memory/cgroup.procs memory/tasks; do
                    test -e $file && { echo 0 > $file; } 2>/dev/null && echo "wrote $file"
                done
                for place in memory/below below /sys/x /sys/fs/x; do mkdir $place 2>/dev/null && echo "made $place"; done
                grep -c " / /sys/fs/cgroup" /proc/self/mountinfo
                """
            ) {
                $0.limits.memoryBytes = 96 << 20
                $0.limits.cpuMillis = 700
            }
            #expect(result.output.prefix(2) == ["/sys/fs", "/sys/fs/cgroup"])
            #expect(result.output.dropFirst(2).prefix(2).map { $0.hasPrefix("70000") ? "70000" : $0 } == ["\(96 << 20)", "70000"])
            #expect(result.output.count == 5 && Int(result.output[4]).map { $0 > 0 } == true, "\(result.output)")
        }
    }

    @Test(
        "the host's files are absent",
        arguments: [
            "/root", "/home", "/var", "/etc/shadow", "/etc/ssh", "/sys/kernel", "/sys/class", "/run", "/boot", "/opt", "/work", "/proc/1/root/etc",
        ])
    func hostFiles(path: String) async throws {
        try await withLab { lab in
            // Itself, not what is in it: that nobody inside may read a directory does not make it absent.
            let result = try await lab.run("ls -d \(path) >/dev/null 2>&1 && echo visible || echo absent")
            #expect(result.output == ["absent"])
        }
    }

    @Test(
        "what an image needs is seen read-only, also below the host's /tmp, of which nothing else is seen",
        arguments: [false, true])
    func readOnlyPathInTemporary(inMemory: Bool) async throws {
        try await withLab { lab in
            var template = Array("/tmp/swiftlet-image.XXXXXX".utf8CString)
            let tree = try #require(mkdtemp(&template).map { String(cString: $0) })
            defer {
                rmdir("\(tree)/tool")
                rmdir(tree)
            }
            mkdir("\(tree)/tool", 0o755)
            let result = try await lab.run(
                "ls -A \(tree); ls -A /tmp; touch \(tree)/tool/x 2>/dev/null || echo refused; touch /tmp/y && echo own"
            ) {
                $0.image = "host+\(tree)/tool"
                if inMemory { $0.limits.tmpBytes = 1 << 20 }
            }
            #expect(result.output == ["tool", String(tree.dropFirst("/tmp/".count)), "refused", "own"])
        }
    }

    @Test("a mount that would hide what the image needs is refused, naming both")
    func hiddenPath() async throws {
        try await withLab { lab in
            await #expect {
                _ = try await lab.run("true") {
                    $0.image = "host+/usr/lib"
                    $0.mounts = [ContainerMount(hostPath: lab.directory, containerPath: "/usr", readOnly: true)]
                }
            } throws: { "\($0)".contains("/usr/lib") && "\($0)".contains("mounts[/usr]") }
        }
    }

    @Test(
        "what is read-only cannot be written, whatever root the task is",
        arguments: [
            "/", "/usr", "/usr/bin", "/etc", "/dev", "/ro",
        ])
    func readOnly(path: String) async throws {
        try await withLab { lab in
            mkdir("\(lab.directory)/ro", 0o777)
            // Permission alone would refuse too, where the host's root owns the directory.
            let result = try await lab.run("touch \(path)/probe 2>&1 | sed 's/.*: //'") {
                $0.mounts = [ContainerMount(hostPath: "\(lab.directory)/ro", containerPath: "/ro", readOnly: true)]
            }
            #expect(result.output == ["Read-only file system"])
        }
    }

    @Test("the kernel's parameters are mounted read-only: who may write them by permission meets that first")
    func parameters() async throws {
        try await withLab { lab in
            let result = try await lab.run("awk '$5 == \"/proc/sys\" { print substr($6, 1, 3) }' /proc/self/mountinfo")
            #expect(result.output == ["ro,"])
        }
    }

    @Test("writable mounts, /tmp and the working directory are writable; what the task's root writes is the host root's")
    func writable() async throws {
        try await withLab { lab in
            mkdir("\(lab.directory)/rw", 0o700)
            let result = try await lab.run("pwd; for d in /tmp /data . /dev/shm; do echo x > $d/f && stat -c %u $d/f; done") {
                $0.mounts = [ContainerMount(hostPath: "\(lab.directory)/rw", containerPath: "/data", readOnly: false)]
                $0.workingDirectory = "/home/task"
            }
            #expect(result.output == ["/home/task", "0", "0", "0", "0"])
            var info = stat()
            #expect(stat("\(lab.directory)/rw/f", &info) == 0)
            #expect(info.st_uid == 0 && info.st_gid == 0)
        }
    }

    @Test("a task that runs as another user owns its scratch and has its name")
    func otherUser() async throws {
        try await withLab { lab in
            let result = try await lab.run("id -u; id -g; id -un; touch /tmp/a w && stat -c %u w") {
                $0.runAsUser = 1000
                $0.workingDirectory = "/w"
            }
            #expect(result.output == ["1000", "1000", "task", "1000"])
        }
    }

    @Test("every mount refuses set-user-id programs")
    func setuid() async throws {
        try await withLab { lab in
            // Its owner is the task's root.
            mkdir("\(lab.directory)/programs", 0o755)
            try RecordFiles.write(try #require(RecordFiles.read("/usr/bin/id")), to: "\(lab.directory)/programs/id")
            try #require(chmod("\(lab.directory)/programs/id", 0o4755) == 0)
            let result = try await lab.run("grep -v nosuid /proc/self/mounts; stat -c '%u %a' /programs/id; /programs/id -u") {
                $0.runAsUser = 1000
                $0.mounts = [ContainerMount(hostPath: "\(lab.directory)/programs", containerPath: "/programs", readOnly: false)]
            }
            #expect(result.output == ["0 4755", "1000"])
        }
    }

    @Test("who takes every inotify instance takes none of the machine's root's, nor of another task's")
    func countedThings() async throws {
        let script = """
            import ctypes, time
            libc, held = ctypes.CDLL(None), 0
            while held < 100000 and libc.inotify_init1(0) >= 0: held += 1
            print("held", held > 0, flush=True)
            time.sleep(600)
            """
        try await withLab { lab in
            for name in ["first", "second"] {
                let config = lab.config("exec /usr/bin/python3 -c '\(script)'", name: name) { $0.limits.memoryBytes = 512 << 20 }
                _ = try await lab.start(config)
                #expect(lab.waitForLine("held True", in: config.logPath))
            }
            let descriptor = inotify_init1(0)
            #expect(descriptor >= 0, "errno \(errno)")
            close(descriptor)
        }
    }

    @Test("names resolve as the pod says")
    func names() async throws {
        try await withLab { lab in
            let result = try await lab.run("getent hosts bob.svc | tr -s ' '; cat /etc/resolv.conf")
            #expect(result.output == ["10.1.2.3 bob.svc", "nameserver 10.0.0.10", "search svc.local"])
        }
    }

    @Test("a pod's name that is longer than a host name is cut as the kubelet cuts it")
    func longName() async throws {
        try await withLab { lab in
            var sandbox = lab.sandboxConfig()
            sandbox.podUID = "long"
            sandbox.hostname = String(repeating: "a", count: 62) + "-tail"
            try await lab.runtime.runPodSandbox(sandbox)
            let config = lab.config("hostname", name: "long")
            let id = try await lab.runtime.createContainer(podUID: "long", config: config)
            try await lab.runtime.startContainer(id)
            _ = try await lab.exit(id)
            #expect(lab.lines(config.logPath) == [String(repeating: "a", count: 62)])
            try await lab.runtime.removePodSandbox(podUID: "long")
        }
    }

    @Test("no descriptor of the agent reaches the task")
    func descriptors() async throws {
        let leak = open("/etc", O_RDONLY)  // not close-on-exec, as sockets of a network library are
        defer { close(leak) }
        try await withLab { lab in
            let result = try await lab.run("ls /proc/self/fd; readlink /proc/self/fd/0; echo again > /dev/stderr")
            // 3 is the directory that ls reads.
            #expect(result.output.prefix(5) == ["0", "1", "2", "3", "/dev/null"])
            #expect(result.output.last == "again")
        }
    }

    @Test(
        "system calls that are no task's business are refused",
        arguments: [
            ("unshare -U true", 1), ("unshare -m true", 1), ("mount -t tmpfs x /tmp", 32), ("chroot /tmp true", 125),
        ])
    func systemCalls(command: String, code: Int) async throws {
        try await withLab { lab in
            let result = try await lab.run("PATH=$PATH:/usr/sbin; \(command) 2>/dev/null")
            #expect(result.exit.exitCode == code)
        }
    }

    @Test("the log is in CRI format, with long lines in parts")
    func logFormat() async throws {
        try await withLab { lab in
            let config = lab.config("echo one; echo two >&2; head -c 20000 /dev/zero | tr '\\0' a; echo; printf last")
            _ = try await lab.exit(try await lab.start(config))
            let lines = lab.rawLines(config.logPath).map { $0.split(separator: " ", omittingEmptySubsequences: false) }
            for line in lines {
                #expect(line.count == 4)
                #expect(line[0].wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z/) != nil)
            }
            let out = lines.filter { $0[1] == "stdout" }
            #expect(out.map { $0[2] } == ["F", "P", "F", "F"])
            #expect(out.map { $0[3].count } == [3, 16_384, 3_616, 4])
            #expect(lines.filter { $0[1] == "stderr" }.map { $0[3] } == ["two"])
        }
    }
}
