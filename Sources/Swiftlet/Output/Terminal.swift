// The person's terminal: whether there is one, its width, colours, and text that is drawn again in place.
import Glibc

struct Terminal: Sendable {
    enum Stream: Sendable { case standardOutput, standardError }
    enum Style: String, Sendable {
        case bold = "1"
        case dim = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
        case cyan = "36"
    }

    let stream: Stream
    /// Colours and redrawing are for terminals only, and not where NO_COLOR (no-color.org) or TERM=dumb say otherwise.
    let isInteractive: Bool
    let hasColour: Bool

    static let output = Terminal(.standardOutput)
    static let error = Terminal(.standardError)

    init(_ stream: Stream) {
        self.stream = stream
        let dumb = getenv("TERM").map { String(cString: $0) == "dumb" } ?? true
        isInteractive = isatty(stream == .standardOutput ? STDOUT_FILENO : STDERR_FILENO) == 1 && !dumb
        hasColour = isInteractive && getenv("NO_COLOR") == nil
    }

    private var descriptor: Int32 { stream == .standardOutput ? STDOUT_FILENO : STDERR_FILENO }

    /// Columns of the terminal; 120 where there is none.
    var width: Int {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 120 }
        return Int(size.ws_col)
    }

    func styled(_ text: String, _ style: Style) -> String {
        hasColour ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }

    func write(_ text: String) { write(bytes: Array(text.utf8)) }

    func line(_ text: String = "") { write(text + "\n") }

    /// Writes all or gives up: a reader that went away (`| head`) ends the program by SIGPIPE as usual, and any other failure of
    /// standard output is told at the command's end (`OutputFailure`).
    func write(bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                if stream == .standardOutput { OutputFailure.remember(errno) }
                return
            }
            rest = rest.dropFirst(count)
        }
    }
}

/// Text that is drawn again over its former self.
struct RedrawnText {
    private let terminal: Terminal
    private var drawnLines = 0

    init(_ terminal: Terminal) { self.terminal = terminal }

    mutating func draw(_ lines: [String]) {
        let width = terminal.width
        var text = drawnLines > 0 ? "\u{1B}[\(drawnLines)A" : ""
        for line in lines { text += "\u{1B}[2K" + Self.clipped(line, to: width) + "\n" }
        text += "\u{1B}[J"
        terminal.write(text)
        drawnLines = lines.count
    }

    /// Cuts at the terminal's width, because a wrapped line would be counted as one; escape sequences take no room.
    static func clipped(_ line: String, to width: Int) -> String {
        var result = ""
        var used = 0
        var escaped = false
        for character in line {
            if character == "\u{1B}" { escaped = true }
            if !escaped {
                if used == width { continue }
                used += 1
            }
            result.append(character)
            if escaped, character.isLetter { escaped = false }
        }
        return result
    }
}
