// Supervisors that serve one short task after the other, as RunP sees them: it stays on the line until a task's end.

import Glibc
import LocalRuntime
import RuntimeInterface
import Testing

@Suite("Supervisors that serve again", .enabled(if: Machine.canRun))
struct SupervisorReuseTests {
    /// More than enough of them where a busy machine makes a short task a long one.
    private static let rounds = 200

    private static func lock(_ lab: Lab, _ id: ContainerID) throws -> SupervisorLock {
        try #require(SupervisorLock("\(lab.directory)/runp/pods/\(id.podUID)/\(id.name)_\(id.attempt)/supervisor.lock"))
    }

    private static func awaitResident(_ lab: Lab) async throws {
        for _ in 0..<6_000 where access("\(lab.directory)/runp/launcher.sock", F_OK) != 0 {
            try await Task.sleep(for: .milliseconds(10))  // a poll: its socket tells nobody that it came
        }
    }

    @Test("a task of some milliseconds leaves RunP its supervisor for the next one, and each has the end that is its own")
    func again() async throws {
        try await withLab { lab in
            try await Self.awaitResident(lab)
            var seen: Set<Int32> = []
            var again = 0
            for round in 0..<Self.rounds where again < 3 {
                let id = try await lab.start(lab.config("sleep 0.005; exit \(round % 100 + 1)", name: "s\(round)"))
                #expect(try await lab.exit(id).exitCode == round % 100 + 1)
                if !seen.insert(try Self.lock(lab, id).pid).inserted { again += 1 }
            }
            #expect(again == 3)
        }
    }

    @Test("a task under a supervisor that served others is told to stop, and ends in its own way")
    func stop() async throws {
        try await withLab { lab in
            try await Self.awaitResident(lab)
            var covered = false
            var short = 0
            for round in 0..<Self.rounds / 5 where !covered {
                // Until one came again: those that wait now have served.
                var seen: Set<Int32> = []
                for _ in 0..<Self.rounds {
                    short += 1
                    let id = try await lab.start(lab.config("sleep 0.005", name: "s\(short)"))
                    _ = try await lab.exit(id)
                    if !seen.insert(try Self.lock(lab, id).pid).inserted { break }
                }
                let config = lab.config("trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done", name: "l\(round)")
                let id = try await lab.start(config)
                for _ in 0..<6_000 where lab.lines(config.logPath) != ["ready"] {
                    try await Task.sleep(for: .milliseconds(10))  // a poll of its log
                }
                covered = try Self.lock(lab, id).serial > 0
                try await lab.runtime.stopContainer(id, graceSeconds: 60)
                #expect(try await lab.exit(id).exitCode == 9)
            }
            #expect(covered)
        }
    }
}
