// Between our own terminal and the container's, for `run` and `exec --tty` in the foreground.

import CLinux
import Glibc

/// Two threads that copy bytes; our terminal is raw meanwhile.
final class TerminalProxy: Sendable {
    private let master: Int32
    private let saved: termios?

    init(master: Int32) {
        self.master = master
        var settings = termios()
        saved = tcgetattr(0, &settings) == 0 ? settings : nil
        _ = clinux_copy_window_size(0, master)
    }

    func start() {
        if var raw = saved {
            cfmakeraw(&raw)
            tcsetattr(0, TCSANOW, &raw)
        }
        Self.copy(from: 0, to: master)
        Self.copy(from: master, to: 1, tells: finished)
    }

    private let finished: (read: Int32, write: Int32) = {
        var ends: [Int32] = [-1, -1]
        _ = pipe(&ends)
        return (ends[0], ends[1])
    }()

    func resize() { _ = clinux_copy_window_size(0, master) }

    /// What the container wrote last still arrives; a descendant that keeps the terminal open is not waited for.
    func finish() {
        var ready = pollfd(fd: finished.read, events: Int16(POLLIN), revents: 0)
        poll(&ready, 1, 1000)
        if var settings = saved { tcsetattr(0, TCSANOW, &settings) }
    }

    private static func copy(from: Int32, to: Int32, tells finished: (read: Int32, write: Int32)? = nil) {
        var thread = pthread_t()
        let parameters = UnsafeMutablePointer<(Int32, Int32, Int32)>.allocate(capacity: 1)
        parameters.initialize(to: (from, to, finished?.write ?? -1))
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let (from, to, finished) = argument.load(as: (Int32, Int32, Int32).self)
                var buffer = [UInt8](repeating: 0, count: 8192)
                while true {
                    let n = buffer.withUnsafeMutableBytes { read(from, $0.baseAddress, $0.count) }
                    if n < 0, errno == EINTR { continue }
                    // The master says EIO when the last holder of the slave is gone.
                    if n <= 0 { break }
                    var done = 0
                    while done < n {
                        let written = buffer.withUnsafeBytes { write(to, $0.baseAddress.map { $0 + done }, n - done) }
                        if written <= 0 { break }
                        done += written
                    }
                }
                if finished >= 0 { _ = write(finished, "x", 1) }
                return nil
            }, parameters)
        pthread_detach(thread)
    }
}

/// A console socket of our own, for the time in which the launcher sends its master; its name goes with it.
final class ConsoleReceiver {
    let path: String
    private let directory: String?
    private var listener: Int32

    /// In a directory of its own that nobody else may enter: who could connect first would be given for the container's terminal.
    convenience init() throws(OCIError) {
        var template = Array("/tmp/swiftlet-oci-console-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw .system("make a directory like", "/tmp/swiftlet-oci-console-XXXXXX") }
        let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        try self.init(path: "\(directory)/socket", directory: directory)
    }

    init(path: String, directory: String? = nil) throws(OCIError) {
        self.path = path
        self.directory = directory
        listener = clinux_unix_listen(path)
        guard listener >= 0 else {
            let code = errno
            if let directory { rmdir(directory) }
            throw .system(stage: "listen at", errno: code, subject: path)
        }
    }

    deinit { end() }

    private func end() {
        guard listener >= 0 else { return }
        close(listener)
        listener = -1
        unlink(path)
        if let directory { rmdir(directory) }
    }

    /// After the launcher has spoken: it connected before, and sent in between.
    func receive() throws(OCIError) -> Int32 {
        defer { end() }
        let connection = clinux_unix_accept(listener)
        guard connection >= 0 else { throw .system("accept at", path) }
        defer { close(connection) }
        let master = clinux_receive_descriptor(connection)
        guard master >= 0 else { throw .system("receive the terminal at", path) }
        return master
    }
}
