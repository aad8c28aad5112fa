// The work queue's promises: once, never at the same time, again after failure.
import KubernetesClient
import KubernetesClientTesting
import Synchronization
import Testing

@Suite("Work queue", .timeLimit(.minutes(1)))
struct WorkQueueTests {
    private let clock = ManualClock()

    private func queue() -> WorkQueue<String> {
        WorkQueue(firstRetry: .milliseconds(10), longestRetry: .seconds(10), clock: clock)
    }

    @Test("a key that is added twice is worked on once, in the order of first addition")
    func dedup() async {
        let queue = queue()
        for key in ["a", "b", "a", "c", "b"] { queue.add(key) }
        #expect(await queue.next() == "a")
        #expect(await queue.next() == "b")
        #expect(await queue.next() == "c")
        queue.shutDown()
        #expect(await queue.next() == nil)
    }

    @Test("a key added while it is worked on comes again afterwards, never at the same time")
    func neverTwiceAtOnce() async {
        let queue = queue()
        queue.add("a")
        #expect(await queue.next() == "a")
        queue.add("a")
        queue.add("a")
        queue.add("b")
        #expect(await queue.next() == "b")
        queue.done("b")
        queue.done("a")
        #expect(await queue.next() == "a")
        queue.done("a")
        queue.add("c")
        #expect(await queue.next() == "c")
    }

    @Test("a waiting worker gets a key as soon as it is added")
    func waiting() async {
        let queue = queue()
        let worker = Task { await queue.next() }
        queue.add("a")
        #expect(await worker.value == "a")
    }

    @Test("a cancelled worker gets nil, and takes no key with it")
    func cancelled() async {
        let queue = queue()
        let worker = Task { await queue.next() }
        worker.cancel()
        #expect(await worker.value == nil)
        queue.add("a")
        #expect(await queue.next() == "a")
    }

    @Test("a delayed key comes when its time has come, and not before")
    func delayed() async {
        let queue = queue()
        queue.add("late", after: .seconds(5))
        await clock.waitForSleepers()
        clock.advance(by: .seconds(4))
        queue.add("now")
        #expect(await queue.next() == "now")
        clock.advance(by: .seconds(1))
        #expect(await queue.next() == "late")
    }

    @Test("of several delays for one key the earliest counts, once")
    func earliest() async {
        let queue = queue()
        queue.add("a", after: .seconds(1))
        queue.add("a", after: .seconds(100))
        await clock.waitForSleepers()
        clock.advance(by: .seconds(1))
        #expect(await queue.next() == "a")
        queue.done("a")
        queue.add("b", after: .seconds(100))
        queue.add("b", after: .seconds(1))
        // The replaced timer may still be asleep; the earlier one must be.
        await clock.waitForSleepers()
        clock.advance(by: .seconds(100))
        #expect(await queue.next() == "b")
        queue.done("b")
        queue.add("end")
        #expect(await queue.next() == "end")
    }

    @Test("each failure doubles the pause, up to the longest; success starts anew")
    func backOff() async {
        let queue = queue()
        for failure in 0..<14 {
            queue.retry("a")
            await clock.waitForSleepers()
            let pause = min(Duration.milliseconds(10) * (1 << failure), .seconds(10))
            // Jitter is at most a fifth: four fifths are too early, six fifths enough.
            clock.advance(by: pause * 0.79)
            queue.add("probe")
            #expect(await queue.next() == "probe", "failure \(failure) came too early")
            queue.done("probe")
            clock.advance(by: pause * 0.42)
            #expect(await queue.next() == "a")
            queue.done("a")
        }
        queue.forget("a")
        queue.retry("a")
        await clock.waitForSleepers()
        clock.advance(by: .milliseconds(13))
        #expect(await queue.next() == "a")
    }

    @Test("work that throws is repeated until it succeeds; many workers never share a key")
    func run() async {
        struct Failed: Error {}
        let queue = WorkQueue<Int>(firstRetry: .nanoseconds(1), longestRetry: .microseconds(10))
        let state = Mutex((attempts: [Int: Int](), busy: Set<Int>(), clashes: 0, finished: 0))
        for key in 0..<200 { queue.add(key) }
        await queue.run(workers: 8) { key in
            let attempt = state.withLock { state in
                if !state.busy.insert(key).inserted { state.clashes += 1 }
                state.attempts[key, default: 0] += 1
                return state.attempts[key, default: 0]
            }
            await Task.yield()
            let isLast = state.withLock { state in
                state.busy.remove(key)
                if attempt >= 3 { state.finished += 1 }
                return state.finished == 200
            }
            if attempt < 3 { throw Failed() }
            if isLast { queue.shutDown() }
        }
        let end = state.withLock { $0 }
        #expect(end.clashes == 0)
        #expect(end.attempts.count == 200 && end.attempts.values.allSatisfy { $0 == 3 })
    }

    @Test("after the shut-down nothing is taken any more")
    func shutDown() async {
        let queue = queue()
        queue.add("a", after: .seconds(1))
        queue.shutDown()
        queue.add("b")
        queue.retry("c")
        #expect(await queue.next() == nil)
    }
}
