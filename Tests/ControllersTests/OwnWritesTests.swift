// A controller that plans before its local copy has caught up counts its own writes.
import KubernetesModel
import KusciaModel
import Testing

@testable import Controllers

@Suite("own writes", .timeLimit(.minutes(1)))
struct OwnWritesTests {
    @Test(
        "I-OWN-1, I-OWN-2: whenever the copy hears of a write, before or after its answer, what is counted is what the server has",
        arguments: UInt64(1)...60)
    func counts(seed: UInt64) async throws {
        var dice = SeededDice(seed)
        let writes = OwnWrites<KusciaTask>()
        var server: [String: KusciaTask] = [:]
        var copy: [String: KusciaTask] = [:]
        /// News on their way: a task, and whether it is gone.
        var news: [(KusciaTask, Bool)] = []
        func hear() {
            guard !news.isEmpty else { return }
            let (task, isGone) = news.removeFirst()
            copy[task.metadata.name] = isGone ? nil : task
            writes.heard(of: task, isGone: isGone)
        }
        for step in 0..<120 {
            let name = "t\(dice.pick(6))"
            let early = dice.chance(1, of: 3) ? 1 + dice.pick(3) : 0
            if let there = server[name] {
                try await writes.removing(there.metadata.uid ?? "") {
                    server[name] = nil
                    news.append((there, true))
                    for _ in 0..<early { hear() }
                }
                if copy[name]?.metadata.uid != there.metadata.uid,
                    !news.contains(where: { $0.0.metadata.uid == there.metadata.uid })
                {
                    writes.heard(of: there, isGone: true)
                }
            } else {
                _ = try await writes.creating(ObjectKey(namespace: "a", name: name)) {
                    let task = KusciaTask(metadata: ObjectMeta(name: name, namespace: "a", uid: "u\(step)"))
                    server[name] = task
                    news.append((task, false))
                    for _ in 0..<early { hear() }
                    return task
                }
            }
            let counted = writes.objects(where: { _ in true }, copied: { Array(copy.values) })
            #expect(Set(counted.map(\.metadata.uid)) == Set(server.values.map(\.metadata.uid)), "seed \(seed), step \(step)")
            if dice.chance(1, of: 2) { hear() }
        }
    }
}
