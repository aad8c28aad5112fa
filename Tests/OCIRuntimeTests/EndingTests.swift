// Ends of containers that hang, are frozen, or fork faster than they are looked at; and a start that is cut off.

import CLinux
import Glibc
import JSON
import Testing

@testable import OCIRuntime

@Suite("Ends", .enabled(if: Machine.canRun, "needs root, busybox-static and a built swiftlet-oci"))
struct EndingTests {
    /// A container whose start hangs in a hook of its own, and what `start` says in the end.
    private func withHangingStart(_ body: (Bundle, Runtime, String) throws -> Void) throws -> Outcome {
        let bundle = try Bundle { document in
            document.set(
                ["hooks", "startContainer"],
                to: [["path": "/bin/sh", "args": ["sh", "-c", "echo on > /hook; sleep 300"], "env": ["PATH=/bin"]]])
        }
        bundle.configuration.set(
            ["hooks", "poststart"],
            to: [["path": "/bin/sh", "args": ["sh", "-c", .string("echo ran > \(bundle.directory)/poststart")]]])
        try bundle.write()
        let runtime = try Runtime.ours(bundle)
        let id = Bundle.newID()
        try #require(runtime.create(bundle, id).succeeded)
        // Beside this process: nothing here may wait for a thread that others of these tests hold.
        let log = "\(bundle.directory)/start"
        let command = "\(runtime.path) --root \(runtime.root) start \(id)"
        #expect(
            run("/bin/sh", ["sh", "-c", "(\(command) >\(log) 2>&1; echo $? >\(log).status) </dev/null >/dev/null 2>&1 &"])
                .succeeded)
        #expect(eventually { HostFile.exists("\(bundle.directory)/rootfs/hook") })
        try body(bundle, runtime, id)
        #expect(eventually { HostFile.text("\(log).status")?.isEmpty == false })
        #expect(!HostFile.exists("\(bundle.directory)/poststart"))
        let status = Int32((HostFile.text("\(log).status") ?? "").prefix { $0 != "\n" })
        return Outcome(status: status ?? -1, output: "", errors: HostFile.text(log) ?? "")
    }

    @Test("a process that is killed between gate and exec makes start fail, and poststart hooks do not run")
    func killedAtStart() throws {
        let outcome = try withHangingStart { _, runtime, id in #expect(runtime.call(["kill", id, "KILL"]).succeeded) }
        #expect(!outcome.succeeded)
        #expect(
            outcome.errors.contains("before its program was executed") || outcome.errors.contains("ended by signal 9"),
            "\(outcome.errors)")
    }

    @Test("delete --force does not wait for a start that hangs")
    func deleteDuringStart() throws {
        let outcome = try withHangingStart { _, runtime, id in
            let deleted = runtime.call(["delete", "--force", id])
            #expect(deleted.succeeded, "\(deleted.errors)")
            #expect(runtime.state(id) == nil)
        }
        #expect(!outcome.succeeded)
    }

    /// Two chains of processes that each start the next one and end, behind many that take time to signal.
    private func withHopping(_ body: (Runtime, String, _ group: String) throws -> Void) throws {
        let path = "/\(Bundle.newID())"
        let bundle = try Bundle { document in
            document.set(["linux", "namespaces"], to: [["type": "mount"], ["type": "ipc"], ["type": "uts"]])
            document.set(["linux", "cgroupsPath"], to: .string(path))
            document.set(["mounts"], to: .array((document["mounts"]?.arrayValue ?? []).filter { $0["type"] != "sysfs" }))
        }
        try HostFile.replace(
            "\(bundle.directory)/rootfs/hop", with: Array("[ $1 -gt 0 ] || exit\nsh /hop $(($1 - 1)) &\n".utf8), mode: 0o755)
        try bundle.shell("i=0; while [ $i -lt 150 ]; do sleep 61 & i=$((i + 1)); done; sh /hop 20000 & sh /hop 20000 & sleep 60")
        let runtime = try Runtime.ours(bundle)
        let id = Bundle.newID()
        try #require(runtime.create(bundle, id).succeeded)
        try #require(runtime.call(["start", id]).succeeded)
        let group = "/sys/fs/cgroup/pids\(path)"
        try #require(eventually { HostFile.text("\(group)/cgroup.procs")?.split(separator: "\n").count ?? 0 > 152 })
        try body(runtime, id, group)
        withExtendedLifetime(bundle) {}
    }

    @Test(
        "kill --all reaches who is being born, without a pid namespace too",
        .enabled(if: HostFile.isDirectory("/sys/fs/cgroup/pids")),
        arguments: [["kill", "--all"], ["kill"]])
    func hopping(_ verb: [String]) throws {
        try withHopping { runtime, id, group in
            #expect(runtime.call(verb + [id, "KILL"]).succeeded)
            // A list of the moment may miss them; a group in which somebody is cannot be removed.
            #expect(eventually(seconds: 5) { rmdir(group) == 0 })
        }
    }

    @Test("a group of cgroup v2 is killed as a whole", .enabled(if: HostFile.exists("/sys/fs/cgroup/unified/cgroup.procs")))
    func killAll() throws {
        let name = Bundle.newID()
        let place = CgroupPlace(
            version: 2, controller: "unified", controllers: [], mount: "/sys/fs/cgroup/unified", group: "/\(name)")
        try #require(mkdir(place.directory, 0o755) == 0)
        defer { CgroupDirectories.remove([place.directory]) }
        let child = try ChildProcess.spawn("/bin/sleep", ["sleep", "300"])
        try #require(HostFile.writeOnce("\(place.directory)/cgroup.procs", "\(child)") == 0)
        let lifecycle = ContainerLifecycle(directory: StateDirectory(root: "/nonexistent"))
        #expect(lifecycle.signalEverybody(in: [place], SIGKILL))
        #expect(ChildProcess.reap(child) == SIGKILL)
        #expect(!lifecycle.signalEverybody(in: [place], SIGKILL))
    }

    @Test("a paused container is ended by SIGKILL")
    func killPaused() throws {
        let bundle = try Bundle()
        let runtime = try Runtime.ours(bundle)
        let id = Bundle.newID()
        try #require(runtime.create(bundle, id).succeeded)
        try #require(runtime.call(["start", id]).succeeded)
        #expect(runtime.call(["pause", id]).succeeded)
        #expect(runtime.call(["kill", id, "KILL"]).succeeded)
        #expect(eventually(seconds: 10) { runtime.status(id) == "stopped" })
        withExtendedLifetime(bundle) {}
    }

    @Test("a created container that is paused says so, is not started, and resumes")
    func pauseCreated() throws {
        let bundle = try Bundle()
        let runtime = try Runtime.ours(bundle)
        let id = Bundle.newID()
        try #require(runtime.create(bundle, id).succeeded)
        #expect(runtime.call(["pause", id]).succeeded)
        #expect(runtime.status(id) == "paused")
        #expect(runtime.call(["resume", id]).succeeded)
        #expect(runtime.status(id) == "created")
        #expect(runtime.call(["pause", id]).succeeded)
        #expect(runtime.call(["start", id]).errors.contains("paused"))
        #expect(runtime.call(["resume", id]).succeeded)
        #expect(runtime.call(["start", id]).succeeded)
        #expect(runtime.status(id) == "running")
        withExtendedLifetime(bundle) {}
    }

    @Test("kill --all and ps of a stopped container find nothing wrong")
    func stopped() throws {
        let bundle = try Bundle { $0.set(["process", "args"], to: ["true"]) }
        let runtime = try Runtime.ours(bundle)
        let id = Bundle.newID()
        try #require(runtime.create(bundle, id).succeeded)
        try #require(runtime.call(["start", id]).succeeded)
        try #require(runtime.await(id, "stopped"))
        #expect(runtime.call(["kill", "--all", id, "TERM"]).succeeded)
        #expect(!runtime.call(["kill", id, "TERM"]).succeeded)
        #expect(runtime.call(["ps", "--format", "json", id]).lines == ["[]"])
        #expect(runtime.call(["ps", id]).succeeded)
        withExtendedLifetime(bundle) {}
    }
}
