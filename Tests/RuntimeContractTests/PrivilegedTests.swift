// Containers that a pod declares privileged: where the node permits it they may do what root of their own namespaces may.

import RuntimeInterface
import Testing

@testable import RunP

@Suite("RunP privileged containers", .enabled(if: Machine.canRun))
struct PrivilegedTests {
    private static let privileged = ContainerPrivileges(privileged: true)

    @Test(
        "a privileged container has every capability of its own user namespace, may mount in a mount namespace of its own, and has no filter; the host stays out of reach"
    )
    func privileged() async throws {
        try await withLab(configure: { $0.permitsPrivileged = true }) { lab in
            let result = try await lab.run(
                """
                grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'
                mkdir /tmp/m && unshare -m sh -c 'mount -t tmpfs none /tmp/m && echo mounted'
                tr -s ' ' </proc/self/uid_map
                ls -d /root /home /var 2>/dev/null || echo absent
                """
            ) { $0.privileges = Self.privileged }
            try #require(result.exit.exitCode == 0, "\(result)")
            let output = result.output
            #expect(output[0].hasPrefix("CapEff:") && output[0] != "CapEff:0000000000000000", "\(output[0])")
            #expect(output[1...3] == ["NoNewPrivs:1", "Seccomp:0", "mounted"])
            #expect(
                output[4].split(separator: " ").first == "0" && output[4].split(separator: " ").dropFirst().first != "0",
                "\(output[4])")
            #expect(output[5] == "absent")
        }
    }

    @Test("where the node does not permit it, a privileged container is refused before anything is made")
    func refused() async throws {
        try await withLab { lab in
            await #expect(throws: RuntimeError.self) {
                _ = try await lab.start(lab.config("true") { $0.privileges = Self.privileged })
            }
        }
    }
}
