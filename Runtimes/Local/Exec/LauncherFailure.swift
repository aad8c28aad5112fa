// What the launcher says of a command that it could not start: its `struct failure`, an errno and the stage.

import Glibc
import RuntimeInterface

package enum LauncherFailure {
    package static let bytes = 256

    /// `invalid(field: "command")` when there is no such program in the container, in a shell's words; else `unavailable` with the stage.
    package static func error(_ buffer: [UInt8]) -> RuntimeError {
        let code = buffer.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) }
        let stage = String(decoding: buffer.prefix(bytes).dropFirst(4).prefix { $0 != 0 }, as: UTF8.self)
        guard stage.hasPrefix("exec(") else { return .unavailable(stage: stage, reason: String(cString: strerror(code))) }
        let program = stage.dropFirst("exec(".count).dropLast()
        let reason = code == ENOENT ? "executable file not found in $PATH" : String(cString: strerror(code))
        return .invalid(field: "command", reason: "exec: \"\(program)\": \(reason)")
    }
}
