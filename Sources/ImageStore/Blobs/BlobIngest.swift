// A blob on its way in: written beside the store under a lock, checked, synced, and renamed into it when it is whole.
import CLinux
import Glibc
import Synchronization

/// What comes of wanting to bring a blob in.
public enum IngestStart: Sendable {
    /// It is here already.
    case present
    /// Another task or process is bringing it in: ask again later.
    case busy
    case ingest(BlobIngest)
}

extension BlobStore {
    /// Never waits. Of all who ask for one digest at a time, in this process or another, one gets the ingest.
    public func beginIngest(_ digest: ContentDigest, size: Int64) throws(ImageStoreError) -> IngestStart {
        // Whoever finds that the file he locked has been renamed meanwhile starts again; each round somebody else has finished.
        for _ in 0..<100 {
            if self.size(of: digest) == size { return .present }
            let path = ingestPath(of: digest)
            let file = clinux_open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
            guard file >= 0 else { throw .inputOutput(file: path, operation: "open", errno: errno) }
            guard clinux_flock(file, LOCK_EX | LOCK_NB) == 0 else {
                let code = errno
                close(file)
                if code == EWOULDBLOCK { return .busy }
                throw .inputOutput(file: path, operation: "flock", errno: code)
            }
            var opened = stat()
            var named = stat()
            guard fstat(file, &opened) == 0, stat(path, &named) == 0, opened.st_ino == named.st_ino, self.size(of: digest) != size
            else {
                close(file)
                continue
            }
            return .ingest(try BlobIngest(store: self, digest: digest, size: size, file: file, written: Int64(opened.st_size)))
        }
        return .busy
    }
}

/// Holds its lock until `commit`, `abandon` or the last reference goes. What was written stays for the next try unless it was wrong.
public final class BlobIngest: Sendable {
    private struct State: Sendable {
        var running: RunningDigest
        var offset: Int64
        var isClosed = false
    }

    public let digest: ContentDigest
    public let size: Int64
    private let store: BlobStore
    private let file: Int32
    private let path: String
    private let state: Mutex<State>

    /// Owns `file`. What an earlier try has written is read once more for the digest.
    fileprivate init(store: BlobStore, digest: ContentDigest, size: Int64, file: Int32, written: Int64) throws(ImageStoreError) {
        self.store = store
        self.digest = digest
        self.size = size
        self.file = file
        path = store.ingestPath(of: digest)
        state = Mutex(State(running: RunningDigest(digest.algorithm), offset: 0))
        // More than the whole cannot be its beginning.
        if written > size { try restart() } else { try readWritten(written) }
    }

    deinit {
        if state.withLock({ !$0.isClosed }) { close(file) }
    }

    /// Bytes that are here: where the next piece belongs.
    public var offset: Int64 { state.withLock { $0.offset } }

    /// The next piece. Throws `sizeMismatch` as soon as there is more than announced; nothing of that piece is kept.
    public func append(_ bytes: UnsafeRawBufferPointer) throws(ImageStoreError) {
        try withState { state throws(ImageStoreError) in
            let end = state.offset + Int64(bytes.count)
            guard end <= size else { throw .sizeMismatch(subject: "blob \(digest)", expected: size, found: end) }
            var done = 0
            while done < bytes.count {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
                let count = pwrite(file, rest.baseAddress, rest.count, off_t(state.offset) + off_t(done))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw .inputOutput(file: path, operation: "write", errno: count < 0 ? errno : EIO) }
                done += count
            }
            state.running.update(bytes)
            state.offset = end
        }
    }

    /// Forgets what is here, as when the other side cannot continue in the middle.
    public func restart() throws(ImageStoreError) {
        try withState { state throws(ImageStoreError) in
            guard ftruncate(file, 0) == 0 else { throw .inputOutput(file: path, operation: "truncate", errno: errno) }
            state = State(running: RunningDigest(digest.algorithm), offset: 0)
        }
    }

    /// Makes the whole content visible, durably. Throws `sizeMismatch` when bytes are missing (they may still be appended) and
    /// `digestMismatch` when it is another content, which is then thrown away.
    public func commit() throws(ImageStoreError) {
        try withState { state throws(ImageStoreError) in
            guard state.offset == size else {
                throw .sizeMismatch(subject: "blob \(digest)", expected: size, found: state.offset)
            }
            let found = state.running.finish()
            guard found == digest else {
                ftruncate(file, 0)
                state = State(running: RunningDigest(digest.algorithm), offset: 0)
                throw .digestMismatch(subject: "blob \(digest)", expected: digest, found: found)
            }
            guard fsync(file) == 0 else { throw .inputOutput(file: path, operation: "fsync", errno: errno) }
            let target = store.path(of: digest)
            guard rename(path, target) == 0 else { throw .inputOutput(file: target, operation: "rename", errno: errno) }
            state.isClosed = true
            close(file)
            try DurableFile.synchronizeDirectory(String(target[..<(target.lastIndex(of: "/") ?? target.startIndex)]))
        }
    }

    /// Gives the lock back and throws away what is here.
    public func discard() {
        state.withLock { state in
            guard !state.isClosed else { return }
            unlink(path)
            state.isClosed = true
            close(file)
        }
    }

    private func readWritten(_ written: Int64) throws(ImageStoreError) {
        try withState { state throws(ImageStoreError) in
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
            defer { buffer.deallocate() }
            while state.offset < written {
                let count = pread(file, buffer.baseAddress, buffer.count, off_t(state.offset))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw .inputOutput(file: path, operation: "read", errno: count < 0 ? errno : EIO) }
                state.running.update(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]))
                state.offset += Int64(count)
            }
        }
    }

    private func withState(_ body: (inout State) throws(ImageStoreError) -> Void) throws(ImageStoreError) {
        let result: Result<Void, ImageStoreError> = state.withLock { state in
            guard !state.isClosed else { return .failure(.inputOutput(file: path, operation: "ingest", errno: EBADF)) }
            do throws(ImageStoreError) {
                try body(&state)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }
}
