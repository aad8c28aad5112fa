// Threads on which a task may block: the steps of a pod are file operations and system calls, one after the other, and a visit to another
// thread for each of them cost more than the operation. They are not the dispatch library's, whose few threads are also those of Swift's
// concurrency: sixteen calls that blocked there held up everything for as many seconds, as it adds one thread a second.

import Glibc

/// The executor of tasks that make blocking calls: `Task(executorPreference: WorkThreads.shared) { ... }`. Blocking work that finds itself
/// on one of these threads (`isHere`) is done in place, and anywhere else it is handed to one.
///
/// There are two threads for each processor, as one of them often waits for the disk or for a lock of the kernel's, and one more whenever
/// work has waited for a moment and fewer of them run than there are processors: the rest is blocked, then. It goes when those come back:
/// more of them than that made a busy node slower, as each task that they start wants a processor too. What waits is bounded by the tasks
/// that there are.
///
/// For calls that end by themselves. What may wait for ever (a connection, a process) is somebody else's work.
///
/// Unchecked, as the compiler does not see that everything that changes is only touched with the lock held.
public final class WorkThreads: TaskExecutor, @unchecked Sendable {
    public static let shared = WorkThreads()

    private static let mostThreads = 256
    private static let patienceNanoseconds = 250_000_000
    /// A thread without work goes.
    private static let idleSeconds = 5

    /// Set on these threads. PTHREAD_KEYS_MAX is 1024: without a key no thread is marked, and all work is handed over.
    private static let mark: pthread_key_t? = {
        var key = pthread_key_t()
        return pthread_key_create(&key, nil) == 0 ? key : nil
    }()

    public static var isHere: Bool { mark.map { pthread_getspecific($0) != nil } ?? false }

    private let processors = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    private var usualThreads: Int { 2 * processors }
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    /// There is work.
    private let work = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    /// There is work and nobody who waits for it.
    private let backlog = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    /// Nobody signals it.
    private let never = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    // With the lock:
    private var waiting = WaitingWork()
    private var (threads, idle) = (0, 0)
    /// Of each thread /proc/PID/task/TID/stat: proc_pid_stat(5).
    private var states: Set<Int32> = []
    private var (hasOverseer, overseerSleeps) = (false, false)

    /// One for the life of the process.
    private init() {
        pthread_mutex_init(lock, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        for condition in [work, backlog, never] { pthread_cond_init(condition, &attributes) }
        pthread_condattr_destroy(&attributes)
    }

    /// How much work waits for a thread, but for what may come later.
    public var waits: Int {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return waiting.count - waiting.count(of: .later)
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue(.next) { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    /// The work on one of these threads, whatever the present one is.
    public static func hand(_ work: @escaping @Sendable () -> Void) { shared.queue(.next, work) }

    /// A task of these threads that begins when it is its turn; what it does from then on is done before anything else begins.
    public static func begin(_ turn: WorkTurn, _ operation: @escaping @Sendable () async -> Void) {
        if turn == .next {
            Task(executorPreference: shared) { await operation() }
        } else {
            shared.queue(turn) { Task(executorPreference: shared) { await operation() } }
        }
    }

    /// The work's result: in place where this thread may block, else from one that may.
    public static func perform<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T {
        if isHere { return try work() }
        return try await withCheckedThrowingContinuation { continuation in
            hand { continuation.resume(with: Result { try work() }) }
        }
    }

    public static func perform<T: Sendable>(_ work: @escaping @Sendable () -> T) async -> T {
        if isHere { return work() }
        return await withCheckedContinuation { continuation in
            hand { continuation.resume(returning: work()) }
        }
    }

    // MARK: The threads

    private func queue(_ turn: WorkTurn, _ body: @escaping @Sendable () -> Void) {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        waiting.append(body, turn, now: turn == .later ? Self.now() : 0)
        // Those that were woken a moment ago still count as idle, and so does the work that they were woken for.
        if waiting.count <= idle {
            pthread_cond_signal(work)
        } else if threads < usualThreads {
            addThread()
        } else if overseerSleeps {
            pthread_cond_signal(backlog)
        } else if !hasOverseer {
            hasOverseer = Self.begin { WorkThreads.shared.oversee() }
        }
    }

    private func addThread() {
        // Without another thread the work waits for those that there are.
        if Self.begin({ WorkThreads.shared.run() }) { threads += 1 }
    }

    private func run() {
        if let mark = Self.mark { pthread_setspecific(mark, UnsafeRawPointer(bitPattern: 1)) }
        let (state, began) = (open("/proc/thread-self/stat", O_RDONLY | O_CLOEXEC), Self.now())
        pthread_mutex_lock(lock)
        if state >= 0 { states.insert(state) }
        while true {
            if let body = waiting.take(now: waiting.count(of: .later) > 0 ? Self.now() : 0) {
                pthread_mutex_unlock(lock)
                body()
                pthread_mutex_lock(lock)
                // One that was added, and those that it stood in for are back.
                if threads > usualThreads, Self.now() - began > Self.patienceNanoseconds, running > processors { break }
                continue
            }
            idle += 1
            let isOver = !wait(for: work, Self.idleSeconds * 1_000_000_000)
            idle -= 1
            if isOver, waiting.count == 0 { break }
        }
        threads -= 1
        states.remove(state)
        pthread_mutex_unlock(lock)
        close(state)
    }

    private static func now() -> Int {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return now.tv_sec * 1_000_000_000 + now.tv_nsec
    }

    /// How many have a processor or wait for one.
    private var running: Int {
        states.count { state in
            let start = [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
                count = max(0, pread(state, buffer.baseAddress, buffer.count, 0))
            }
            // "TID (NAME) STATE ...", and the name is at most 15 bytes.
            guard let name = start.lastIndex(of: UInt8(ascii: ")")), name + 2 < start.count else { return false }
            return start[name + 2] == UInt8(ascii: "R")
        }
    }

    /// Adds a thread whenever work has waited for a moment and processors have none of it.
    private func oversee() {
        pthread_mutex_lock(lock)
        while true {
            if waiting.count == 0 {
                overseerSleeps = true
                let isOver = !wait(for: backlog, Self.idleSeconds * 1_000_000_000)
                overseerSleeps = false
                if isOver, waiting.count == 0 { break }
                continue
            }
            _ = wait(for: never, Self.patienceNanoseconds)
            if waiting.count > 0, threads < Self.mostThreads, running < processors { addThread() }
        }
        hasOverseer = false
        pthread_mutex_unlock(lock)
    }

    /// False when the time was over.
    private func wait(for condition: UnsafeMutablePointer<pthread_cond_t>, _ nanoseconds: Int) -> Bool {
        let sum = Self.now() + nanoseconds
        var end = timespec(tv_sec: sum / 1_000_000_000, tv_nsec: sum % 1_000_000_000)
        return pthread_cond_timedwait(condition, lock, &end) != ETIMEDOUT
    }

    /// A detached thread that no signal interrupts.
    private static func begin(_ body: @escaping @Sendable () -> Void) -> Bool {
        final class Body: Sendable {
            let run: @Sendable () -> Void
            init(_ run: @escaping @Sendable () -> Void) { self.run = run }
        }
        var (all, former) = (sigset_t(), sigset_t())
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &former)
        defer { pthread_sigmask(SIG_SETMASK, &former, nil) }
        var thread = pthread_t()
        let body = Unmanaged.passRetained(Body(body))
        let result = pthread_create(
            &thread, nil,
            { context in
                // SAFETY: what was passed retained below the call that made this thread.
                if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, body.toOpaque())
        guard result == 0 else {
            body.release()
            return false
        }
        pthread_detach(thread)
        return true
    }
}
