// Device nodes of the machine in a task's plan.
import Testing

@testable import SandboxPolicy

@Suite("devices of a task")
struct DevicePlanTests {
    private func spec(_ devices: [SandboxSpec.Device]) -> SandboxSpec {
        var spec = SandboxSpec(
            id: "t", arguments: ["/bin/true"], environment: [], hostname: "t", rootMountPoint: "/run/t/root",
            temporary: .memory(bytes: 1 << 20),
            output: .inherit)
        spec.devices = devices
        spec.idRangeStart = 1 << 20
        return spec
    }

    @Test("a device is the one bind without nodev, behind the making of /dev; the others keep theirs")
    func bound() throws {
        var spec = spec([.init(source: "/dev/gpu1", path: "/dev/gpu1")])
        spec.mounts = [.init(source: "/data", path: "/data", readOnly: false)]
        let operations = try spec.plan().operations
        let binds = operations.compactMap {
            if case .bind(_, let path, let flags) = $0, !flags.contains(.noDev) { path } else { nil }
        }
        #expect(binds == ["/dev/gpu1"])
        let bind = operations.firstIndex(of: .bind(source: "/dev/gpu1", path: "/dev/gpu1", flags: [.noSuid, .noExec]))
        let last = operations.firstIndex(of: .device("tty"))
        #expect(try #require(bind) > #require(last))
    }

    @Test(
        "places outside /dev and every task's own nodes are refused",
        arguments: ["/gpu", "/dev", "/dev/null", "/dev/shm/x", "/dev/fd", "/dev/../etc", "/dev/termination-log"])
    func refused(_ path: String) {
        #expect(throws: SandboxPolicyError.self) { try spec([.init(source: "/dev/gpu1", path: path)]).plan() }
    }
}
