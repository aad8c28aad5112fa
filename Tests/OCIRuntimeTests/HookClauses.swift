// config.md, "POSIX-platform Hooks", and runtime.md, "Lifecycle".

import Glibc
import JSON

@testable import OCIRuntime

extension Clause {
    /// A hook that appends a line, and what else it is to do, to the bundle's `hooks` file. Inside the container that file is /hooks.
    private static func hook(_ script: String) -> JSONValue {
        ["path": "/bin/sh", "args": ["sh", "-c", .string(script)], "env": ["PATH=/usr/bin:/bin"]]
    }

    private static func withHooks(_ kinds: [String: [String]]) -> (inout JSONValue) -> Void {
        { document in
            for (kind, scripts) in kinds { document.set(["hooks", kind], to: .array(scripts.map(hook))) }
        }
    }

    static let hooks: [Clause] = [
        Clause(
            "runtime.md#lifecycle",
            "hooks run in order: prestart, createRuntime, createContainer, startContainer, the program, poststart, poststop"
        ) { runtime in
            let bundle = try Bundle()
            let log = "\(bundle.directory)/rootfs/log"
            withHooks([
                "prestart": ["echo prestart >> \(log)"], "createRuntime": ["echo createRuntime >> \(log)"],
                "createContainer": ["echo createContainer >> \(log)"], "startContainer": ["echo startContainer >> /log"],
                "poststart": ["echo poststart >> \(log)"], "poststop": ["echo poststop >> \(log)"],
            ])(&bundle.configuration)
            try bundle.shell("while ! /bin/grep -q poststart /log; do sleep 0.02; done; echo program >> /log")
            guard runtime(bundle).run(bundle).succeeded else { return false }
            return HostFile.text(log)
                == "prestart\ncreateRuntime\ncreateContainer\nstartContainer\npoststart\nprogram\npoststop\n"
        },
        Clause("config.md#posix-platform-hooks", "the state comes over standard input, with the status of the moment") {
            runtime in
            let bundle = try Bundle()
            let place = bundle.directory
            withHooks([
                "createRuntime": ["/bin/cat > \(place)/createRuntime"], "poststart": ["/bin/cat > \(place)/poststart"],
                "poststop": ["/bin/cat > \(place)/poststop"],
            ])(&bundle.configuration)
            try bundle.shell("sleep 0.1")
            let id = Bundle.newID()
            guard runtime(bundle).run(bundle, id).succeeded else { return false }
            func state(_ name: String) throws -> JSONValue { try JSONValue(parsing: HostFile.read("\(place)/\(name)")) }
            let created = try state("createRuntime")
            let running = try state("poststart")
            let stopped = try state("poststop")
            return created["id"]?.stringValue == id && created["bundle"]?.stringValue == place
                && (created["pid"]?.intValue ?? 0) > 1
                && ["creating", "created"].contains(created["status"]?.stringValue) && running["status"] == "running"
                && stopped["status"] == "stopped"
        },
        Clause("runtime.md#lifecycle", "a prestart or createRuntime hook that fails is an error, and no container is left") {
            runtime in
            try ["prestart", "createRuntime", "createContainer"].allSatisfy { kind in
                let bundle = try Bundle(withHooks([kind: ["exit 3"]]))
                let id = Bundle.newID()
                let runtime = runtime(bundle)
                return !runtime.create(bundle, id).succeeded && runtime.state(id) == nil
            }
        },
        Clause("runtime.md#lifecycle", "a startContainer hook that fails is an error, and the program does not run") { runtime in
            let bundle = try Bundle(withHooks(["startContainer": ["exit 3"]]))
            try bundle.shell("echo ran > /ran")
            let runtime = runtime(bundle)
            let id = Bundle.newID()
            guard runtime.create(bundle, id).succeeded else { return false }
            return !runtime.call(["start", id]).succeeded && !HostFile.exists("\(bundle.directory)/rootfs/ran")
        },
        Clause("runtime.md#lifecycle", "a poststart hook that fails is an error and ends the container") { runtime in
            try created(runtime, withHooks(["poststart": ["exit 3"]])) { _, runtime, id in
                !runtime.call(["start", id]).succeeded && eventually { [nil, "stopped"].contains(runtime.status(id)) }
            }
        },
        Clause("runtime.md#lifecycle", "a poststop hook that fails is logged, and the others run") { runtime in
            let bundle = try Bundle()
            withHooks(["poststop": ["exit 3", "echo second > \(bundle.directory)/second"]])(&bundle.configuration)
            bundle.configuration.set(["process", "args"], to: ["true"])
            try bundle.write()
            return runtime(bundle).run(bundle).succeeded && HostFile.exists("\(bundle.directory)/second")
        },
        Clause("config.md#posix-platform-hooks", "a hook that outlives its timeout is ended, and that is an error") { runtime in
            // Left alone it would end in time, and well. Its argument is nobody else's.
            let duration = "20.\(UInt32.random(in: 1_000_000...UInt32.max))"
            let bundle = try Bundle { document in
                document.set(["hooks", "createRuntime"], to: [["path": "/bin/sleep", "args": ["sleep", .string(duration)], "timeout": 1]])
            }
            guard !runtime(bundle).create(bundle, Bundle.newID()).succeeded else { return false }
            return !HostFile.entries("/proc").contains { HostFile.text("/proc/\($0)/cmdline")?.contains(duration) == true }
        },
        Clause("config.md#createContainer-hooks", "createContainer hooks see the host's paths from the container's namespaces") {
            runtime in
            let bundle = try Bundle()
            withHooks(["createContainer": ["readlink /proc/self/ns/uts > \(bundle.directory)/uts"]])(&bundle.configuration)
            try bundle.shell("readlink /proc/self/ns/uts")
            let outcome = runtime(bundle).run(bundle)
            return outcome.succeeded && HostFile.text("\(bundle.directory)/uts") == outcome.output
        },
    ]
}
