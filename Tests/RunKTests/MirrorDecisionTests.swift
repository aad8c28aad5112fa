// The decision about one pod: every state with every other, and the promises that hold in all of them.
import Testing

@testable import RunK

@Suite("Mirror: decisions")
struct MirrorDecisionTests {
    static let graces: [Int64?] = [nil, 0, 5]
    static let wishes: [MirrorWish?] =
        [nil]
        + [false, true].flatMap { finished in
            graces.flatMap { grace in
                [false, true].flatMap { drained in
                    [false, true].map { MirrorWish(isFinished: finished, deletionGrace: grace, isDrained: drained, hadCopy: $0) }
                }
            }
        }
    static let facts: [MirrorFact?] =
        [nil]
        + [false, true].flatMap { ended in
            graces.flatMap { grace in
                [false, true].flatMap { held in
                    [false, true].flatMap { news in
                        [false, true].map {
                            MirrorFact(hasEnded: ended, deletionGrace: grace, isHeld: held, isNews: news, isOutdated: $0)
                        }
                    }
                }
            }
        }
    static let memories: [MirrorMemory] = (0..<32).map { bits in
        MirrorMemory(
            sawCopy: bits & 1 != 0, isRefused: bits & 2 != 0, isFinalUnderway: bits & 4 != 0, isFinalDelivered: bits & 8 != 0,
            isDismissed: bits & 16 != 0)
    }

    private static func walk(_ body: (MirrorWish?, MirrorFact?, MirrorMemory, MirrorStep) -> Void) {
        for wish in wishes {
            for fact in facts { for memory in memories { body(wish, fact, memory, MirrorDecision.next(wish, fact, memory)) } }
        }
    }

    @Test("I-MIRROR-1: a pod whose copy was seen or recorded gets no second one, and none that is over or ending gets its first")
    func noSecondCopy() {
        var created = 0
        Self.walk { wish, fact, memory, step in
            guard step == .create else { return }
            created += 1
            #expect(fact == nil && !memory.sawCopy && wish?.hadCopy == false)
            #expect(wish?.isFinished == false && wish?.deletionGrace == nil && !memory.isRefused)
        }
        #expect(created > 0)
    }

    @Test("I-MIRROR-2: a copy is released only when its end was told, or when nobody is left to be told")
    func releaseAfterTelling() {
        Self.walk { wish, fact, memory, step in
            guard step == .release else { return }
            #expect(fact?.isHeld == true)
            if let wish { #expect(fact?.hasEnded == true && (wish.isFinished || memory.isFinalDelivered)) }
        }
    }

    @Test("I-MIRROR-3: a pod's object goes only when it was asked to and no copy of it is there")
    func dismissAfterEnd() {
        Self.walk { wish, fact, _, step in
            if step == .dismiss { #expect(fact == nil && wish?.deletionGrace != nil) }
        }
    }

    @Test("I-MIRROR-4: a copy without a pod is ended, then released")
    func orphans() {
        Self.walk { wish, fact, _, step in
            guard wish == nil, let fact else { return }
            #expect(step == (fact.deletionGrace == nil ? .end(graceSeconds: fact.grace) : fact.isHeld ? .release : .settle))
        }
    }

    @Test("only a copy that may stay gets other labels; one that shall end gets none")
    func refresh() {
        var refreshed = 0
        Self.walk { wish, fact, memory, step in
            guard step == .refresh else { return }
            refreshed += 1
            #expect(fact?.isOutdated == true && fact?.hasEnded == false && wish?.deletionGrace == nil && !memory.isRefused)
        }
        #expect(refreshed > 0)
    }

    @Test("a shorter grace overtakes a longer one, a longer one never a shorter")
    func graceShortens() {
        Self.walk { wish, fact, _, step in
            if case .end(let grace) = step, let asked = fact?.deletionGrace { #expect(grace < asked && wish != nil) }
        }
    }

    @Test("only one final report is made: none while one is under way, none for a pod that is over")
    func oneFinalReport() {
        Self.walk { wish, _, memory, step in
            guard step == .report(final: true) || step == .reportLost else { return }
            #expect(!memory.isFinalUnderway && !memory.isFinalDelivered && wish?.isFinished == false)
        }
    }
}
