// What is to be done about one pod, from what is wished and what the cluster shows. Pure and level-triggered: asked again after every
// change and every restart, it needs no history but what both servers keep.
//
//     create --> report ... report(final) ----------------> (stays, for its log) --> release --> dismiss
//                   \--> end --> report(final) --> release --> dismiss
//
// - I-MIRROR-1 A pod whose copy was ever seen or recorded gets no second one.
// - I-MIRROR-2 A copy is released only when its end was told, or when nobody is left to be told.
// - I-MIRROR-3 The pod's object goes only when no copy of it runs.
// - I-MIRROR-4 A copy without a pod is ended.

/// The pod as its own server has it.
struct MirrorWish: Sendable, Hashable {
    /// Its status is final: nothing that is told will change it.
    var isFinished = false
    /// Seconds of grace that a deletion gives; nil: it shall run.
    var deletionGrace: Int64?
    /// Ended by this node: it drains.
    var isDrained = false
    /// The pod's own grace.
    var grace: Int64 = 30
    /// Recorded in it: a copy was made.
    var hadCopy = false
}

/// The copy as the cluster has it.
struct MirrorFact: Sendable, Hashable {
    var hasEnded = false
    /// nil: nobody asked for its end.
    var deletionGrace: Int64?
    /// Our finalizer is on it.
    var isHeld = true
    /// It says something that was not reported yet.
    var isNews = false
    /// The pod's labels or annotations are others than it was given.
    var isOutdated = false
    var grace: Int64 = 30
}

/// What this life of the agent knows beside.
struct MirrorMemory: Sendable, Hashable {
    var sawCopy = false
    var isRefused = false
    /// A final report is on its way.
    var isFinalUnderway = false
    /// The final report arrived.
    var isFinalDelivered = false
    /// The pod's own object was asked to go.
    var isDismissed = false
}

enum MirrorStep: Sendable, Hashable {
    case settle
    case create
    case report(final: Bool)
    case reportLost
    /// The copy gets the pod's labels and annotations.
    case refresh
    /// Deletes the copy; it stays as long as it is held.
    case end(graceSeconds: Int64)
    /// The copy may go, with what was made for it.
    case release
    /// The pod's own object goes.
    case dismiss
    /// Neither side has it any more; what was made for a copy that never came to be goes too.
    case forget
}

enum MirrorDecision {
    static func next(_ wish: MirrorWish?, _ fact: MirrorFact?, _ memory: MirrorMemory) -> MirrorStep {
        switch (wish, fact) {
        case (nil, nil): .forget
        case (nil, let fact?): orphan(fact)
        case (let wish?, nil): absent(wish, memory)
        case (let wish?, let fact?): present(wish, fact, memory)
        }
    }

    private static func orphan(_ fact: MirrorFact) -> MirrorStep {
        if fact.deletionGrace == nil { return .end(graceSeconds: fact.grace) }
        return fact.isHeld ? .release : .settle
    }

    private static func absent(_ wish: MirrorWish, _ memory: MirrorMemory) -> MirrorStep {
        let wasThere = wish.hadCopy || memory.sawCopy
        if wish.deletionGrace != nil {
            if memory.isDismissed { return .settle }
            if memory.isFinalUnderway && !memory.isFinalDelivered { return .settle }
            return .dismiss
        }
        if wish.isFinished || memory.isRefused || memory.isFinalUnderway || memory.isFinalDelivered { return .settle }
        if wasThere { return .reportLost }
        return wish.isDrained ? .settle : .create
    }

    private static func present(_ wish: MirrorWish, _ fact: MirrorFact, _ memory: MirrorMemory) -> MirrorStep {
        let isTold = wish.isFinished || memory.isFinalDelivered
        if fact.hasEnded {
            if !isTold { return memory.isFinalUnderway ? .settle : .report(final: true) }
            if wish.deletionGrace != nil { return fact.isHeld ? .release : .settle }
            // Its log can be read until the pod goes; unless the cluster wants it away before.
            return fact.deletionGrace != nil && fact.isHeld ? .release : .settle
        }
        if fact.isNews, !isTold { return .report(final: false) }
        let mayStay = wish.deletionGrace == nil && !wish.isFinished && !wish.isDrained && !memory.isRefused
        if mayStay { return fact.isOutdated ? .refresh : .settle }
        let grace = wish.deletionGrace ?? wish.grace
        guard let asked = fact.deletionGrace else { return .end(graceSeconds: grace) }
        return grace < asked ? .end(graceSeconds: grace) : .settle
    }
}
