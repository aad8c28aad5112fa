// Where messages go: standard error, and the file that engines read (`--log`, `--log-format`).

import CLinux
import Glibc
import JSON

struct CommandLog {
    var file: String?
    var isJSON = false
    var isDebug = false

    enum Level: String { case debug, warning, error }

    func write(_ level: Level, _ message: String) {
        guard level != .debug || isDebug else { return }
        let time = Timestamp.now()
        let line =
            isJSON
            ? JSONValue.object(
                JSONObject([
                    ("level", .string(level.rawValue)), ("msg", .string(message)), ("time", .string(time)),
                ])
            ).serializedString()
            : "time=\"\(time)\" level=\(level.rawValue) msg=\(JSONValue.string(message).serializedString())"
        append(line + "\n")
    }

    private func append(_ line: String) {
        guard let file, !file.isEmpty else {
            Self.print(line, to: 2)
            return
        }
        let descriptor = clinux_open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            Self.print(line, to: 2)
            return
        }
        Self.print(line, to: descriptor)
        close(descriptor)
    }

    /// A reader that is gone ends the process by SIGPIPE, as it does any command.
    static func print(_ text: String, to descriptor: Int32 = 1) {
        // Nobody is left to hear of a failure to write.
        do { try HostFile.writeAll(descriptor, Array(text.utf8), "output") } catch { return }
    }
}
