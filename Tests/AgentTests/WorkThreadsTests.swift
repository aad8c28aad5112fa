// Where blocking work is done: in place on threads that may block, elsewhere on one of them.
import Glibc
import RuntimeInterface
import Testing

@Suite("threads for blocking work", .timeLimit(.minutes(1)))
struct WorkThreadsTests {
    private struct Failure: Error {}

    private static var thread: pthread_t { pthread_self() }

    @Test("a task of theirs does its blocking work in place, also behind an actor and in child tasks")
    func inPlace() async {
        actor Counter {
            var count = 0
            func work() async -> Bool {
                count += 1
                return await WorkThreads.perform { WorkThreads.isHere }
            }
        }
        let counter = Counter()
        await Task(executorPreference: WorkThreads.shared) {
            #expect(WorkThreads.isHere)
            let before = Self.thread
            let (there, here) = (await WorkThreads.perform { Self.thread }, Self.thread)
            #expect(there == before && here == before)
            #expect(await counter.work())
            async let child = WorkThreads.perform { WorkThreads.isHere }
            #expect(await child)
            await #expect(throws: Failure.self) { try await WorkThreads.perform { throw Failure() } }
        }.value
    }

    @Test("everybody else's work is handed to one of them, and the thread that waits for nobody else is not marked as one")
    func handedOver() async {
        #expect(!WorkThreads.isHere)
        #expect(await WorkThreads.perform { WorkThreads.isHere })
        await #expect(throws: Failure.self) { try await WorkThreads.perform { throw Failure() } }
        // A task of its own that begins on one of them does not go on there.
        let isHere = await Task(executorPreference: WorkThreads.shared) { await Task { WorkThreads.isHere }.value }.value
        #expect(!isHere)
    }

    @Test("while many of them block, other tasks go on")
    func manyBlock() async throws {
        let gate = try Gate()
        let blocked = (0..<16).map { _ in Task(executorPreference: WorkThreads.shared) { gate.wait() } }
        for number in 0..<100 { #expect(await Task { number }.value == number) }
        gate.open()
        for task in blocked { await task.value }
    }

    @Test("work behind calls that block gets threads of its own, and is told of while it waits")
    func growth() async throws {
        let gate = try Gate()
        let blocked = (0..<5).map { _ in Task(executorPreference: WorkThreads.shared) { gate.wait() } }
        let behind = (0..<3).map { number in Task(executorPreference: WorkThreads.shared) { number } }
        for (number, task) in behind.enumerated() { #expect(await task.value == number) }
        gate.open()
        for task in blocked { await task.value }
    }

    @Test("work that comes at once with calls that wait for it is not forgotten behind them, however many threads were idle")
    func together() async throws {
        for count in 1...6 {
            let gate = try Gate()
            let blocked = (0..<count).map { _ in Task(executorPreference: WorkThreads.shared) { gate.wait() } }
            await Task(executorPreference: WorkThreads.shared) { gate.open() }.value
            for task in blocked { await task.value }
        }
    }

    /// A pipe: whoever waits blocks in a system call until it is opened.
    private final class Gate: Sendable {
        private let ends: (read: Int32, write: Int32)

        init() throws {
            var descriptors: [Int32] = [-1, -1]
            try #require(pipe(&descriptors) == 0)
            ends = (descriptors[0], descriptors[1])
        }

        func wait() {
            var byte: UInt8 = 0
            _ = read(ends.read, &byte, 1)
        }

        func open() { close(ends.write) }

        deinit { close(ends.read) }
    }
}
