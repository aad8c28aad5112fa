// What runc's own integration tests (its repository's tests/integration) found here, each as a test of ours.

import CLinux
import Glibc
import JSON
import Testing

@testable import OCIRuntime

@Suite("What runc's integration tests ask", .enabled(if: Machine.canRun, "needs root, busybox-static and a built swiftlet-oci"))
struct RuncIntegrationTests {
    private func shell(_ script: String) -> Outcome { run("/bin/sh", ["sh", "-c", script]) }

    // MARK: Groups

    private static let freezer = "/sys/fs/cgroup/freezer"

    @Test(
        "a group that is frozen, or has somebody in it, is refused before anything is started",
        .enabled(if: HostFile.isDirectory(freezer)))
    func usedGroup() throws {
        let name = Bundle.newID()
        let group = "\(Self.freezer)/\(name)"
        mkdir(group, 0o755)
        defer { rmdir(group) }
        let bundle = try Bundle { $0.set(["linux", "cgroupsPath"], to: .string("/\(name)")) }
        let runtime = try Runtime.ours(bundle)
        #expect(HostFile.writeOnce("\(group)/freezer.state", "FROZEN") == 0)
        let frozen = runtime.run(bundle)
        #expect(frozen.status == 1 && frozen.errors.contains("container's cgroup unexpectedly frozen"), "\(frozen.errors)")
        #expect(HostFile.writeOnce("\(group)/freezer.state", "THAWED") == 0)
        let id = Bundle.newID()
        let first = runtime.create(bundle, id)
        #expect(first.succeeded, "\(first.errors)")
        let second = runtime.create(bundle, Bundle.newID())
        #expect(second.status == 1 && second.errors.contains("container's cgroup is not empty: "), "\(second.errors)")
        #expect(runtime.status(id) == "created", "whoever was there first is left alone")
        #expect(runtime.call(["delete", "--force", id]).succeeded)
    }

    @Test(
        "exec --cgroup joins a group below the container's own, of some controllers or of all",
        .enabled(if: HostFile.isDirectory(freezer)))
    func subgroup() throws {
        let name = Bundle.newID()
        try withRunning {
            $0.set(["linux", "cgroupsPath"], to: .string("/\(name)"))
        } _: { _, runtime, id in
            for controller in ["memory", "freezer"] { mkdir("/sys/fs/cgroup/\(controller)/\(name)/below", 0o755) }
            let joined = runtime.call([
                "exec", "--cgroup", "memory:below", "--cgroup", "freezer:/below", id, "cat", "/proc/self/cgroup",
            ])
            let lines = joined.lines.filter { $0.hasSuffix("/below") }
            #expect(
                lines.count == 2 && lines.contains { $0.contains(":memory:") } && lines.contains { $0.contains(":freezer:") },
                "\(joined)")
            #expect(!runtime.call(["exec", "--cgroup", "/", id, "cat", "/proc/self/cgroup"]).output.contains("below"))
            for (word, message) in [
                ("..", "bad sub cgroup path"), ("nonexistent", " adding pid "), ("cpu:nonexistent", " adding pid "),
                ("whaaat:/", "unknown controller whaaat"),
            ] {
                let refused = runtime.call(["exec", "--cgroup", word, id, "true"])
                #expect(!refused.succeeded && refused.errors.contains(message), "\(word): \(refused.errors)")
            }
        }
    }

    @Test("exec --ignore-paused waits for the container to be resumed", .enabled(if: HostFile.isDirectory(freezer)))
    func ignorePaused() throws {
        let name = Bundle.newID()
        try withRunning {
            $0.set(["linux", "cgroupsPath"], to: .string("/\(name)"))
        } _: { bundle, runtime, id in
            #expect(runtime.call(["pause", id]).succeeded)
            let file = "\(bundle.directory)/out"
            let waiting = shell(
                "\(runtime.path) --root \(runtime.root) exec --ignore-paused \(id) echo ok > \(file) 2>&1 & echo $!")
            let pid = try #require(waiting.lines.first.flatMap { Int32($0) })
            // It stands in the group, frozen with it.
            #expect(eventually { (HostFile.text("\(Self.freezer)/\(name)/cgroup.procs") ?? "").split(separator: "\n").count > 1 })
            #expect(HostFile.text(file) == "")
            #expect(runtime.call(["resume", id]).succeeded)
            #expect(eventually { HostFile.text(file) == "ok\n" && ProcessHandle(pid: pid) == nil })
        }
    }

    @Test("kill KILL ends who is left of a container in the host's pid namespace, also when its first process is gone")
    func leftBehind() throws {
        try withRunning { document in
            document.set(["linux", "namespaces"], to: [["type": "mount"], ["type": "ipc"], ["type": "uts"]])
            document.set(["mounts"], to: .array((document["mounts"]?.arrayValue ?? []).filter { $0["type"] != "sysfs" }))
            document.set(["process", "args"], to: ["sh", "-c", "sleep 63 & sleep 64 & wait"])
        } _: { _, runtime, id in
            var left: [Int32] = []
            let first = Int32(truncatingIfNeeded: runtime.state(id)?["pid"]?.intValue ?? 0)
            #expect(
                eventually {
                    let list = try? JSONValue(parsing: runtime.call(["ps", "-f", "json", id]).output)
                    left = (list?.arrayValue ?? []).compactMap(\.intValue).map { Int32($0) }.filter { $0 != first }
                    return left.count >= 2
                })
            Glibc.kill(first, SIGKILL)
            #expect(runtime.await(id, "stopped"))
            #expect(!runtime.call(["kill", id, "TERM"]).succeeded, "another signal is for one that runs")
            #expect(runtime.call(["kill", id, "KILL"]).succeeded)
            #expect(eventually { left.allSatisfy { ProcessHandle(pid: $0) == nil } })
            #expect(eventually { !runtime.call(["kill", id, "KILL"]).succeeded }, "there is nobody any more")
        }
    }

    @Test(
        "a shorter period and its quota are set together where the group above has less",
        .enabled(if: HostFile.exists("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")))
    func quotaBelow() throws {
        let name = Bundle.newID()
        let above = "/sys/fs/cgroup/cpu/\(name)"
        mkdir(above, 0o755)
        defer { rmdir(above) }
        #expect(HostFile.writeOnce("\(above)/cpu.cfs_quota_us", "50000") == 0)
        try withRunning {
            $0.set(["linux", "cgroupsPath"], to: .string("/\(name)/container"))
            $0.set(["linux", "resources", "cpu"], to: ["period": 1_000_000, "quota": 500_000])
        } _: { _, runtime, id in
            #expect(!runtime.call(["update", "--cpu-quota", "600000", id]).succeeded)
            let updated = runtime.call(["update", "--cpu-period", "10000", "--cpu-quota", "3000", id])
            #expect(updated.succeeded, "\(updated.errors)")
            #expect(HostFile.text("\(above)/container/cpu.cfs_quota_us") == "3000\n")
            #expect(HostFile.text("\(above)/container/cpu.cfs_period_us") == "10000\n")
            #expect(runtime.call(["delete", "--force", id]).succeeded)
        }
    }

    @Test("kill TERM ends a container that has not been started")
    func endCreated() throws {
        let bundle = try Bundle()
        let runtime = try Runtime.ours(bundle)
        let id = Bundle.newID()
        #expect(runtime.create(bundle, id).succeeded)
        #expect(runtime.call(["kill", id, "TERM"]).succeeded)
        #expect(runtime.await(id, "stopped"))
        #expect(runtime.call(["delete", id]).succeeded)
    }

    // MARK: The program's process

    @Test(
        "a memory policy holds for the program and for exec; words that mean nothing are refused with their field",
        .enabled(if: HostFile.exists("/proc/self/numa_maps")))
    func memoryPolicy() throws {
        try withRunning {
            $0.set(["linux", "memoryPolicy"], to: ["mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]])
        } _: { _, runtime, id in
            for process in ["1", "self"] {
                let line = runtime.call(["exec", id, "cat", "/proc/\(process)/numa_maps"]).lines.first ?? ""
                #expect(line.contains("bind=static:0"), "\(line)")
            }
        }
        for (policy, message) in [
            ([:], "invalid memory policy mode"), (["mode": "INTERLEAVE", "nodes": "0"], "invalid memory policy mode"),
            (["mode": "MPOL_BIND", "nodes": "0", "flags": ["bad"]], "invalid memory policy flag"),
            (["mode": "MPOL_DEFAULT", "nodes": "0-7"], "mode requires 0 nodes but got 8"),
            (["mode": "MPOL_BIND", "nodes": "0-9876543210"], "invalid memory policy node"),
        ] as [(JSONValue, String)] {
            let bundle = try Bundle { $0.set(["linux", "memoryPolicy"], to: policy) }
            let refused = try Runtime.ours(bundle).run(bundle)
            #expect(
                refused.status == 1 && refused.errors.contains(message) && refused.errors.contains("linux.memoryPolicy"),
                "\(refused.errors)")
        }
    }

    @Test("of an environment's entries with one name the last one counts, and an empty HOME is the user's")
    func environment() throws {
        let bundle = try Bundle { $0.set(["process", "env"], to: ["ONE=two", "HOME=/away", "PATH=/bin", "ONE=three", "HOME="]) }
        try HostFile.replace(
            "\(bundle.directory)/rootfs/etc/passwd", with: Array("root:x:0:0:root:/root:/bin/sh\n".utf8), mode: 0o644)
        bundle.configuration.set(["process", "args"], to: ["env"])
        try bundle.write()
        #expect(try Runtime.ours(bundle).run(bundle).lines.sorted() == ["HOME=/root", "ONE=three", "PATH=/bin"])
    }

    @Test("a container may use every CPU, whatever its caller is bound to; exec too")
    func affinity() throws {
        try withRunning { _, runtime, id in
            let whole = try #require(runtime.call(["exec", id, "grep", "Cpus_allowed_list", "/proc/1/status"]).lines.first)
            let bound = shell(
                "taskset -c 0 \(runtime.path) --root \(runtime.root) exec \(id) grep Cpus_allowed_list /proc/self/status")
            #expect(bound.lines == [whole], "\(bound.errors)")
        }
        let bundle = try Bundle { $0.set(["process", "args"], to: ["grep", "Cpus_allowed_list", "/proc/self/status"]) }
        let runtime = try Runtime.ours(bundle)
        let call = "\(runtime.path) --root \(runtime.root) run --bundle \(bundle.directory)"
        #expect(shell("taskset -c 0 \(call) \(Bundle.newID())").lines == shell("\(call) \(Bundle.newID())").lines)
    }

    @Test("exec --cap of an inheritable capability makes it ambient, of another one not")
    func ambient() throws {
        try withRunning {
            $0.set(
                ["process", "capabilities"],
                to: [
                    "inheritable": ["CAP_CHOWN", "CAP_SYSLOG"], "permitted": ["CAP_KILL", "CAP_CHOWN"], "effective": ["CAP_KILL"],
                    "bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_SYSLOG"], "ambient": ["CAP_CHOWN"],
                ])
        } _: { _, runtime, id in
            func sets(_ options: [String]) -> [String] {
                runtime.call(["exec"] + options + [id, "grep", "^Cap", "/proc/self/status"]).lines.map { String($0.suffix(16)) }
            }
            #expect(
                sets(["--cap", "CAP_SYSLOG"]) == [
                    "0000000400000001", "0000000400000021", "0000000400000021", "0000000400000021", "0000000400000001",
                ])
            #expect(sets(["--cap", "CAP_KILL"]).last == "0000000000000001")
        }
    }

    @Test("new clocks and new users go together: the offsets are set, for the program and for exec")
    func clocks() throws {
        try withRunning { document in
            document.set(
                ["linux", "namespaces"],
                to: .array((document[path: "linux", "namespaces"]?.arrayValue ?? []) + [["type": "user"], ["type": "time"]]))
            for map in ["uidMappings", "gidMappings"] {
                document.set(["linux", map], to: [["containerID": 0, "hostID": 100_000, "size": 65536]])
            }
            document.set(["linux", "timeOffsets"], to: ["monotonic": ["secs": 7881, "nanosecs": 2_718_281]])
        } _: { _, runtime, id in
            let offsets = runtime.call(["exec", id, "cat", "/proc/1/timens_offsets"])
            #expect(
                offsets.lines.first?.split(separator: " ").map(String.init) == ["monotonic", "7881", "2718281"], "\(offsets)")
        }
    }

    @Test(
        "a hook inside has the program's environment, its powers and no more, and its filter"
    )
    func startContainer() throws {
        let bundle = try Bundle { document in
            document.set(["process", "env"], to: ["PATH=/bin", "ONE=two"])
            document.set(["process", "args"], to: ["true"])
            document.set(["hooks", "startContainer"], to: [["path": "/bin/sh", "args": ["sh", "-c", "[ $ONE = two ]"]]])
        }
        let runtime = try Runtime.ours(bundle)
        let run = runtime.run(bundle)
        #expect(run.succeeded, "\(run.errors)")
        for noNewPrivileges in [true, false] {
            bundle.configuration.set(["process", "noNewPrivileges"], to: .bool(noNewPrivileges))
            bundle.configuration.set(
                ["linux", "seccomp"],
                to: [
                    "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [["names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL"]],
                ])
            bundle.configuration.set(["hooks", "startContainer"], to: [["path": "/bin/mkdir", "args": ["mkdir", "/made"]]])
            try bundle.write()
            let refused = runtime.run(bundle)
            #expect(
                refused.status == 1
                    && refused.errors.contains("error running startContainer hook #0: /bin/mkdir: signal: bad system call"),
                "\(refused.errors)")
            #expect(!HostFile.exists("\(bundle.directory)/rootfs/made"))
            // Nor has it powers that the program has not.
            bundle.configuration.set(
                ["hooks", "startContainer"],
                to: [["path": "/bin/sh", "args": ["sh", "-c", "grep ^Cap /proc/self/status > /hook"]]])
            bundle.configuration.set(["process", "args"], to: ["sh", "-c", "grep ^Cap /proc/self/status"])
            try bundle.write()
            let whole = runtime.run(bundle)
            #expect(whole.succeeded && HostFile.text("\(bundle.directory)/rootfs/hook") == whole.output, "\(whole)")
            bundle.configuration.set(["process", "args"], to: ["true"])
        }
    }

    @Test("an agent's path is for a filter that asks: without such a rule it is passed over")
    func listenerPath() throws {
        let bundle = try Bundle {
            $0.set(["linux", "seccomp"], to: ["defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/nowhere"])
        }
        try bundle.shell("echo ran")
        #expect(try Runtime.ours(bundle).run(bundle).lines == ["ran"])
    }

    // MARK: Mounts

    @Test("without pivot_root no user namespace of the container's can mount a /proc without masks")
    func bareProc() throws {
        let bundle = try Bundle()
        for name in ["unshare", "chroot"] { symlink("busybox", "\(bundle.directory)/rootfs/bin/\(name)") }
        try bundle.shell(
            "unshare -mrpf sh -c 'mount -t proc none /tmp && echo mounted; true'; cat /proc/self/mountinfo | grep -c ' - proc '")
        let outcome = try Runtime.ours(bundle).call(["run", "--no-pivot", "--bundle", bundle.directory, Bundle.newID()])
        #expect(outcome.succeeded && !outcome.output.contains("mounted"), "\(outcome)")
        // Its own, and what stands on it; nothing of the host's is reachable or in the table.
        #expect(
            outcome.errors.contains("Operation not permitted") || outcome.errors.contains("permission denied"),
            "\(outcome.errors)")
    }

    @Test("a read-only /dev holds its nodes and what is mounted below, which stays writable")
    func readOnlyDev() throws {
        let bundle = try Bundle { document in
            let mounts = (document["mounts"]?.arrayValue ?? []).map { mount -> JSONValue in
                guard mount["destination"] == "/dev" else { return mount }
                var mount = mount
                mount.set(["options"], to: .array((mount["options"]?.arrayValue ?? []) + ["ro"]))
                return mount
            }
            document.set(["mounts"], to: .array(mounts))
        }
        try bundle.shell(
            "echo > /dev/null; touch /dev/shm/x && echo below; touch /dev/x 2>/dev/null || echo refused; ls /dev/pts/ptmx")
        #expect(try Runtime.ours(bundle).run(bundle).lines == ["below", "refused", "/dev/pts/ptmx"])
        bundle.configuration.set(["process", "terminal"], to: true)
        try bundle.shell("[ -c /dev/console ] && echo console")
        let terminal = try Runtime.ours(bundle).run(bundle)
        #expect(terminal.output == "console\n", "\(terminal.errors)")
    }

    @Test(
        "a bind goes where a link of the image leads, also when nothing is there yet",
        arguments: ["/run/resolve/stub.conf", "../made/here/x", "/etc/second"])
    func danglingLink(_ target: String) throws {
        let bundle = try Bundle { document in
            document.set(
                ["mounts"],
                to: .array(
                    (document["mounts"]?.arrayValue ?? []) + [
                        ["destination": "/etc/resolv.conf", "type": "bind", "source": "given", "options": ["bind", "ro"]]
                    ]))
        }
        try HostFile.replace("\(bundle.directory)/given", with: Array("given\n".utf8), mode: 0o644)
        symlink(target, "\(bundle.directory)/rootfs/etc/resolv.conf")
        symlink("third", "\(bundle.directory)/rootfs/etc/second")
        try bundle.shell("cat /etc/resolv.conf; readlink /etc/resolv.conf")
        let outcome = try Runtime.ours(bundle).run(bundle)
        #expect(outcome.lines == ["given", target], "\(outcome.errors)")
    }

    private static let mapped: JSONValue = [["containerID": 0, "hostID": 100_000, "size": 65536]]

    private static func withUsers(_ document: inout JSONValue) {
        document.set(
            ["linux", "namespaces"], to: .array((document[path: "linux", "namespaces"]?.arrayValue ?? []) + [["type": "user"]]))
        for map in ["uidMappings", "gidMappings"] { document.set(["linux", map], to: mapped) }
    }

    private static func add(_ mount: JSONValue, to document: inout JSONValue) {
        document.set(["mounts"], to: .array((document["mounts"]?.arrayValue ?? []) + [mount]))
    }

    @Test("a bind has the ids of its own mappings: with the container's users, with others, and without a user namespace")
    func mappedBinds() throws {
        for hasUsers in [false, true] {
            let bundle = try Bundle { document in
                if hasUsers { Self.withUsers(&document) }
                for (name, host) in [("a", 100_000), ("b", 100_500)] {
                    let maps: JSONValue = .array([["containerID": 0, "hostID": .int(Int64(host)), "size": 3000]])
                    Self.add(
                        [
                            "destination": .string("/mnt/\(name)"), "type": "bind", "source": "given", "options": ["rbind"],
                            "uidMappings": maps, "gidMappings": maps,
                        ], to: &document)
                }
            }
            for name in ["given", "rootfs/mnt", "rootfs/mnt/a", "rootfs/mnt/b"] { mkdir("\(bundle.directory)/\(name)", 0o755) }
            for (index, name) in ["x", "y"].enumerated() {
                try HostFile.replace("\(bundle.directory)/given/\(name)", with: [], mode: 0o644)
                chown("\(bundle.directory)/given/\(name)", 1000 * uid_t(index), 2000 * gid_t(index))
            }
            try bundle.shell("stat -c '%u:%g' /mnt/a/x /mnt/a/y /mnt/b/x /mnt/b/y")
            let outcome = try Runtime.ours(bundle).run(bundle)
            let first = hasUsers ? 0 : 100_000
            #expect(
                outcome.lines == [(0, 0), (1000, 2000), (500, 500), (1500, 2500)].map { "\(first + $0.0):\(first + $0.1)" },
                "\(outcome.errors)")
        }
        let without = try Bundle {
            Self.add(["destination": "/mnt", "type": "bind", "source": "rootfs", "options": ["bind", "idmap"]], to: &$0)
        }
        let refused = try Runtime.ours(without).run(without)
        #expect(refused.status == 1 && refused.errors.contains("uidMappings"), "\(refused.errors)")
    }

    @Test("a container with users of its own gets what is bound from a directory that its root may not enter")
    func inaccessibleSource() throws {
        let bundle = try Bundle { document in
            Self.withUsers(&document)
            for name in ["a", "b"] {
                Self.add(
                    [
                        "destination": .string("/mnt/\(name)"), "type": "bind", "source": .string("closed/\(name)"),
                        "options": ["rbind", "ro"],
                    ], to: &document)
            }
        }
        for name in ["closed", "closed/a", "closed/b", "rootfs/mnt", "rootfs/mnt/a", "rootfs/mnt/b"] {
            mkdir("\(bundle.directory)/\(name)", 0o755)
        }
        for name in ["a", "b"] {
            try HostFile.replace("\(bundle.directory)/closed/\(name)/file", with: Array("\(name)\n".utf8), mode: 0o644)
        }
        chmod("\(bundle.directory)/closed", 0o700)
        try bundle.shell("cat /mnt/a/file /mnt/b/file; touch /mnt/a/x 2>/dev/null || echo read-only")
        let outcome = try Runtime.ours(bundle).run(bundle)
        #expect(outcome.lines == ["a", "b", "read-only"], "\(outcome.errors)")
    }

    @Test("a destination may be where on the host it will be; what was mounted there before is a source like any other")
    func destinationOnHost() throws {
        let bundle = try Bundle()
        let rootfs = "\(bundle.directory)/rootfs"
        mkdir("\(bundle.directory)/given", 0o755)
        try HostFile.replace("\(bundle.directory)/given/file", with: Array("given\n".utf8), mode: 0o644)
        Self.add(["destination": "/mnt", "type": "bind", "source": "given", "options": ["bind"]], to: &bundle.configuration)
        Self.add(
            [
                "destination": .string("\(rootfs)/final"), "type": "bind", "source": .string("\(rootfs)/mnt"),
                "options": ["rbind"],
            ],
            to: &bundle.configuration)
        bundle.configuration.set(
            ["hooks", "createContainer"],
            to: [["path": "/bin/sh", "args": ["sh", "-c", "pwd > hooked; cat final/file >> hooked"]]])
        try bundle.shell("cat /final/file /hooked")
        let outcome = try Runtime.ours(bundle).run(bundle)
        #expect(outcome.lines == ["given", rootfs, "given"], "\(outcome.errors)")
    }

    @Test("a path that is masked twice is covered once")
    func maskedTwice() throws {
        let bundle = try Bundle { $0.set(["linux", "maskedPaths"], to: ["/hidden", "/hidden", "/hidden/"]) }
        mkdir("\(bundle.directory)/rootfs/hidden", 0o755)
        try bundle.shell("grep -c ' /hidden ' /proc/self/mountinfo")
        #expect(try Runtime.ours(bundle).run(bundle).lines == ["1"])
    }

    // MARK: The command line

    @Test("options may stand behind the id, a program's own words stay its own")
    func optionsBehind() throws {
        try withRunning { _, runtime, id in
            let updated = runtime.call(["update", id, "--pids-limit", "37"])
            #expect(updated.succeeded, "\(updated.errors)")
            let stats = try JSONValue(parsing: runtime.call(["events", id, "--stats"]).output)
            #expect(stats[path: "data", "pids", "limit"] == 37)
            #expect(runtime.call(["exec", id, "echo", "--cwd", "-d"]).lines == ["--cwd -d"])
        }
        let bundle = try Bundle()
        let stranger = run(try Runtime.ours(bundle).path, ["swiftlet-oci", "--root", "\(bundle.directory)/nowhere", "list"])
        #expect(stranger.status == 1 && stranger.errors.contains("\(bundle.directory)/nowhere"), "\(stranger.errors)")
        #expect(try Runtime.ours(bundle).call(["update", "-h"]).output.hasPrefix("NAME:\n   swiftlet-oci update\n"))
        #expect(try !Runtime.ours(bundle).call(["foo", "-h"]).succeeded)
    }

    @Test("a descriptor of the process comes over --pidfd-socket, of create and of exec")
    func pidfd() throws {
        let bundle = try Bundle()
        let runtime = try Runtime.ours(bundle)
        let id = Bundle.newID()
        func received(_ call: ([String]) -> Outcome) throws -> Int32 {
            let receiver = try ConsoleReceiver(path: "\(bundle.directory)/pidfd.sock")
            let outcome = call(["--pidfd-socket", receiver.path])
            try #require(outcome.succeeded, "\(outcome.errors)")
            return try receiver.receive()
        }
        let first = try received { runtime.create(bundle, id, $0) }
        defer { close(first) }
        #expect(
            HostFile.text("/proc/self/fdinfo/\(first)")?.contains("Pid:\t\(runtime.state(id)?["pid"]?.intValue ?? 0)\n") == true)
        #expect(runtime.call(["start", id]).succeeded)
        let second = try received { runtime.call(["exec", "--detach"] + $0 + [id, "sleep", "65"]) }
        defer { close(second) }
        #expect(clinux_pidfd_send_signal(second, SIGKILL) == 0)
        #expect(clinux_pidfd_send_signal(first, SIGKILL) == 0)
        #expect(runtime.await(id, "stopped"))
    }

    @Test("run serves a terminal of its own: lines end as the program wrote them")
    func lineEnds() throws {
        let bundle = try Bundle { $0.set(["process", "terminal"], to: true) }
        let runtime = try Runtime.ours(bundle)
        try bundle.shell("tty; echo two")
        #expect(runtime.run(bundle).output == "/dev/pts/0\ntwo\n")
        try withRunning { _, runtime, id in
            #expect(runtime.call(["exec", "--tty", id, "echo", "three"]).output == "three\n")
        }
    }
}
