// A non-blocking descriptor read and written by tasks: a pipe, a terminal or a socket. No thread waits.

import CLinux
import Dispatch
import Glibc
import RuntimeInterface
import Synchronization

/// At most one reader and one writer at a time.
package final class AsyncDescriptor: Sendable {
    /// Of one read: half of what a pipe holds.
    package static let pieceBytes = 32 << 10
    private static let queue = DispatchQueue(label: "swiftlet.local.streams")

    private enum Direction { case read, write }

    private struct State {
        var users = 0
        var isClosed = false
        var endsWhenDry = false
        var readWait: DispatchSourceProtocolBox?
        var writeWait: DispatchSourceProtocolBox?
    }

    private let descriptor: Int32
    private let state = Mutex(State())

    /// Takes the descriptor over.
    package init(_ descriptor: Int32) {
        self.descriptor = descriptor
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    deinit { close() }

    /// nil at the end: of the file, of the descriptor (`close`), or of what there was (`endWhenDry`).
    package func read() async throws -> [UInt8]? {
        while true {
            guard enter() else { return nil }
            var length = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: Self.pieceBytes) { buffer, count in
                repeat { length = Glibc.read(descriptor, buffer.baseAddress, buffer.count) } while length < 0 && errno == EINTR
                count = max(0, length)
            }
            let failure = errno
            leave()
            if length > 0 { return bytes }
            // A terminal says EIO when its last holder has gone, a socket ECONNRESET.
            guard length < 0, failure == EAGAIN else { return nil }
            if state.withLock({ $0.endsWhenDry }) { return nil }
            await wait(.read)
            try Task.checkCancellation()
        }
    }

    /// Throws when nobody will read any more, or after `close`.
    package func write(_ bytes: [UInt8]) async throws {
        var done = 0
        while done < bytes.count {
            guard enter() else { throw RuntimeError.unavailable(stage: "write", reason: "the stream was closed") }
            var length = 0
            repeat {
                length = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, $0.count - done) }
            } while length < 0
                && errno == EINTR
            let failure = errno
            leave()
            if length >= 0 {
                done += length
            } else if failure == EAGAIN {
                await wait(.write)
                try Task.checkCancellation()
            } else {
                throw RuntimeError.unavailable(stage: "write", reason: String(cString: strerror(failure)))
            }
        }
    }

    /// Suspends until a write would not block: a connection that is being made has been, or was refused.
    package func writable() async { await wait(.write) }

    /// What is there is still read; then it is the end, although others may hold the far side open.
    package func endWhenDry() {
        let wait = state.withLock { state in
            state.endsWhenDry = true
            return state.readWait
        }
        wait?.source.cancel()
    }

    /// Idempotent; whoever waits is woken.
    package func close() {
        let (waits, closesNow) = state.withLock { state -> ([DispatchSourceProtocolBox], Bool) in
            guard !state.isClosed else { return ([], false) }
            state.isClosed = true
            return ([state.readWait, state.writeWait].compactMap(\.self), state.users == 0)
        }
        for wait in waits { wait.source.cancel() }
        if closesNow { Glibc.close(descriptor) }
    }

    /// Runs with the open descriptor; nil after `close`.
    package func with<T>(_ body: (Int32) -> T) -> T? {
        guard enter() else { return nil }
        defer { leave() }
        return body(descriptor)
    }

    private func enter() -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            state.users += 1
            return true
        }
    }

    private func leave() {
        let closesNow = state.withLock { state in
            state.users -= 1
            return state.isClosed && state.users == 0
        }
        if closesNow { Glibc.close(descriptor) }
    }

    private func wait(_ direction: Direction) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let box: DispatchSourceProtocolBox? = state.withLock { state in
                    let mayWait = !state.isClosed && !Task.isCancelled && !(direction == .read && state.endsWhenDry)
                    guard mayWait else { return nil }
                    state.users += 1
                    let box = DispatchSourceProtocolBox(descriptor, forWriting: direction == .write)
                    if direction == .read { state.readWait = box } else { state.writeWait = box }
                    return box
                }
                guard let box else { return continuation.resume() }
                let source = box.source
                source.setEventHandler { source.cancel() }
                source.setCancelHandler {
                    self.state.withLock { if direction == .read { $0.readWait = nil } else { $0.writeWait = nil } }
                    self.leave()
                    continuation.resume()
                }
                source.activate()
            }
        } onCancel: {
            let box = state.withLock { direction == .read ? $0.readWait : $0.writeWait }
            box?.source.cancel()
        }
    }

    /// SAFETY: a dispatch source may be used from any thread; the overlay does not declare it Sendable.
    private struct DispatchSourceProtocolBox: @unchecked Sendable {
        let source: any DispatchSourceProtocol

        init(_ descriptor: Int32, forWriting: Bool) {
            source =
                forWriting
                ? DispatchSource.makeWriteSource(fileDescriptor: descriptor, queue: AsyncDescriptor.queue)
                : DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: AsyncDescriptor.queue)
        }
    }
}

/// A TCP connection as the runtime hands it out.
package final class SocketStream: ByteStream {
    private let descriptor: AsyncDescriptor

    package init(_ descriptor: AsyncDescriptor) { self.descriptor = descriptor }

    package func read() async throws -> [UInt8]? { try await descriptor.read() }
    package func write(_ bytes: [UInt8]) async throws { try await descriptor.write(bytes) }
    package func finishWriting() async { _ = descriptor.with { shutdown($0, Int32(SHUT_WR)) } }
    package func close() async { descriptor.close() }
}
