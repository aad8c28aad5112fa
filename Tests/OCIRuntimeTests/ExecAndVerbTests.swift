// The verbs that the specification leaves to runc's example: exec, list, pause, update, events, features, spec, terminals.

import CLinux
import Glibc
import JSON
import Testing

@testable import OCIRuntime

@Suite("Verbs beyond the specification", .enabled(if: Machine.canRun, "needs root, busybox-static and a built swiftlet-oci"))
struct VerbTests {
    @Test("run ends with the program's exit status, 128 and the signal for one that a signal ended")
    func exitStatus() throws {
        let bundle = try Bundle()
        let runtime = try Runtime.ours(bundle)
        try bundle.shell("exit 7")
        #expect(runtime.run(bundle).status == 7)
        // In the host's pid namespace: the first process of a namespace of its own cannot be ended from inside.
        bundle.configuration.set(
            ["linux", "namespaces"], to: [["type": "mount"], ["type": "ipc"], ["type": "uts"], ["type": "network"]])
        try bundle.shell("kill -9 $$")
        #expect(runtime.run(bundle).status == 137)
        bundle.configuration.set(["process", "args"], to: ["no-such-program"])
        try bundle.write()
        let missing = runtime.run(bundle)
        #expect(missing.status == 1)
        #expect(missing.errors.contains("executable file not found in $PATH"))
    }

    @Test(
        "exec joins every namespace and group, with a user, environment and directory of its own, and ends with the program's status"
    )
    func exec() throws {
        try withRunning { _, runtime, id in
            let outcome = runtime.call([
                "exec", "-u", "1000:1001", "-e", "A=b", "--cwd", "/tmp", id, "sh", "-c",
                "id -u; id -g; echo $A; pwd; hostname; cat /proc/1/cmdline; exit 9",
            ])
            #expect(outcome.status == 9)
            #expect(outcome.lines == ["1000", "1001", "b", "/tmp", "swiftlet", "sleep\u{0}60\u{0}"])
            #expect(runtime.call(["exec", id, "no-such-program"]).status == 255)
            let pids = try JSONValue(parsing: runtime.call(["ps", "--format", "json", id]).output)
            #expect(pids.arrayValue?.count == 1)
        }
    }

    @Test("exec --process takes a whole process; its secrets of the host are out of reach")
    func execProcess() throws {
        try withRunning { bundle, runtime, id in
            let file = "\(bundle.directory)/process.json"
            let process: JSONValue = ["args": ["sh", "-c", "ls /proc/self/fd | grep -c ."], "cwd": "/", "env": ["PATH=/bin"]]
            try HostFile.replace(file, with: process.serialized())
            let outcome = runtime.call(["exec", "--process", file, id])
            #expect(outcome.succeeded, "\(outcome.errors)")
            // 0, 1, 2 and the directory that ls reads.
            #expect(outcome.lines.first == "4")
        }
    }

    @Test(
        "a working directory that leads to a descriptor of the host is refused",
        arguments: ["/proc/self/fd/3", "/proc/self/fd/7/../.."])
    func hostileDirectory(_ directory: String) throws {
        let bundle = try Bundle { $0.set(["process", "cwd"], to: .string(directory)) }
        // The kernel's own word, which has no path for what is not beneath the root.
        try bundle.shell("env -u PWD /bin/pwd -P")
        let outcome = try Runtime.ours(bundle).run(bundle)
        // Either it is no directory there, or the cleaned path is one of the container's own.
        #expect(!outcome.succeeded || outcome.output.hasPrefix("/proc"), "\(outcome)")
        try withRunning { _, runtime, id in
            #expect(!runtime.call(["exec", "--cwd", "/proc/self/fd/5", id, "true"]).succeeded)
        }
    }

    @Test("mount destinations and masks that are symbolic links of the image stay inside its root")
    func hostileLinks() throws {
        let bundle = try Bundle()
        let outside = "\(bundle.directory)/outside"
        mkdir(outside, 0o755)
        // Where the link leads to inside of the root.
        try #require(run("/bin/mkdir", ["mkdir", "-p", "\(bundle.directory)/rootfs\(outside)"]).succeeded)
        symlink("/../../../../../../..\(outside)", "\(bundle.directory)/rootfs/escape")
        symlink("/escape", "\(bundle.directory)/rootfs/etc/masked")
        bundle.configuration.set(
            ["mounts"],
            to: .array(
                (bundle.configuration["mounts"]?.arrayValue ?? []) + [
                    ["destination": "/escape/made", "type": "tmpfs", "source": "tmpfs"]
                ]))
        bundle.configuration.set(["linux", "maskedPaths"], to: ["/etc/masked"])
        try bundle.shell("true")
        let outcome = try Runtime.ours(bundle).run(bundle)
        #expect(HostFile.entries(outside).isEmpty)
        #expect(outcome.succeeded, "\(outcome)")
        #expect(HostFile.exists("\(bundle.directory)/rootfs\(outside)/made"))
    }

    @Test("pause stops a container, resume lets it go on; a paused one says so")
    func pause() throws {
        try withRunning { _, runtime, id in
            #expect(runtime.call(["pause", id]).succeeded)
            #expect(runtime.status(id) == "paused")
            #expect(!runtime.call(["exec", id, "true"]).succeeded)
            #expect(runtime.call(["resume", id]).succeeded)
            #expect(runtime.status(id) == "running")
            #expect(runtime.call(["pause", id]).succeeded)
            #expect(runtime.call(["delete", "--force", id]).succeeded)
            #expect(runtime.state(id) == nil)
        }
    }

    @Test("update changes limits, upwards and downwards; events tells what is used")
    func update() throws {
        try withRunning { _, runtime, id in
            for limit in ["32m", "128m", "16m"] {
                let outcome = runtime.call(["update", "--memory", limit, "--memory-swap", limit, "--pids-limit", "33", id])
                #expect(outcome.succeeded, "\(outcome.errors)")
            }
            let stats = try JSONValue(parsing: runtime.call(["events", "--stats", id]).output)
            #expect(stats[path: "data", "memory", "usage", "limit"] == 16_777_216)
            #expect(stats[path: "data", "pids", "limit"] == 33)
        }
    }

    @Test("list shows every container as a table, as JSON and by id")
    func list() throws {
        try withRunning { _, runtime, id in
            #expect(runtime.call(["list", "-q"]).lines == [id])
            #expect(runtime.call(["list"]).lines.first?.hasPrefix("ID") == true)
            let json = try JSONValue(parsing: runtime.call(["list", "--format", "json"]).output)
            #expect(json[0]?["status"] == "running" && json[0]?["id"]?.stringValue == id)
        }
    }

    @Test("delete --force ends a running container and everything in it, also without a pid namespace; a missing one is no error")
    func forcedDelete() throws {
        for namespaces in [nil, ["mount", "ipc", "uts"]] as [[String]?] {
            try withRunning { document in
                document.set(["process", "args"], to: ["sh", "-c", "sleep 61 & sleep 62 & wait"])
                guard let namespaces else { return }
                document.set(["linux", "namespaces"], to: .array(namespaces.map { ["type": .string($0)] }))
                document.set(["mounts"], to: .array((document["mounts"]?.arrayValue ?? []).filter { $0["type"] != "sysfs" }))
            } _: { _, runtime, id in
                var pids: [Int64] = []
                // `start` answers when the shell runs: its children come a moment later.
                let isWhole = eventually {
                    let list = try? JSONValue(parsing: runtime.call(["ps", "-f", "json", id]).output)
                    pids = list?.arrayValue?.compactMap(\.intValue) ?? []
                    return pids.count >= 3
                }
                #expect(isWhole, "\(pids)")
                #expect(runtime.call(["delete", "--force", id]).succeeded)
                #expect(eventually { pids.allSatisfy { ProcessHandle(pid: Int32($0)) == nil } })
                #expect(runtime.call(["delete", "--force", id]).succeeded)
                #expect(!runtime.call(["delete", id]).succeeded)
            }
        }
    }

    @Test("two creates of one id at once: exactly one wins")
    func race() async throws {
        let bundle = try Bundle()
        let runtime = try Runtime.ours(bundle)
        let id = Bundle.newID()
        let directory = bundle.directory
        let results = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<4 { group.addTask { runtime.call(["create", "--bundle", directory, id]).succeeded } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(results.filter { $0 }.count == 1)
        #expect(runtime.status(id) == "created")
        withExtendedLifetime(bundle) {}
    }

    @Test("--pid-file holds the container's pid; errors go to --log as JSON and to standard error")
    func filesForEngines() throws {
        let bundle = try Bundle()
        let runtime = try Runtime.ours(bundle)
        let id = Bundle.newID()
        #expect(runtime.create(bundle, id, ["--pid-file", "\(bundle.directory)/pid"]).succeeded)
        #expect(HostFile.text("\(bundle.directory)/pid") == runtime.state(id)?["pid"]?.intValue.map { "\($0)" })
        let failed = runtime.call(
            ["create", "--bundle", bundle.directory, id], ["--log", "\(bundle.directory)/log", "--log-format", "json"])
        #expect(failed.status == 1)
        let line = try JSONValue(parsing: HostFile.read("\(bundle.directory)/log"))
        #expect(line["level"] == "error" && line["msg"] == "container with given ID already exists")
        #expect(failed.errors.contains("already exists"))
    }

    @Test("a terminal is the container's own: its master comes over the console socket")
    func terminal() throws {
        let bundle = try Bundle {
            $0.set(["process", "terminal"], to: true)
            $0.set(["process", "consoleSize"], to: ["height": 31, "width": 97])
            $0.set(["process", "args"], to: ["sh", "-c", "tty; stty size; [ -c /dev/console ] && echo console"])
        }
        let runtime = try Runtime.ours(bundle)
        let id = Bundle.newID()
        #expect(!runtime.create(bundle, Bundle.newID()).succeeded)  // detached, without a socket
        let receiver = try ConsoleReceiver(path: "\(bundle.directory)/console.sock")
        let created = runtime.create(bundle, id, ["--console-socket", receiver.path])
        try #require(created.succeeded, "\(created.errors)")
        let master = try receiver.receive()
        defer { close(master) }
        #expect(runtime.call(["start", id]).succeeded)
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 512)
        while true {
            let n = buffer.withUnsafeMutableBytes { read(master, $0.baseAddress, $0.count) }
            if n <= 0 { break }
            text += String(decoding: buffer.prefix(n), as: UTF8.self)
        }
        #expect(text.split(whereSeparator: \.isNewline) == ["/dev/pts/0", "31 97", "console"])
    }

    @Test("features names what is understood; spec writes a bundle that runs")
    func featuresAndSpec() throws {
        let bundle = try Bundle()
        let runtime = try Runtime.ours(bundle)
        let features = try JSONValue(parsing: runtime.call(["features"]).output)
        #expect(features["hooks"]?.arrayValue?.count == 6)
        #expect(features["mountOptions"]?.arrayValue?.contains("tmpcopyup") == true)
        #expect(features[path: "linux", "namespaces"]?.arrayValue?.count == 8)
        unlink("\(bundle.directory)/config.json")
        #expect(runtime.call(["spec", "--bundle", bundle.directory]).succeeded)
        #expect(!runtime.call(["spec", "--bundle", bundle.directory]).succeeded)
        _ = try ContainerSpecification(parsing: HostFile.read("\(bundle.directory)/config.json"))
    }

    @Test("a state directory that a killed create left is found by delete --force")
    func leftovers() throws {
        let bundle = try Bundle()
        let runtime = try Runtime.ours(bundle)
        let id = Bundle.newID()
        mkdir(runtime.root, 0o700)
        mkdir("\(runtime.root)/\(id)", 0o700)
        #expect(!runtime.create(bundle, id).succeeded)
        #expect(runtime.call(["delete", "--force", id]).succeeded)
        #expect(runtime.create(bundle, id).succeeded)
    }

    @Test("systemd's groups and checkpoints are refused plainly")
    func refused() throws {
        let bundle = try Bundle()
        let runtime = try Runtime.ours(bundle)
        #expect(runtime.call(["list"], ["--systemd-cgroup"]).errors.contains("--systemd-cgroup"))
        #expect(runtime.call(["checkpoint", "x"]).errors.contains("checkpoint"))
        #expect(runtime.call(["list", "--no-such-flag"]).status == 1)
    }

    @Test("--preserve-fds passes descriptors on, and nothing else is open in the program")
    func preservedDescriptors() throws {
        let bundle = try Bundle()
        let runtime = try Runtime.ours(bundle)
        try HostFile.replace("\(bundle.directory)/passed", with: Array("passed on\n".utf8), mode: 0o644)
        try bundle.shell("cat <&3; ls /proc/self/fd | grep -c .")
        let script =
            "exec 3<\(bundle.directory)/passed 7</etc; exec \(runtime.path) --root \(runtime.root) run --preserve-fds 1 --bundle \(bundle.directory) \(Bundle.newID())"
        // 0, 1, 2, the one passed on, and the directory that ls reads.
        #expect(run("/bin/sh", ["sh", "-c", script]).lines == ["passed on", "5"])
        #expect(runtime.call(["run", "--preserve-fds", "3", "--bundle", bundle.directory, Bundle.newID()]).status == 1)
    }

    @Test("--no-pivot enters the root all the same, and the host's is out of reach")
    func withoutPivot() throws {
        let bundle = try Bundle()
        let runtime = try Runtime.ours(bundle)
        try bundle.shell("ls -d /../../work /proc/1/root/work /lib 2>/dev/null; grep -c . /proc/self/mountinfo; pwd")
        let outcome = runtime.call(["run", "--no-pivot", "--bundle", bundle.directory, Bundle.newID()])
        #expect(outcome.succeeded, "\(outcome.errors)")
        #expect(outcome.lines.last == "/" && outcome.lines.count == 2)
    }

    @Test("without a mount namespace the host's mount table stays as it was")
    func sharedMounts() throws {
        let bundle = try Bundle { document in
            document.set(["linux", "namespaces"], to: [["type": "pid"], ["type": "ipc"]])
            document.set(["hostname"], to: nil)
            document.set(
                ["mounts"],
                to: [["destination": "/proc", "type": "proc", "source": "proc"], ["destination": "/tmp", "type": "tmpfs"]])
        }
        let runtime = try Runtime.ours(bundle)
        try bundle.shell("stat -f -c %T /tmp; ls /proc/self/cmdline; sleep 60")
        let id = Bundle.newID()
        let started = runtime.call(["run", "--detach", "--bundle", bundle.directory, id])
        #expect(started.lines.count <= 2)
        #expect(runtime.status(id) == "running", "\(started.errors)")
        #expect(HostFile.text("/proc/self/mountinfo")?.contains(bundle.directory) == false)
        #expect(runtime.call(["exec", id, "stat", "-f", "-c", "%T", "/tmp"]).lines == ["tmpfs"])
        #expect(runtime.call(["delete", "--force", id]).succeeded)
    }

    @Test(
        "the device list of cgroup v2 is a program that this kernel takes and obeys",
        .enabled(if: HostFile.exists("/sys/fs/cgroup/unified/cgroup.procs")))
    func deviceProgram() throws {
        let group = "/sys/fs/cgroup/unified/\(Bundle.newID())"
        mkdir(group, 0o755)
        defer { rmdir(group) }
        var rules = ResourceSpecification()
        rules.devices = [.init(allow: false, type: "a", major: nil, minor: nil, access: "rwm")]
        try DeviceProgram(rules.effectiveDeviceRules()).attach(to: group)
        let node = "/tmp/\(Bundle.newID())"
        // The kernel's log, 1:11: no default device.
        try #require(mknod(node, S_IFCHR | 0o600, 1 << 8 | 11) == 0)
        defer { unlink(node) }
        let script = "(: < \(node)) && echo open; echo 0 > \(group)/cgroup.procs; (: < \(node)) 2>/dev/null || echo refused; (: < /dev/null) && echo null"
        #expect(run("/bin/sh", ["sh", "-c", script]).lines == ["open", "refused", "null"])
    }

    @Test("many containers at once: each is created, started and deleted, whoever of launcher and process speaks first")
    func manyAtOnce() async throws {
        let bundle = try Bundle { $0.set(["process", "args"], to: ["true"]) }
        let runtime = try Runtime.ours(bundle)
        let directory = bundle.directory
        let failures = await withTaskGroup(of: [String].self) { group in
            for _ in 0..<6 {
                group.addTask {
                    var failures: [String] = []
                    for _ in 0..<8 {
                        let id = Bundle.newID()
                        let steps = [runtime.call(["create", "--bundle", directory, id]), runtime.call(["start", id])]
                        failures += steps.filter { !$0.succeeded }.map(\.errors)
                        if !runtime.await(id, "stopped") { failures.append("\(id) does not end") }
                        let deleted = runtime.call(["delete", id])
                        if !deleted.succeeded { failures.append(deleted.errors) }
                    }
                    return failures
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(failures.isEmpty)
        #expect(runtime.call(["list", "-q"]).lines.isEmpty)
        withExtendedLifetime(bundle) {}
    }
}
