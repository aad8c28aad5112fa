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

    /// The supervisor begins to listen some 30 ms after the start, and the kernel tells of the end of memory before it counts its victim.
    @Test("at whichever moment after the start the memory ends, the task does not outlive it")
    func anyMoment() async throws {
        try await withLab { lab in
            for milliseconds in stride(from: 0, to: 60, by: 2) {
                let pause = milliseconds < 10 ? "00\(milliseconds)" : "0\(milliseconds)"
                let result = try await lab.run("sleep 0.\(pause); tail /dev/zero; sleep 60", name: "after-\(pause)") {
                    $0.limits.memoryBytes = 32 << 20
                }
                #expect(result.exit.exitCode == 137 && result.exit.oomKilled, "after \(milliseconds) ms")
            }
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
