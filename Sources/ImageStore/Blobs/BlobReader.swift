// A blob read from front to back, its digest made on the way.
import CLinux
import Glibc
import Synchronization

/// For one reader at a time. What it has read is trustworthy only when `read` has returned 0: then size and digest were right.
public final class BlobReader: Sendable {
    private struct State: Sendable {
        var running: RunningDigest
        var isVerified = false
    }

    public let digest: ContentDigest
    /// Bytes.
    public let size: Int64
    private let file: Int32
    private let path: String
    private let state: Mutex<State>

    init(store: BlobStore, digest: ContentDigest) throws(ImageStoreError) {
        self.digest = digest
        path = store.path(of: digest)
        state = Mutex(State(running: RunningDigest(digest.algorithm)))
        file = clinux_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0)
        guard file >= 0 else {
            throw errno == ENOENT ? .notFound("blob \(digest)") : .inputOutput(file: path, operation: "open", errno: errno)
        }
        var facts = stat()
        guard fstat(file, &facts) == 0 else {
            let code = errno
            close(file)
            throw .inputOutput(file: path, operation: "stat", errno: code)
        }
        size = Int64(facts.st_size)
        posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL)
    }

    deinit { close(file) }

    /// How many bytes were put into the buffer; 0 at the end, when all that was read is what the digest says. Throws `digestMismatch`.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ImageStoreError) -> Int {
        while true {
            let count = Glibc.read(file, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .inputOutput(file: path, operation: "read", errno: errno) }
            if count == 0 {
                try verify()
            } else {
                // SAFETY: read has filled the first `count` bytes.
                let piece = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count])
                state.withLock { $0.running.update(piece) }
            }
            return count
        }
    }

    /// Reads what is left, for whoever needs less than all of it and still wants to know that it was right.
    public func verifyRest() throws(ImageStoreError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { buffer.deallocate() }
        while try read(into: buffer) > 0 {}
    }

    private func verify() throws(ImageStoreError) {
        let found: ContentDigest? = state.withLock { state in
            if state.isVerified { return nil }
            let found = state.running.finish()
            state.isVerified = found == digest
            return found
        }
        if let found, found != digest { throw .digestMismatch(subject: path, expected: digest, found: found) }
    }
}
