// Device nodes of the machine inside a RunP container, on a node of the test's own: another zero(4).
import Glibc
import RuntimeInterface
import Testing

@Suite("RunP devices", .enabled(if: Machine.canRun), .timeLimit(.minutes(2)))
struct DeviceNodeTests {
    /// A node with zero's number, for as long as `body` runs.
    private func withNode(_ name: String, _ mode: mode_t, _ body: (String) async throws -> Void) async throws {
        let path = "/dev/swiftlet-test-\(getpid())-\(name)"
        try #require(mknod(path, S_IFCHR | 0o600, 0x105) == 0, "mknod: errno \(errno)")
        defer { unlink(path) }
        chmod(path, mode)
        try await body(path)
    }

    @Test("a device that the pod was given is read and written; without it there is no such node, and none can be made")
    func given() async throws {
        try await withNode("given", 0o666) { path in
            try await withLab { lab in
                let script =
                    "head -c 3 \(path) | wc -c; echo x > \(path) && echo written; mknod /tmp/own c 1 5 2>/dev/null || echo refused"
                let given = try await lab.run(script, name: "given") {
                    $0.devices = [ContainerDevice(hostPath: path, containerPath: path)]
                }
                #expect(given.output == ["3", "written", "refused"], "\(given)")
                let other = try await lab.run("test -e \(path) || echo none", name: "other")
                #expect(other.output == ["none"], "\(other)")
            }
        }
    }

    @Test("what the task could see and not open is refused before anything is made, with the reason and what helps")
    func refused() async throws {
        try await withNode("closed", 0o660) { path in
            try await withLab { lab in
                let config = lab.config("true") { $0.devices = [ContainerDevice(hostPath: path, containerPath: path)] }
                let error = await #expect(throws: RuntimeError.self) { try await lab.start(config) }
                #expect("\(String(describing: error))".contains("mode 660") && "\(String(describing: error))".contains("udev"))
                let gone = lab.config("true", name: "gone") {
                    $0.devices = [ContainerDevice(hostPath: path + "-none", containerPath: path)]
                }
                await #expect(throws: RuntimeError.self) { try await lab.start(gone) }
            }
        }
    }
}
