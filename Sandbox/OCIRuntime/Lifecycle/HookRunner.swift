// Hooks in the runtime's own namespaces: prestart, createRuntime, poststart, poststop.

import CLinux
import Glibc
import JSON

enum HookRunner {
    /// In order; the first that fails ends it (config.md, "POSIX-platform Hooks").
    static func run(_ kind: HookSpecifications.Kind, of hooks: HookSpecifications, state: JSONObject) throws(OCIError) {
        for (index, hook) in hooks[kind].enumerated() {
            if let reason = try run(hook, state: state) { throw .hook(kind: kind.rawValue, index: index, reason: reason) }
        }
    }

    /// Each runs, whatever the others did; failures are returned (the poststop rule).
    static func runAll(_ kind: HookSpecifications.Kind, of hooks: HookSpecifications, state: JSONObject) -> [OCIError] {
        var failures: [OCIError] = []
        for (index, hook) in hooks[kind].enumerated() {
            do {
                if let reason = try run(hook, state: state) {
                    failures.append(.hook(kind: kind.rawValue, index: index, reason: reason))
                }
            } catch {
                failures.append(.hook(kind: kind.rawValue, index: index, reason: "\(error)"))
            }
        }
        return failures
    }

    /// nil when it ended well.
    private static func run(_ hook: HookSpecification, state: JSONObject) throws(OCIError) -> String? {
        let input = clinux_memfd("hook-state")
        guard input >= 0 else { throw .system("memfd", hook.path) }
        defer { close(input) }
        try HostFile.writeAll(input, JSONValue.object(state).serialized(), hook.path)
        lseek(input, 0, SEEK_SET)
        var pid: pid_t = 0
        let code = ChildProcess.withPointers(hook.arguments) { argv in
            ChildProcess.withPointers(hook.environment) { envp in
                clinux_spawn_with_input(
                    &pid, hook.path, UnsafeMutablePointer(mutating: argv), UnsafeMutablePointer(mutating: envp), input, 1, 2)
            }
        }
        guard code == 0 else { return "\(hook.path): \(OCIError.text(code))" }
        let handle = ProcessHandle(pid: pid)
        if let seconds = hook.timeout, let handle, !handle.waitUntilGone(milliseconds: Int32(clamping: seconds * 1000)) {
            // A session of its own: what it started goes with it.
            kill(-pid, SIGKILL)
            kill(pid, SIGKILL)
            ChildProcess.reap(pid)
            return "\(hook.path): timed out after \(seconds) s"
        }
        guard let status = ChildProcess.reap(pid) else { return "\(hook.path): its end is not known" }
        if status == 0 { return nil }
        return "\(hook.path): " + (status & 0x7f == 0 ? "exit status \((status >> 8) & 0xff)" : "signal: \(status & 0x7f)")
    }
}
