// Programs that the runtime starts: the launcher, and hooks.

import CLinux
import Glibc

enum ChildProcess {
    /// 0-2 are our own; `keep` stays open besides. An empty environment unless given.
    static func spawn(
        _ path: String, _ arguments: [String], environment: [String] = [], keep: [Int32] = []
    ) throws(OCIError) -> Int32 {
        var pid: pid_t = 0
        let code = withPointers(arguments) { argv in
            withPointers(environment) { envp in clinux_spawn_keeping(&pid, path, argv, envp, keep, Int32(keep.count)) }
        }
        guard code == 0 else { throw .system(stage: "spawn", errno: code, subject: path) }
        return pid
    }

    static func withPointers<Result>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeMutableBufferPointer { buffer in
            // SAFETY: never empty, it ends with a null pointer.
            body(UnsafePointer(buffer.baseAddress.unsafelyUnwrapped))
        }
    }

    /// The wait status; nil for a process that is no child of ours.
    @discardableResult
    static func reap(_ pid: Int32) -> Int32? {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 {
            if errno != EINTR { return nil }
        }
        return status
    }

    /// A zombie of ours would keep its groups busy.
    static func reapIfChild(_ pid: Int32) {
        if pid > 0 { waitpid(pid, nil, WNOHANG) }
    }

    /// As a shell counts: 128 and the signal for a program that a signal ended.
    static func exitCode(_ status: Int32) -> Int32 {
        status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    }
}
