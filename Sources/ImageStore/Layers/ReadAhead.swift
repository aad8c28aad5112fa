// Blocks that are made on a thread of their own while those before them are worked on: an archive is uncompressed beside the writing of
// its files.
import Glibc
import Synchronization

/// One thread makes blocks, one takes them. Holds `blockCount` x `blockBytes` and no more: whoever is ahead waits for the other.
final class ReadAhead {
    /// Fills the buffer and says with how much; 0 at the end. Called by one thread at a time.
    typealias Fill = (_ buffer: UnsafeMutableRawBufferPointer) throws(ImageStoreError) -> Int

    private static let blockCount = 4
    private static let blockBytes = 256 << 10

    private let work: Work
    /// nil: the system has no thread left, and `next` makes the blocks itself.
    private var thread: pthread_t?
    private var taken = 0
    private var isAtEnd = false

    init(_ fill: @escaping Fill) {
        work = Work(blocks: Self.blockCount, bytes: Self.blockBytes, fill)
        let shared = Unmanaged.passRetained(work)
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { raw in
                if let raw { Unmanaged<Work>.fromOpaque(raw).takeRetainedValue().run() }
                return nil
            }, shared.toOpaque())
        if failure == 0 { self.thread = thread } else { shared.release() }
    }

    deinit { finish() }

    /// The next block, valid until the next call; nil at the end. Throws what `fill` threw, in its place.
    func next() throws(ImageStoreError) -> UnsafeRawBufferPointer? {
        guard !isAtEnd else { return nil }
        if thread == nil {
            work.make(taken)
        } else {
            // The block before goes back to be filled again.
            if taken > 0 { work.free.post() }
            work.filled.wait()
        }
        let block = work.block(taken)
        taken += 1
        guard block.isEmpty else { return block }
        isAtEnd = true
        if let failure = work.failure { throw failure }
        return nil
    }

    /// Ends the thread, whatever is left: from here on `fill` is not called, and what it used is the caller's again.
    func finish() {
        isAtEnd = true
        guard let thread else { return }
        work.isStopped.store(true, ordering: .releasing)
        work.free.post()
        pthread_join(thread, nil)
        self.thread = nil
    }
}

/// What the two threads share. The semaphores say whose a block is, so nothing else is needed between them.
private final class Work {
    let free: CountingSemaphore
    let filled = CountingSemaphore(0)
    let isStopped = Atomic(false)
    private(set) var failure: ImageStoreError?
    private let fill: ReadAhead.Fill
    private let buffers: [UnsafeMutableRawBufferPointer]
    /// Bytes in each. Plain memory: two threads may not touch one array, be it at different places.
    private let counts: UnsafeMutableBufferPointer<Int>

    init(blocks: Int, bytes: Int, _ fill: @escaping ReadAhead.Fill) {
        free = CountingSemaphore(UInt32(blocks))
        self.fill = fill
        buffers = (0..<blocks).map { _ in .allocate(byteCount: bytes, alignment: 4096) }
        counts = .allocate(capacity: blocks)
        counts.initialize(repeating: 0)
    }

    deinit {
        for buffer in buffers { buffer.deallocate() }
        counts.deallocate()
    }

    func run() {
        var number = 0
        while true {
            free.wait()
            if isStopped.load(ordering: .acquiring) { return }
            make(number)
            let isLast = counts[number % counts.count] == 0
            filled.post()
            if isLast { return }
            number += 1
        }
    }

    func make(_ number: Int) {
        let index = number % buffers.count
        do throws(ImageStoreError) {
            counts[index] = try fill(buffers[index])
        } catch {
            failure = error
            counts[index] = 0
        }
    }

    func block(_ number: Int) -> UnsafeRawBufferPointer {
        let index = number % buffers.count
        return UnsafeRawBufferPointer(rebasing: buffers[index][..<counts[index]])
    }
}

/// sem_overview(7), between threads of this process.
private final class CountingSemaphore {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init(_ value: UInt32) { sem_init(semaphore, 0, value) }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func post() { sem_post(semaphore) }

    func wait() {
        while sem_wait(semaphore) != 0 && errno == EINTR {}
    }
}
