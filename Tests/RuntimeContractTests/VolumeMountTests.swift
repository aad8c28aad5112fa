// Volumes as the agent makes them, seen from inside a RunP container: id-mapped, in memory, replaced while it runs.
import CLinux
import Glibc
import RuntimeInterface
import Testing

@Suite("RunP volumes", .enabled(if: Machine.canRun), .timeLimit(.minutes(2)))
struct VolumeMountTests {
    /// The layout of a kubelet's: ..data leads to the present generation, names lead through it.
    private func generation(_ directory: String, _ number: Int, _ text: String) {
        mkdir("\(directory)/..g\(number)", 0o755)
        guard let file = fopen("\(directory)/..g\(number)/key", "w") else { return }
        fputs(text + "\n", file)
        fclose(file)
        chmod("\(directory)/..g\(number)/key", 0o400)
        symlink("..g\(number)", "\(directory)/..new")
        rename("\(directory)/..new", "\(directory)/..data")
        symlink("..data/key", "\(directory)/key")
    }

    @Test("a secret in memory is the task's root's to read, nobody's to write, and follows its replacement while the task runs")
    func secret() async throws {
        try await withLab { lab in
            let memory = "\(lab.directory)/memory"
            mkdir(memory, 0o711)
            #expect(clinux_mount_tmpfs(memory, "size=1m,mode=0711", 1) == 0 && clinux_is_in_memory(memory) == 1)
            defer { clinux_unmount(memory) }
            mkdir("\(memory)/v", 0o755)
            generation("\(memory)/v", 1, "one")
            let config = lab.config("cat /v/key; until [ $(cat /v/key) = two ]; do sleep 0.05; done; cat /v/key; echo x > /v/key")
            {
                $0.mounts = [ContainerMount(hostPath: "\(memory)/v", containerPath: "/v", readOnly: true)]
            }
            let id = try await lab.start(config)
            #expect(lab.waitForLine("one", in: config.logPath))
            generation("\(memory)/v", 2, "two")
            #expect(try await lab.exit(id).exitCode != 0, "the last command writes")
            let lines = lab.lines(config.logPath)
            #expect(lines.prefix(2) == ["one", "two"] && lines.last?.contains("Read-only file system") == true)
        }
    }

    @Test("a part of a volume keeps what it was when the volume is replaced")
    func part() async throws {
        try await withLab { lab in
            let volume = "\(lab.directory)/volume"
            mkdir(volume, 0o755)
            generation(volume, 1, "one")
            let config = lab.config(
                "cat /etc/app/key; until [ -e /tmp/go ] || [ $i = 40 ]; do i=$((i+1)); sleep 0.05; done; cat /etc/app/key"
            ) {
                $0.mounts = [
                    ContainerMount(
                        hostPath: "\(volume)/..g1/key", containerPath: "/etc/app/key", readOnly: true, refusesLinks: true)
                ]
                $0.environment = [EnvironmentVariable(name: "i", value: "0")]
            }
            let id = try await lab.start(config)
            #expect(lab.waitForLine("one", in: config.logPath))
            generation(volume, 2, "two")
            unlink("\(volume)/..g1/key")
            rmdir("\(volume)/..g1")
            #expect(try await lab.exit(id).exitCode == 0)
            #expect(lab.lines(config.logPath) == ["one", "one"])
        }
    }

    @Test(
        "a volume in memory is full when it is full, for two containers of a pod together, and outlives neither its size nor its files' owners"
    )
    func memory() async throws {
        try await withLab { lab in
            let volume = "\(lab.directory)/volume"
            mkdir(volume, 0o777)
            #expect(clinux_mount_tmpfs(volume, "size=1m,mode=0777", 0) == 0)
            defer { clinux_unmount(volume) }
            let mount = ContainerMount(hostPath: volume, containerPath: "/m", readOnly: false)
            let first = try await lab.run(
                "head -c 3000000 /dev/zero > /m/x 2>/dev/null || echo full; stat -c '%s %u' /m/x", name: "first"
            ) {
                $0.mounts = [mount]
            }
            #expect(first.output == ["full", "1048576 0"])
            let second = try await lab.run(
                "echo y > /m/y 2>/dev/null || echo full; rm /m/x; echo y > /m/y; cat /m/y", name: "second"
            ) {
                $0.mounts = [mount]
            }
            #expect(second.output == ["full", "y"])
            var facts = stat()
            #expect(
                stat("\(volume)/y", &facts) == 0 && facts.st_uid == 0, "what the task's root wrote is the node's root's on disk")
        }
    }
}
