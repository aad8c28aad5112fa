// Thousands of lives of pods under chance. A failure prints the command that repeats its seed; more seeds by the environment.
import Glibc
import KubernetesModel
import Testing

@testable import AgentCore

private func setting(_ name: String) -> UInt64? { getenv(name).flatMap { UInt64(String(cString: $0)) } }

@Suite("pod machine under chance")
struct PodSimulationTests {
    /// `SWIFTLET_SIMULATION_SEED=N` repeats one, `SWIFTLET_SIMULATION_SEEDS=N` runs the first N.
    static let seeds: [UInt64] =
        setting("SWIFTLET_SIMULATION_SEED").map { [$0] } ?? Array(1...max(1, setting("SWIFTLET_SIMULATION_SEEDS") ?? 10_000))

    private func command(_ seed: UInt64, _ what: String = "") -> Comment {
        "\(what) seed \(seed): SWIFTLET_SIMULATION_SEED=\(seed) swift test --disable-xctest --filter PodSimulationTests"
    }

    @Test(
        "every invariant holds after every step of 10,000 seeded lives with a faulty runtime, clock and API; each ends when it is to end"
    )
    func invariantsHold() async {
        for seed in Self.seeds {
            await Task.yield()  // a minute of work in one piece would keep the other tests from their deadlines
            var node = SimulatedNode(seed: seed)
            node.send(.added)
            var steps = 0
            while !node.isGone, steps < 32 {
                node.step()
                steps += 1
            }
            // The second half of the promise: nothing that happened so far keeps a deleted pod from going away.
            if !node.isGone { node.requestDeletion() }
            node.calmDown()
            while !node.isGone, steps < 400 {
                node.step()
                steps += 1
            }
            let violation = node.invariants.firstViolation
            let twice = node.launches.filter { $0.value > 1 }
            #expect(violation == nil, command(seed))
            #expect(twice.isEmpty, command(seed))
            #expect(!node.sandboxRemovedWhileRunning, command(seed))
            #expect(node.isGone && node.isAtRest, command(seed, "hangs in \(node.machine.state) after \(steps) steps,"))
            if violation != nil || !twice.isEmpty || !node.isGone { return }
        }
    }

    @Test("a machine keeps its whole value through its record")
    func codable() throws {
        for seed in Self.seeds.prefix(100) {
            var node = SimulatedNode(seed: seed)
            node.send(.added)
            for _ in 0..<Int(seed % 60) where !node.isGone { node.step() }
            #expect(try roundTrip(node.machine) == node.machine, command(seed))
        }
    }
}
