// A server that refuses some calls, as a busy one does, and the promises that must hold at each call that reaches it.
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Synchronization

@testable import Controllers

extension ControllerLab {
    /// Writes fail now and then, by the seed, until `count` have; each call is shown to `watch` first, which says what is wrong
    /// with it. What it said is in the result.
    func unreliable(seed: UInt64, failing count: Int = 12, _ watch: @escaping @Sendable (RecordedCall) throws -> String?)
        -> Complaints
    {
        let complaints = Complaints()
        let state = Mutex((dice: SeededDice(seed), left: count))
        api.setHook { call in
            if let complaint = try watch(call) { complaints.add("seed \(seed): \(complaint)") }
            guard [.create, .update, .patch, .delete].contains(call.verb) else { return }
            let fails = state.withLock { state in
                guard state.left > 0, state.dice.chance(1, of: 3) else { return false }
                state.left -= 1
                return true
            }
            if fails { throw KubernetesAPIError.transport("injected") }
        }
        return complaints
    }

    /// Runs `controller` beside its informers around `body`; afterwards nothing of it is left.
    func running(
        _ informers: SharedInformers, _ controller: @escaping @Sendable () async throws -> Void, _ body: () async throws -> Void
    )
        async throws
    {
        let running = Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await informers.run() }
                group.addTask { try? await controller() }
            }
        }
        do {
            try await body()
        } catch {
            running.cancel()
            await running.value
            throw error
        }
        running.cancel()
        await running.value
    }

    func recorder() -> EventRecorder {
        EventRecorder(api: api, component: "test", now: { MicroTimestamp(testTime) }, logger: logger)
    }
}

final class Complaints: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
}
