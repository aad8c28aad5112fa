// Containers that stand on an image of the store: the same promises over RunP and RunC.
import CLinux
import Glibc
import ImageStore
import LocalRuntime
import RunC
import RunP
import RuntimeInterface
import Spawn
import Testing

@Suite("Containers of images", .enabled(if: Machine.canRun), .timeLimit(.minutes(3)))
struct ImageRootTests {
    /// `runpInMemory`: as a Lite has it, with records apart from what the container writes.
    enum Kind: String, Sendable, CaseIterable { case runp, runpInMemory, runc }

    /// One runtime with a store of its own and one image: busybox, an account, an entrypoint.
    private final class Stage {
        let directory: String
        let store: ImageStore
        let runtime: any ContainerRuntime
        private let close: () async throws -> Void
        let events = Events()
        let podUID = "21111111-2222-3333-4444-555555555555"

        init(_ kind: Kind) async throws {
            var template = Array("/var/tmp/swiftlet-lab.XXXXXX".utf8CString)
            directory = try #require(mkdtemp(&template).map { String(cString: $0) })
            store = try ImageStore(stateDirectory: directory)
            let images = StoredImages(store)
            var configuration = LocalConfiguration(
                launcherPath: try #require(Machine.launcher), stateDirectory: "\(directory)/\(kind)",
                cgroupParent: "swiftlet-test.\(directory.suffix(6))")
            configuration.permitsUnconfined = true
            configuration.roots = images
            let resolver: RuntimeImageResolver = { try await images.resolve($0) }
            switch kind {
            case .runp, .runpInMemory:
                configuration.keepsRecordsInMemory = kind == .runpInMemory
                let runtime = try RunPRuntime(configuration: configuration, images: resolver)
                (self.runtime, close) = (runtime, { try await runtime.close() })
            case .runc:
                let runtime = try RunCRuntime(
                    configuration: configuration, programs: [try #require(OCIPrograms.runc)], images: resolver)
                (self.runtime, close) = (runtime, { try await runtime.close() })
            }
            try importImage()
            let events = events
            await runtime.onEvent { events.add($0) }
            try await runtime.runPodSandbox(
                PodSandboxConfig(
                    podUID: podUID, namespace: "alice", name: "pod", hostname: "alice-pod", stateDirectory: directory,
                    logDirectory: "\(directory)/log",
                    hostAliases: [HostAlias(ip: "10.1.2.3", hostnames: ["bob.svc"])], nameservers: [], searches: [], network: nil,
                    kernelParameters: []))
        }

        private func importImage() throws {
            let tree = directory + "/tree"
            let script = """
                set -e; mkdir -p "$1/bin" "$1/etc" "$1/home/alice" "$1/work"; cp /bin/busybox "$1/bin/busybox"
                for name in sh id cat touch stat env pwd; do ln -s busybox "$1/bin/$name"; done
                echo 'alice:x:1000:2000::/home/alice:/bin/sh' > "$1/etc/passwd"; echo 'staff:x:50:alice' > "$1/etc/group"
                chown 1000:2000 "$1/home/alice"; tar -C "$1" -cf "$1.tar" .; rm -r "$1"
                """
            let run = try ProgramRun(
                "/bin/sh", arguments: ["sh", "-c", script, "sh", tree], environment: ["PATH=/usr/bin:/bin"],
                deadlineMilliseconds: 30_000)
            try #require(run.succeeded, "\(run.complaint)")
            var process = ImageConfig.Process()
            process.user = "alice"
            process.env = ["GREETING=from the image", "PATH=/bin"]
            process.entrypoint = ["/bin/sh", "-c"]
            process.cmd = ["exit 7"]
            process.workingDir = "/work"
            process.stopSignal = "SIGUSR1"
            let file = clinux_open(tree + ".tar", O_RDONLY | O_CLOEXEC, 0)
            defer { Glibc.close(file) }
            _ = try store.importTree(
                fd: file, subject: "tree", name: try ImageReference("localhost/box:1"), process: process, now: 1)
        }

        /// Runs to the end: the exit code and what it said.
        func run(_ name: String, _ change: (inout ContainerConfig) -> Void = { _ in }) async throws -> (
            code: Int, output: [String]
        ) {
            var config = ContainerConfig(name: name, image: "localhost/box:1", logPath: "\(directory)/log/\(name).log")
            change(&config)
            let id = try await runtime.createContainer(podUID: podUID, config: config)
            try await runtime.startContainer(id)
            try #require(await events.wait(id, seconds: 60))
            guard case .exited(let exit)? = try await runtime.status(id)?.phase else {
                throw RuntimeError.notFound("end of \(id)")
            }
            let output = Lab.text(config.logPath).split(separator: "\n").map {
                $0.split(separator: " ", maxSplits: 3).dropFirst(3).joined()
            }
            return (Int(exit.exitCode), output + (exit.exitCode == 128 ? [exit.message ?? ""] : []))
        }

        /// Within a minute.
        func says(_ word: String, _ path: String) async throws -> Bool {
            for _ in 0..<6000 where !Lab.text(path).contains(word) { try await Task.sleep(for: .milliseconds(10)) }  // nobody tells of a line
            return Lab.text(path).contains(word)
        }

        func cleanUp() async throws {
            try await runtime.stopPodSandbox(podUID: podUID)
            try await runtime.removePodSandbox(podUID: podUID)
            #expect(try store.rootfses().isEmpty, "roots are left")
            #expect(!Lab.text("/proc/self/mounts").contains(directory), "mounts are left")
            try await close()
            let run = try ProgramRun("/bin/rm", arguments: ["rm", "-rf", directory], deadlineMilliseconds: 30_000)
            #expect(run.succeeded)
        }
    }

    private func withStage(_ kind: Kind, _ body: (Stage) async throws -> Void) async throws {
        let stage = try await Stage(kind)
        do { try await body(stage) } catch {
            try? await stage.cleanUp()
            throw error
        }
        try await stage.cleanUp()
    }

    @Test("what asks it to stop is the image's signal, and the container's own goes before", arguments: Kind.allCases)
    func stopSignal(_ kind: Kind) async throws {
        try await withStage(kind) { stage in
            let waits = "while :; do /bin/busybox sleep 0.05; done"
            let traps = "trap 'exit 5' USR1; trap 'exit 6' QUIT; trap 'exit 7' TERM; trap 'exit 8' 37; trap 'exit 9' PIPE; trap 'exit 10' SEGV"
            let script = "\(traps); echo ready; \(waits)"
            let signals = [
                ("image", nil, 5), ("own", "SIGQUIT", 6), ("usual", "TERM", 7), ("late", "RTMIN+3", 8), ("pipe", "PIPE", 9), ("fault", "11", 10),
            ]
            for (name, signal, code) in signals {
                var config = ContainerConfig(
                    name: name, image: "localhost/box:1", args: [script], logPath: "\(stage.directory)/log/\(name).log")
                config.stopSignal = signal
                let id = try await stage.runtime.createContainer(podUID: stage.podUID, config: config)
                try await stage.runtime.startContainer(id)
                #expect(try await stage.says("ready", config.logPath), "\(name)")
                try await stage.runtime.stopContainer(id, graceSeconds: 20)
                guard case .exited(let exit)? = try await stage.runtime.status(id)?.phase else {
                    throw RuntimeError.notFound("end of \(id)")
                }
                #expect(exit.exitCode == code && exit.signal == nil, "\(name): \(exit)")
            }
        }
    }

    @Test(
        "entrypoint, arguments, environment, working directory and user are the image's until the pod says otherwise",
        arguments: Kind.allCases)
    func defaults(_ kind: Kind) async throws {
        try await withStage(kind) { stage in
            #expect(try await stage.run("defaults").code == 7)
            let said = try await stage.run("asked") {
                $0.args = ["id -u; id -g; id -G; echo $GREETING; echo $HOME; pwd; stat -c %u:%g /bin/busybox /home/alice"]
            }
            #expect(said.output == ["1000", "2000", "2000 50", "from the image", "/home/alice", "/work", "0:0", "1000:2000"])
            let other = try await stage.run("other") { config in
                config.command = ["/bin/sh", "-c", "id -u; id -g; echo $GREETING; pwd"]
                config.runAsUser = 0
                config.environment = [EnvironmentVariable(name: "GREETING", value: "from the pod")]
                config.workingDirectory = "/home"
            }
            #expect(other.output == ["0", "0", "from the pod", "/home"])
        }
    }

    @Test("its root sees the container's own groups in a /sys that it cannot write to, although its root file system is its own", arguments: Kind.allCases)
    func ownGroups(_ kind: Kind) async throws {
        try await withStage(kind) { stage in
            let said = try await stage.run("groups") { config in
                config.limits.memoryBytes = 96 << 20
                config.runAsUser = 0
                config.command = ["/bin/busybox", "sh", "-c"]
                config.args = [
                    """
                    alias b=/bin/busybox
                    cd /sys/fs/cgroup; b cat memory.max memory/memory.limit_in_bytes 2> /dev/null
                    for place in /x /sys/x /sys/fs/x ./x; do b mkdir $place 2> /dev/null && echo made $place; done
                    b rm -f cpu 2> /dev/null; test -e cpu -o -e cpu.max && echo there
                    """
                ]
            }
            #expect(said.output == ["\(96 << 20)", "made /x", "there"])
        }
    }

    @Test(
        "what a container writes over its image is its own, and goes with it; a read-only root takes nothing",
        arguments: Kind.allCases)
    func writable(_ kind: Kind) async throws {
        try await withStage(kind) { stage in
            let script = "cat /home/alice/note 2>/dev/null; echo mine > /home/alice/note && cat /home/alice/note"
            for name in ["one", "two"] {
                let said = try await stage.run(name) { config in
                    config.readOnlyRootFilesystem = false
                    config.args = [script]
                }
                #expect(said.output == ["mine"])
            }
            let root = try await stage.run("root") { config in
                config.readOnlyRootFilesystem = false
                config.runAsUser = 0
                config.args = ["echo changed > /etc/passwd && cat /etc/passwd; touch /new && stat -c %u /new"]
            }
            #expect(root.output == ["changed", "0"])
            #expect(
                try await stage.run("three") { $0.args = ["cat /etc/passwd"] }.output == [
                    "alice:x:1000:2000::/home/alice:/bin/sh"
                ])
            let readOnly = try await stage.run("locked") { config in
                config.readOnlyRootFilesystem = true
                config.runAsUser = 0
                config.args = ["echo x > /new || echo refused"]
            }
            #expect(readOnly.output.contains("refused"))
        }
    }

    @Test("directories that a mount needs belong to the container's root, who may fill them", arguments: Kind.allCases)
    func mountPoints(_ kind: Kind) async throws {
        try await withStage(kind) { stage in
            let volume = stage.directory + "/volume"
            try #require(mkdir(volume, 0o755) == 0)
            let said = try await stage.run("mounted") { config in
                config.readOnlyRootFilesystem = false
                config.runAsUser = 0
                config.mounts = [ContainerMount(hostPath: volume, containerPath: "/opt/app/conf", readOnly: false)]
                config.args = ["stat -c %u:%g /opt /opt/app; touch /opt/app/other && echo written"]
            }
            #expect(said.output == ["0:0", "0:0", "written"])
        }
    }

    @Test(
        "as in Kubernetes: files can be written, a working directory that the image lacks is made, a named user is no root",
        arguments: Kind.allCases)
    func kubernetesDefaults(_ kind: Kind) async throws {
        try await withStage(kind) { stage in
            let made = try await stage.run("made") { config in
                config.workingDirectory = "/srv/app"
                config.runAsUser = 0
                config.args = ["pwd; touch /srv/app/x /etc/x && echo written"]
            }
            #expect(made.output == ["/srv/app", "written"])
            let named = try await stage.run("named") { config in
                config.runAsNonRoot = true
                config.args = ["id -u"]
            }
            #expect(named.output == ["1000"])
            await #expect(throws: RuntimeError.self) {
                _ = try await stage.run("root") { ($0.runAsNonRoot, $0.runAsUser) = (true, 0) }
            }
        }
    }

    @Test("the pod's hosts are there, though the image has no such file", arguments: Kind.allCases)
    func hosts(_ kind: Kind) async throws {
        try await withStage(kind) { stage in
            let said = try await stage.run("hosts") { $0.args = ["cat /etc/hosts"] }
            #expect(said.output.contains { $0.contains("10.1.2.3") && $0.contains("bob.svc") })
        }
    }

    @Test("an image that is not there is named, and nothing is made", arguments: Kind.allCases)
    func missing(_ kind: Kind) async throws {
        try await withStage(kind) { stage in
            await #expect(throws: RuntimeError.imageNotPresent("localhost/none:1")) {
                _ = try await stage.run("none") { $0.image = "localhost/none:1" }
            }
        }
    }
}
