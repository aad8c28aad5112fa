// Which images a full node lets go of, and which never.
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("images that a full node lets go of")
struct ImageCollectorTests {
    private typealias Image = ImageCollector.Image

    @Test("from the high mark on, down to the low one")
    func marks() {
        let collector = ImageCollector(policy: .init(highPercent: 85, lowPercent: 80))
        #expect(collector.excess(capacityBytes: 1000, availableBytes: 151) == nil)
        #expect(collector.excess(capacityBytes: 1000, availableBytes: 150) == 50)
        #expect(collector.excess(capacityBytes: 1000, availableBytes: 199) == nil)
        #expect(collector.excess(capacityBytes: 1000, availableBytes: 199, goesOn: true) == 1)
        #expect(collector.excess(capacityBytes: 1000, availableBytes: 200, goesOn: true) == nil)
        #expect(collector.excess(capacityBytes: 0, availableBytes: 0) == nil)
        #expect(collector.excess(capacityBytes: .max, availableBytes: 0) != nil)
    }

    @Test("what was not used for longest goes first, nothing that is used, kept or new")
    func order() {
        var collector = ImageCollector()
        func list(_ used: Set<String>) -> [Image] {
            ["a", "b", "c", "kept"].map { Image(id: $0, isPinned: $0 == "kept", isInUse: used.contains($0)) }
        }
        collector.note(list(["a", "b", "c"]), now: epoch)
        collector.note(list(["a", "b"]), now: epoch + 100 * second)
        collector.note(list(["a"]), now: epoch + 200 * second)
        #expect(collector.order(list(["a"]), now: epoch + 200 * second) == ["c"], "b was used 100 s ago")
        #expect(collector.order(list(["a"]), now: epoch + 300 * second) == ["c", "b"])
        #expect(collector.order(list([]), now: epoch + 400 * second) == ["c", "b", "a"])
        #expect(collector.order(list([]) + [Image(id: "new")], now: epoch + 400 * second) == ["c", "b", "a"])
    }

    /// I-IMAGE-1: never what is pinned, in use or younger than the minimum age; I-IMAGE-2: in the order of their last use.
    @Test("I-IMAGE-1 and I-IMAGE-2 hold for any history", arguments: 0..<200)
    func property(_ seed: Int) {
        var random = SeededGenerator(state: UInt64(seed))
        var collector = ImageCollector(policy: .init(minimumAgeSeconds: 30))
        var (now, seen, used) = (epoch, [String: UnixNanoseconds](), [String: UnixNanoseconds]())
        for _ in 0..<60 {
            now += Int64.random(in: 0...20, using: &random) * second
            let list = (0..<8).filter { _ in random.chance(85) }.map {
                Image(id: "\($0)", isPinned: $0 == 0, isInUse: random.chance(15))
            }
            seen = seen.filter { entry in list.contains { $0.id == entry.key } }
            used = used.filter { entry in list.contains { $0.id == entry.key } }
            for image in list {
                if seen[image.id] == nil { seen[image.id] = now }
                if image.isInUse { used[image.id] = now }
            }
            collector.note(list, now: now)
            let order = collector.order(list, now: now)
            let last = order.map { max(seen[$0] ?? 0, used[$0] ?? 0) }
            #expect(
                order.allSatisfy { id in list.contains { $0.id == id && !$0.isPinned && !$0.isInUse } }, "I-IMAGE-1, seed \(seed)"
            )
            #expect(last.allSatisfy { now - $0 >= 30 * second }, "I-IMAGE-1, seed \(seed)")
            #expect(order.map { used[$0] ?? seen[$0] ?? 0 }.isSorted, "I-IMAGE-2, seed \(seed)")
        }
    }
}

extension [UnixNanoseconds] {
    fileprivate var isSorted: Bool { zip(self, dropFirst()).allSatisfy { $0 <= $1 } }
}
