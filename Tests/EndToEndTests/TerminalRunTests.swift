// `swiftlet run --tty` at a terminal: the test is the terminal's other side.
import CLinux
import FoundationEssentials
import Glibc
import Testing

@testable import Swiftlet

/// A pseudo terminal, of which a program has the one end and the test the other.
private final class TestTerminal {
    let master: Int32
    let slave: Int32
    private(set) var shown = ""

    init() throws {
        var ends: (master: Int32, slave: Int32) = (-1, -1)
        let made = openpty(&ends.master, &ends.slave, nil, nil, nil)
        try #require(made == 0)
        (master, slave) = ends
        _ = fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK)
    }

    deinit {
        close(slave)
        close(master)
    }

    func type(_ text: String) { _ = text.withCString { write(master, $0, strlen($0)) } }

    func read() -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = buffer.withUnsafeMutableBytes { Glibc.read(master, $0.baseAddress, $0.count) }
            guard count > 0 else { return shown }
            shown += String(decoding: buffer[..<count], as: UTF8.self)
        }
    }

    /// Flags of input, output and lines.
    var mode: [tcflag_t] {
        var settings = termios()
        tcgetattr(slave, &settings)
        return [settings.c_iflag, settings.c_oflag, settings.c_lflag]
    }

    /// Starts `swiftlet` with this terminal alone.
    func run(_ words: String...) throws -> pid_t {
        let path = try EndToEnd.program("swiftlet")
        var pid: pid_t = 0
        let argv: [UnsafeMutablePointer<CChar>?] = ([path, "run"] + words).map { strdup($0) } + [nil]
        let variables: [String] = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"]
        let envp: [UnsafeMutablePointer<CChar>?] = variables.map { strdup($0) } + [nil]
        defer { (argv + envp).forEach { free($0) } }
        let error = clinux_spawn_with_input(&pid, path, argv, envp, slave, slave, slave)
        guard error == 0 else { throw HarnessFailure(description: "start \(path): \(String(cString: strerror(error)))") }
        return pid
    }

    func wait(for text: String) async throws {
        try await eventually("the terminal shows \(text)", within: .seconds(60), state: { self.read() }) { read().contains(text) }
    }

    /// The exit status as a shell counts.
    func end(of pid: pid_t) async throws -> Int32 {
        var status: Int32 = 0
        do {
            try await eventually("swiftlet run has ended", within: .seconds(60), state: { self.read() }) {
                waitpid(pid, &status, WNOHANG) == pid
            }
        } catch {
            kill(pid, SIGKILL)
            waitpid(pid, &status, 0)
            throw error
        }
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    }
}

@Suite("swiftlet run --tty", .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct TerminalRunTests {
    @Test("the task has a terminal of its own, of the caller's size, also when that changes; its exit status is told")
    func size() async throws {
        let terminal = try TestTerminal()
        clinux_set_window_size(terminal.slave, 33, 77)
        let script = """
            tty; test -t 0 && test -t 1 && test -t 2 && stty size
            trap 'stty size; exit 7' WINCH; echo ready; while :; do sleep 0.05; done
            """
        let pid = try terminal.run("--tty", "--", "sh", "-c", script)
        try await terminal.wait(for: "ready")
        #expect(terminal.read().contains("/dev/pts/0\r\n33 77\r\n"), "\(terminal.read())")
        clinux_set_window_size(terminal.slave, 40, 100)
        kill(pid, SIGWINCH)  // the kernel tells whose controlling terminal it is: a shell's jobs
        #expect(try await terminal.end(of: pid) == 7)
        #expect(terminal.read().contains("40 100"), "\(terminal.read())")
    }

    @Test("what is typed reaches the task, keys that end a program too")
    func typed() async throws {
        let terminal = try TestTerminal()
        let script = "trap 'echo interrupted; exit 4' INT; read line; echo got:$line:; while :; do sleep 0.05; done"
        let pid = try terminal.run("--tty", "--", "sh", "-c", script)
        terminal.type("hello\r")
        try await terminal.wait(for: "got:hello:")
        terminal.type("\u{3}")
        #expect(try await terminal.end(of: pid) == 4)
        #expect(terminal.read().contains("interrupted"))
    }

    @Test("the task's terminal is the only one that has a name in its file system")
    func apart() async throws {
        let terminal = try TestTerminal()
        let pid = try terminal.run("--tty", "--", "sh", "-c", "ls /dev/pts | tr '\\n' ' '; echo ready; read line")
        try await terminal.wait(for: "ready")
        #expect(terminal.read().contains("0 ptmx ready"), "\(terminal.read())")
        terminal.type("\r")
        #expect(try await terminal.end(of: pid) == 0)
    }

    @Test("the caller's terminal is raw meanwhile and as before afterwards, however it ends", arguments: [0, SIGTERM, SIGHUP])
    func restored(signal: Int32) async throws {
        let terminal = try TestTerminal()
        let before = terminal.mode
        let pid = try terminal.run("--tty", "--", "sh", "-c", "echo ready; read line; exit 5")
        try await terminal.wait(for: "ready")
        #expect(terminal.mode[2] & tcflag_t(ECHO | ICANON | ISIG) == 0)
        if signal == 0 { terminal.type("\r") } else { kill(pid, signal) }
        let status = try await terminal.end(of: pid)
        #expect(signal == 0 ? status == 5 : status > 128, "\(status)")
        #expect(terminal.mode == before)
    }

    @Test("a command that is not there leaves the terminal as it was, and says so")
    func absent() async throws {
        let terminal = try TestTerminal()
        let before = terminal.mode
        let pid = try terminal.run("--tty", "--", "nonesuch")
        #expect(try await terminal.end(of: pid) == 127)
        #expect(terminal.mode == before)
        #expect(terminal.read().contains("nonesuch"), "\(terminal.read())")
    }
}
