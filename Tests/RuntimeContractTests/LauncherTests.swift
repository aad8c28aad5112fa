// The launcher on its own: which plans it takes, and what it does with a network or an image of its own.

import CLinux
import Glibc
import RunP
import RuntimeInterface
import SandboxPolicy
import Testing

@Suite("Launcher", .enabled(if: Machine.canRun))
struct LauncherTests {
    /// Exit status of `swiftlet-sandbox check` for this text.
    private func check(_ text: String) throws -> Int32 {
        var template = Array("/tmp/swiftlet-plan.XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        try #require(descriptor >= 0)
        let path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        defer { unlink(path) }
        #expect(write(descriptor, text, text.utf8.count) == text.utf8.count)
        close(descriptor)
        return try run(["check", "--plan", path])
    }

    private func run(_ arguments: [String]) throws -> Int32 {
        let launcher = try #require(Machine.launcher)
        var pid: pid_t = 0
        var pointers = ([launcher] + arguments).map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var environment: [UnsafeMutablePointer<CChar>?] = [nil]
        try #require(clinux_spawn(&pid, launcher, &pointers, &environment, -1, -1) == 0)
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    }

    private static func plan() throws -> LaunchPlan {
        var spec = SandboxSpec(
            id: "x", arguments: ["a b", "", "%\"\u{7f}ä"], environment: ["A="], hostname: "h", rootMountPoint: "/r",
            temporary: .memory(bytes: 4096), output: .log(path: "/l", maximumBytes: 10 << 20))
        spec.idRangeStart = 0x4000_0000
        spec.network = .none
        spec.oomScoreAdjustment = -5
        spec.seccomp = try SeccompCompiler.program(for: .runtimeDefault())
        return try spec.plan()
    }

    @Test("a plan as Swift writes it is accepted") func accepted() throws { #expect(try check(Self.plan().text) == 0) }

    @Test(
        "a plan that is not exactly as the format says is refused",
        arguments: [
            ("swiftlet-plan 1\n", "swiftlet-plan 2\n"), ("swiftlet-plan 1\n", ""), ("id x\n", ""), ("id x\n", "id x\nid y\n"),
            ("id x\n", "id x y\n"), ("id x\n", "id ../x\n"), ("id x\n", "id  x\n"), ("id x\n", "bogus\n"), ("id x\n", "id %zz\n"),
            ("id x\n", "id %2\n"), ("log /l ", "log l "), ("log /l ", "log /l/../m "), ("log /l ", "log //l "),
            ("log /l ", "log /l -"), ("log /l 10485760\n", "log /l 10485760 2 0 soon\n"),
            ("namespace mount\n", ""), ("namespace pid\n", ""), ("namespace uts\n", ""), ("namespace net\n", ""),
            ("namespace user\n", ""), ("namespace ipc\n", "namespace space\n"), ("uid-map 0 1073741824", "uid-map 0 0"),
            ("uid-map 0 1073741824 65536", "uid-map 0 4294967295 65536"), ("gid-map 0 1073741824 65536\n", ""), ("pivot\n", ""),
            ("pivot\n", "hostname z\npivot\n"), ("no-new-privs\n", ""), ("enter-user-namespace\n", ""),
            ("device null", "device ../sda"),
            ("ro,nosuid,nodev,optional,link", "ro,suid"), ("size=4096", "size=4096,huge=always"), ("umask 22", "umask 98"),
            ("capabilities none", "capabilities all"), ("env A=\n", "env A\n"), ("proc /proc", "proc /proc\0"),
            ("arg \"\"", "arg "),
            ("rlimit core 0 0", "rlimit core 0"), ("rlimit core 0 0", "rlimit core 99999999999999999999 0"),
        ])
    func refused(old: String, new: String) throws {
        let text = try Self.plan().text
        let changed = text.replacing(old, with: new, maxReplacements: 1)
        try #require(changed != text, "the plan has no \(old)")
        #expect(try check(changed) == 1)
    }

    @Test("a plan cut anywhere, at the end of a line too, is refused")
    func truncated() throws {
        let text = try Self.plan().text
        let lineEnds = text.utf8.enumerated().filter { $0.element == UInt8(ascii: "\n") }.map { $0.offset + 1 }.dropLast()
        for length in Array(stride(from: 0, to: text.utf8.count, by: 173)) + lineEnds {
            let cut = String(decoding: text.utf8.prefix(length), as: UTF8.self)
            #expect(try check(cut) == 1, "cut at \(length)")
        }
    }

    @Test("without network there is a loopback and nothing else")
    func noNetwork() async throws {
        try await withLab { lab in
            var spec = SandboxSpec(
                id: "net", arguments: ["/bin/sh", "-c", "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"],
                environment: ["PATH=/usr/bin:/bin"],
                hostname: "h", rootMountPoint: "\(lab.directory)/root", temporary: .memory(bytes: 1 << 20),
                output: .log(path: "\(lab.directory)/net.log", maximumBytes: 10 << 20))
            spec.network = .none
            spec.idRangeStart = 0x4000_0000
            spec.seccomp = try SeccompCompiler.program(for: .runtimeDefault())
            mkdir("\(lab.directory)/root", 0o700)
            let text = try spec.plan().text
            let path = "\(lab.directory)/plan"
            let descriptor = clinux_open(path, O_CREAT | O_WRONLY, 0o600)
            #expect(write(descriptor, text, text.utf8.count) == text.utf8.count)
            close(descriptor)
            let status = try run(["supervise", "--foreground", "--plan", path, "--state-dir", lab.directory])
            #expect(status == 0, "\(Lab.text("\(lab.directory)/state.json"))")
            #expect(lab.lines("\(lab.directory)/net.log") == ["lo"])
        }
    }

    @Test("an image's hostile links lead no mount out of its root")
    func hostileImage() async throws {
        try await withLab { lab in
            // An image whose /etc, /proc and /data point to the host's own directories.
            let image = "\(lab.directory)/image"
            for directory in ["", "/usr", "/tmp", "/dev", "/x", "/x/etc"] { mkdir(image + directory, 0o755) }
            for link in ["bin", "lib", "lib64", "sbin"] { symlink("usr/\(link)", "\(image)/\(link)") }
            symlink("../../../../../../../../x/etc", "\(image)/etc")
            symlink("\(lab.directory)/outside", "\(image)/data")
            mkdir("\(lab.directory)/outside", 0o755)
            mkdir("\(lab.directory)/volume", 0o755)
            let runtime = try RunPRuntime(configuration: lab.configuration) { _ in RunPImage(root: .directory(image)) }
            let events = Events()
            await runtime.onEvent { events.add($0) }
            _ = try await runtime.adopt()
            func run(_ name: String, _ extra: [ContainerMount]) async throws -> (ContainerExit?, [String]) {
                let config = lab.config("cat /etc/hostname", name: name) {
                    $0.mounts = [ContainerMount(hostPath: "/usr", containerPath: "/usr", readOnly: true)] + extra
                }
                let id = try await runtime.createContainer(podUID: lab.podUID, config: config)
                try await runtime.startContainer(id)
                #expect(await events.wait(id))
                guard case .exited(let exit) = try await runtime.status(id)?.phase else { return (nil, []) }
                return (exit, lab.lines(config.logPath))
            }
            // /etc leads up and out by its text; beneath the root it can only lead to the image's own /x/etc.
            let inside = try await run("inside", [])
            #expect(inside.1 == ["alice-pod"], "\(inside)")
            #expect(access("\(image)/x/etc/hostname", F_OK) == 0)
            // A mount point behind a link to a host path that the image does not have: made beneath the image's root, and nothing on the host.
            let made = try await run(
                "made", [ContainerMount(hostPath: "\(lab.directory)/volume", containerPath: "/data/deep", readOnly: false)])
            #expect(made.1 == ["alice-pod"], "\(made)")
            #expect(access("\(image)\(lab.directory)/outside/deep", F_OK) == 0)
            #expect(access("\(lab.directory)/outside/deep", F_OK) != 0)
            try await runtime.removePodSandbox(podUID: lab.podUID)
        }
    }
}
