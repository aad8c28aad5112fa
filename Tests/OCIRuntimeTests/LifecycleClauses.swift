// runtime.md: state, create, start, kill, delete.

import Glibc
import JSON

@testable import OCIRuntime

extension Clause {
    static let lifecycle: [Clause] = [
        Clause("runtime.md#query-state", "a missing id, or an unknown container, is an error") { runtime in
            let bundle = try Bundle()
            return !runtime(bundle).call(["state"]).succeeded && !runtime(bundle).call(["state", Bundle.newID()]).succeeded
        },
        Clause("runtime.md#state", "ociVersion, id, status, pid, bundle and annotations are given") { runtime in
            try created(runtime) {
                $0.set(["annotations"], to: ["org.example.key": "value"])
            } _: { bundle, runtime, id in
                guard let state = runtime.state(id), let pid = state["pid"]?.intValue else { return false }
                return state["ociVersion"]?.stringValue?.hasPrefix("1.") == true && state["id"]?.stringValue == id
                    && state["status"] == "created" && kill(pid_t(pid), 0) == 0
                    && state["bundle"]?.stringValue == bundle.directory
                    && state["annotations"]?["org.example.key"] == "value"
            }
        },
        Clause("runtime.md#create", "an id that is in use is refused, and the container that has it goes on") { runtime in
            try created(runtime) { bundle, runtime, id in
                !runtime.create(bundle, id).succeeded && runtime.status(id) == "created"
            }
        },
        Clause("runtime.md#create", "without an id, or without a bundle, nothing is made") { runtime in
            let bundle = try Bundle()
            let missing = runtime(bundle).call(["create", "--bundle", bundle.directory + "/nowhere", Bundle.newID()])
            return !runtime(bundle).call(["create", "--bundle", bundle.directory]).succeeded && !missing.succeeded
        },
        Clause("runtime.md#create", "process.args is not applied before start") { runtime in
            let bundle = try Bundle()
            try bundle.shell("echo started > /started")
            let runtime = runtime(bundle)
            let id = Bundle.newID()
            guard runtime.create(bundle, id).succeeded else { return false }
            let early = HostFile.exists("\(bundle.directory)/rootfs/started")
            let started = runtime.call(["start", id]).succeeded
            return !early && started && eventually { HostFile.exists("\(bundle.directory)/rootfs/started") }
        },
        Clause("runtime.md#create", "what is changed in config.json afterwards has no effect") { runtime in
            let bundle = try Bundle()
            try bundle.shell("echo first > /which")
            let runtime = runtime(bundle)
            let id = Bundle.newID()
            guard runtime.create(bundle, id).succeeded else { return false }
            try bundle.shell("echo second > /which")
            return runtime.call(["start", id]).succeeded
                && eventually { HostFile.text("\(bundle.directory)/rootfs/which") == "first\n" }
        },
        Clause("runtime.md#create", "a configuration that cannot be applied makes no container") { runtime in
            let bundle = try Bundle {
                $0.set(["mounts"], to: [["destination": "/x", "source": "/no/such/source", "options": ["bind"]]])
            }
            let id = Bundle.newID()
            let runtime = runtime(bundle)
            return !runtime.create(bundle, id).succeeded && runtime.state(id) == nil
        },
        Clause("runtime.md#start", "a container is started once: again, or without an id, is an error without effect") {
            runtime in
            try created(runtime) { _, runtime, id in
                runtime.call(["start", id]).succeeded && !runtime.call(["start", id]).succeeded
                    && !runtime.call(["start"]).succeeded
                    && runtime.status(id) == "running"
            }
        },
        Clause("runtime.md#start", "without process start is an error, create is none") { runtime in
            try created(runtime) {
                $0.set(["process"], to: nil)
            } _: { _, runtime, id in
                !runtime.call(["start", id]).succeeded
            }
        },
        Clause("runtime.md#start", "a container whose program has ended is stopped, and is not started again") { runtime in
            try created(runtime) {
                $0.set(["process", "args"], to: ["true"])
            } _: { _, runtime, id in
                runtime.call(["start", id]).succeeded && runtime.await(id, "stopped") && !runtime.call(["start", id]).succeeded
            }
        },
        Clause("runtime.md#kill", "the signal that is named reaches the container's process") { runtime in
            let bundle = try Bundle()
            try bundle.shell("trap 'echo usr1 > /got; exit' USR1; echo ready > /ready; while :; do sleep 0.05; done")
            let runtime = runtime(bundle)
            let id = Bundle.newID()
            guard runtime.create(bundle, id).succeeded, runtime.call(["start", id]).succeeded,
                eventually({ HostFile.exists("\(bundle.directory)/rootfs/ready") })
            else { return false }
            return runtime.call(["kill", id, "USR1"]).succeeded
                && eventually { HostFile.text("\(bundle.directory)/rootfs/got") == "usr1\n" }
        },
        Clause("runtime.md#kill", "a container that is neither created nor running is an error") { runtime in
            try created(runtime) {
                $0.set(["process", "args"], to: ["true"])
            } _: { _, runtime, id in
                runtime.call(["start", id]).succeeded && runtime.await(id, "stopped")
                    && !runtime.call(["kill", id, "KILL"]).succeeded
            }
        },
        Clause("runtime.md#kill", "a created container is ended by SIGKILL") { runtime in
            try created(runtime) { _, runtime, id in runtime.call(["kill", id, "KILL"]).succeeded && runtime.await(id, "stopped")
            }
        },
        Clause("runtime.md#delete", "a container that is running is not deleted, and runs on") { runtime in
            try created(runtime) { _, runtime, id in
                runtime.call(["start", id]).succeeded && !runtime.call(["delete", id]).succeeded
                    && runtime.status(id) == "running"
            }
        },
        Clause("runtime.md#delete", "a container that is created is not deleted, and stays") { runtime in
            try created(runtime) { _, runtime, id in !runtime.call(["delete", id]).succeeded && runtime.status(id) == "created" }
        },
        Clause("runtime.md#delete", "what create made is gone, and the id may be used again") { runtime in
            try created(runtime) {
                $0.set(["process", "args"], to: ["true"])
            } _: { bundle, runtime, id in
                guard runtime.call(["start", id]).succeeded, runtime.await(id, "stopped"), runtime.call(["delete", id]).succeeded
                else { return false }
                return runtime.state(id) == nil && runtime.create(bundle, id).succeeded
            }
        },
        Clause("runtime.md#delete", "groups that the container did not make stay") { runtime in
            let group = "/sys/fs/cgroup/pids/\(Bundle.newID())"
            guard mkdir(group, 0o755) == 0 else { return true }
            defer { rmdir(group) }
            return try created(runtime) {
                $0.set(["linux", "cgroupsPath"], to: .string("/\(group.split(separator: "/").last ?? "")/inner"))
                $0.set(["process", "args"], to: ["true"])
            } _: { _, runtime, id in
                guard runtime.call(["start", id]).succeeded, runtime.await(id, "stopped"), runtime.call(["delete", id]).succeeded
                else { return false }
                return HostFile.isDirectory(group) && !HostFile.isDirectory("\(group)/inner")
            }
        },
    ]
}
