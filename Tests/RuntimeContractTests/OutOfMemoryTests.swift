// Evidence of an end at the memory limit, whoever of the task met it.

import RuntimeInterface
import Testing

@Suite("Out of memory", .enabled(if: Machine.canRun))
struct OutOfMemoryTests {
    @Test("a child killed at the limit ends the task as OOMKilled, though its shell would have gone on and exited 0")
    func child() async throws {
        try await withLab { lab in
            let result = try await lab.run("tail /dev/zero; sleep 60; exit 0") { $0.limits.memoryBytes = 32 << 20 }
            #expect(result.exit.exitCode == 137)
            #expect(result.exit.oomKilled && result.exit.reason == "OOMKilled")
            #expect(result.exit.message?.contains("memory limit of 33554432 bytes") == true)
        }
    }

    @Test("a grandchild that left its session and its parent is found out as well")
    func grandchild() async throws {
        try await withLab { lab in
            let result = try await lab.run("(setsid tail /dev/zero &); sleep 60; exit 0") { $0.limits.memoryBytes = 32 << 20 }
            #expect(result.exit.exitCode == 137 && result.exit.oomKilled)
        }
    }
}
