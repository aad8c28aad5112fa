// `--tty`: what is typed goes to the task's terminal, what the task writes there comes back. One thread, which the launcher's end
// stops.
import CLinux
import Glibc

final class RunTerminal {
    /// The socket on which the launcher hands the terminal over.
    let path: String
    /// The caller's, in characters; zeros where it has none.
    let size: (rows: UInt16, columns: UInt16)
    private let listener: Int32
    /// Ctrl-D: the end of what is typed.
    private static let endOfFile: UInt8 = 4
    /// The launcher has ended: so long what its task wrote last may still come.
    private static let drainMilliseconds: Int32 = 1000
    /// No process has the terminal open; one may open it again.
    private static let absentMilliseconds: Int32 = 100

    /// Listens in `directory`, which is the caller's alone.
    init(directory: String) throws(RunFailure) {
        path = directory + "/terminal"
        var rows: UInt16 = 0
        var columns: UInt16 = 0
        _ = clinux_window_size(STDIN_FILENO, &rows, &columns)
        size = (rows, columns)
        listener = clinux_unix_listen(path)
        guard listener >= 0 else { throw .system("--tty", path) }
    }

    deinit { close(listener) }

    /// Returns when the launcher has ended and what its task wrote is written. The caller's terminal is as it was then, also
    /// behind an error. Blocks.
    func serve(until launcher: pid_t) throws(RunFailure) {
        let end = clinux_pidfd_open(launcher, 0)
        guard end >= 0 else { throw .system("--tty", "the launcher") }
        defer { close(end) }
        guard let master = try receive(unless: end) else { return }
        defer { close(master) }
        guard fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) >= 0 else { throw .system("--tty", "the terminal") }
        let mode = CallerTerminal()
        defer { mode.restore() }
        mode.copySize(to: master)
        copy(master, mode, until: end)
    }

    /// nil when the launcher ended before it came to that: it has said why.
    private func receive(unless end: Int32) throws(RunFailure) -> Int32? {
        while true {
            var ready = [listener, end].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&ready, 2, -1) > 0 else { continue }
            guard ready[0].revents != 0 else { return nil }
            let connection = clinux_unix_accept(listener)
            guard connection >= 0 else { throw .system("--tty", "the launcher's connection") }
            defer { close(connection) }
            // The other end belongs to the launcher alone, so its death ends this too.
            let master = clinux_receive_descriptor(connection)
            return master >= 0 ? master : nil
        }
    }

    private func copy(_ master: Int32, _ mode: CallerTerminal, until end: Int32) {
        var typed: [UInt8] = []
        var input: Int32 = STDIN_FILENO
        var isOpen = true
        while true {
            let wanted = POLLIN | (typed.isEmpty ? 0 : POLLOUT)
            var ready = [
                pollfd(fd: typed.isEmpty ? input : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: isOpen ? master : -1, events: Int16(wanted), revents: 0),
                pollfd(fd: end, events: Int16(POLLIN), revents: 0), pollfd(fd: mode.resizes, events: Int16(POLLIN), revents: 0),
            ]
            let count = poll(&ready, 4, isOpen ? -1 : Self.absentMilliseconds)
            isOpen = true
            guard count > 0 else { continue }
            if ready[3].revents != 0 { mode.copySize(to: master) }
            if ready[0].revents != 0 {
                let bytes = Self.read(input)
                typed = bytes ?? [Self.endOfFile]
                if bytes == nil { input = -1 }
            }
            if ready[1].revents & Int16(POLLOUT) != 0 { Self.type(&typed, master) }
            if ready[1].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 {
                guard let bytes = Self.read(master) else {
                    isOpen = false
                    continue
                }
                mode.show(bytes)
            }
            if ready[2].revents != 0 { return drain(master, mode) }
        }
    }

    private func drain(_ master: Int32, _ mode: CallerTerminal) {
        while true {
            var ready = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
            let count = poll(&ready, 1, Self.drainMilliseconds)
            if count < 0, errno == EINTR { continue }
            guard count > 0, let bytes = Self.read(master) else { return }
            mode.show(bytes)
        }
    }

    /// What there is; nil at the end. A master says EIO while nobody has the terminal open.
    private static func read(_ descriptor: Int32) -> [UInt8]? {
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: 8192) { buffer, count in
            let got = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            failed = got < 0 && (errno == EAGAIN || errno == EINTR)
            count = max(0, got)
        }
        return bytes.isEmpty && !failed ? nil : bytes
    }

    /// As much as the terminal takes: a task that does not read must not keep us from what it writes.
    private static func type(_ typed: inout [UInt8], _ master: Int32) {
        let count = typed.withUnsafeBytes { Glibc.write(master, $0.baseAddress, $0.count) }
        if count > 0 { typed.removeFirst(count) } else if errno != EAGAIN, errno != EINTR { typed = [] }
    }
}
