// A controller's queue of keys, with client-go's semantics: a key is in it at most once, is never worked on twice at the
// same time, and comes back after a growing pause when its work failed. Bounded by the number of distinct keys.
import Synchronization

public final class WorkQueue<Key: Hashable & Sendable>: Sendable {
    private struct Content {
        var order: [Key] = []
        var head = 0
        /// In `order`, or added while being worked on.
        var dirty: Set<Key> = []
        var working: Set<Key> = []
        var failures: [Key: Int] = [:]
        var timers: [Key: (due: Duration, task: Task<Void, Never>)] = [:]
        var waiters: [(id: Int, continuation: CheckedContinuation<Key?, Never>)] = []
        var nextWaiter = 0
        var closed = false

        mutating func take() -> Key {
            let key = order[head]
            head += 1
            // Compacts now and then, so that taking is cheap and the array does not grow for ever.
            if head > 64 && head * 2 > order.count {
                order.removeFirst(head)
                head = 0
            }
            dirty.remove(key)
            working.insert(key)
            return key
        }
    }

    private let firstRetry: Duration
    private let longestRetry: Duration
    private let clock: any Clock<Duration>
    /// Since the queue was made.
    private let elapsed: @Sendable () -> Duration
    private let content = Mutex(Content())

    public init(
        firstRetry: Duration = .milliseconds(5), longestRetry: Duration = .seconds(30),
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.firstRetry = firstRetry
        self.longestRetry = longestRetry
        self.clock = clock
        elapsed = Self.stopwatch(clock)
    }

    private static func stopwatch<C: Clock<Duration>>(_ clock: C) -> @Sendable () -> Duration {
        let start = clock.now
        return { start.duration(to: clock.now) }
    }

    public func add(_ key: Key) {
        let waiter = content.withLock { content -> CheckedContinuation<Key?, Never>? in
            guard !content.closed, content.dirty.insert(key).inserted else { return nil }
            if content.working.contains(key) { return nil }
            guard !content.waiters.isEmpty else {
                content.order.append(key)
                return nil
            }
            content.dirty.remove(key)
            content.working.insert(key)
            return content.waiters.removeFirst().continuation
        }
        waiter?.resume(returning: key)
    }

    /// Adds after `delay`. Of several delays for one key the earliest counts, so that a lazy look-again cannot put off a
    /// prompt retry.
    public func add(_ key: Key, after delay: Duration) {
        guard delay > .zero else { return add(key) }
        let due = elapsed() + delay
        let replaced = content.withLock { content -> Task<Void, Never>? in
            if content.closed { return nil }
            if let timer = content.timers[key], timer.due <= due { return nil }
            let task = Task { [clock, weak self] in
                guard (try? await clock.sleep(for: delay)) != nil else { return }
                self?.fire(key, due: due)
            }
            return content.timers.updateValue((due, task), forKey: key)?.task
        }
        replaced?.cancel()
    }

    private func fire(_ key: Key, due: Duration) {
        let isCurrent = content.withLock { content in
            guard content.timers[key]?.due == due else { return false }
            content.timers[key] = nil
            return true
        }
        if isCurrent { add(key) }
    }

    /// Adds after a pause that doubles with each failure of this key.
    public func retry(_ key: Key) {
        let failures = content.withLock { content in
            let count = content.failures[key, default: 0]
            content.failures[key] = count + 1
            return count
        }
        let pause = min(firstRetry * Double(1 << min(failures, 20)), longestRetry)
        add(key, after: pause * Double.random(in: 0.8...1.2))
    }

    /// The key's work succeeded: its next failure pauses briefly again.
    public func forget(_ key: Key) { content.withLock { _ = $0.failures.removeValue(forKey: key) } }

    /// The next key, which the caller works on until `done`. nil when the queue is shut down or the task cancelled.
    public func next() async -> Key? {
        let id = content.withLock { content in
            content.nextWaiter += 1
            return content.nextWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Key?, Never>) in
                let ready = content.withLock { content -> Key?? in
                    if content.closed || Task.isCancelled { return .some(nil) }
                    guard content.head < content.order.count else {
                        content.waiters.append((id, continuation))
                        return nil
                    }
                    return .some(content.take())
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            let waiter = content.withLock { content in
                content.waiters.firstIndex { $0.id == id }.map { content.waiters.remove(at: $0).continuation }
            }
            waiter?.resume(returning: nil)
        }
    }

    /// The key's work ended; if it was added meanwhile, it comes again.
    public func done(_ key: Key) {
        let again = content.withLock { content in
            content.working.remove(key)
            return content.dirty.remove(key) != nil
        }
        if again { add(key) }
    }

    public func shutDown() {
        let (waiters, timers) = content.withLock { content in
            content.closed = true
            defer {
                content.waiters = []
                content.timers = [:]
            }
            return (content.waiters, content.timers)
        }
        for timer in timers.values { timer.task.cancel() }
        for waiter in waiters { waiter.continuation.resume(returning: nil) }
    }

    /// Works on keys with `workers` tasks until the queue is shut down or the task cancelled. Work that throws is repeated
    /// after a pause; `failed` is told of each failure.
    public func run(
        workers: Int, failed: @escaping @Sendable (Key, any Error) -> Void = { _, _ in },
        work: @escaping @Sendable (Key) async throws -> Void
    ) async {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<workers {
                group.addTask {
                    while let key = await self.next() {
                        do {
                            try await work(key)
                            self.forget(key)
                        } catch {
                            if !(error is CancellationError) { failed(key, error) }
                            self.retry(key)
                        }
                        self.done(key)
                    }
                }
            }
        }
        shutDown()
    }
}
