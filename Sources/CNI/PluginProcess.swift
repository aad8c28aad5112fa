// Runs a plugin: configuration on standard input, result or error on standard output, a deadline over all. Blocks.

import CLinux
import Glibc
import JSON

enum PluginProcess {
    /// A plugin that leases an address by DHCP may take a while; beyond this it hangs.
    static let deadlineMilliseconds: Int32 = 60_000

    /// The result document; nil where the command has none (DEL, CHECK).
    static func run(_ call: PluginCall, network: String) throws(CNIError) -> JSONValue? {
        guard access(call.program, X_OK) == 0 else {
            throw CNIError(
                network: network, reason: "plugin \(call.program) is not there",
                hint: "install the containernetworking plugins or set the directory of the node's plugins")
        }
        let input = clinux_memfd("cni-input")
        let output = clinux_memfd("cni-output")
        let errors = clinux_memfd("cni-errors")
        defer { for descriptor in [input, output, errors] where descriptor >= 0 { close(descriptor) } }
        guard input >= 0, output >= 0, errors >= 0, SmallFile.write(call.input, to: input), lseek(input, 0, SEEK_SET) == 0 else {
            throw failure(network, call, "memfd", errno)
        }
        let status = try wait(for: try spawn(call, network, input, output, errors), call, network)
        let result = (SmallFile.read(output) ?? []).isEmpty ? nil : try? JSONValue(parsing: SmallFile.read(output) ?? [])
        if status == 0 { return result }
        // Section 5, "Error": {"code": ..., "msg": ..., "details": ...} on standard output.
        let message = result?["msg"]?.stringValue ?? String(decoding: (SmallFile.read(errors) ?? []).suffix(400), as: UTF8.self)
        let details = result?["details"]?.stringValue.map { ": \($0)" } ?? ""
        throw CNIError(network: network, reason: "plugin \(call.program) ended with status \(status): \(message)\(details)")
    }

    private static func failure(_ network: String, _ call: PluginCall, _ stage: String, _ number: Int32) -> CNIError {
        CNIError(network: network, reason: "plugin \(call.program): \(stage): \(String(cString: strerror(number)))")
    }

    private static func spawn(
        _ call: PluginCall, _ network: String, _ input: Int32, _ output: Int32, _ errors: Int32
    ) throws(CNIError) -> pid_t {
        var pid: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(call.program), nil]
        var environment: [UnsafeMutablePointer<CChar>?] = call.environment.map { strdup($0) } + [nil]
        defer { for pointer in arguments + environment { free(pointer) } }
        let result = clinux_spawn_with_input(&pid, call.program, &arguments, &environment, input, output, errors)
        guard result == 0 else { throw failure(network, call, "spawn", result) }
        return pid
    }

    /// Exit status, or 128 + signal.
    private static func wait(for pid: pid_t, _ call: PluginCall, _ network: String) throws(CNIError) -> Int32 {
        let handle = clinux_pidfd_open(pid, 0)
        guard handle >= 0 else { throw failure(network, call, "pidfd_open", errno) }
        defer { close(handle) }
        var ready = pollfd(fd: handle, events: Int16(POLLIN), revents: 0)
        var left = deadlineMilliseconds
        while true {
            let started = monotonicMilliseconds()
            let count = poll(&ready, 1, left)
            if count > 0 { break }
            left -= Int32(clamping: monotonicMilliseconds() - started)
            if count < 0, errno == EINTR, left > 0 { continue }
            _ = clinux_pidfd_send_signal(handle, SIGKILL)
            _ = poll(&ready, 1, 5_000)
            var ignored: Int32 = 0
            _ = clinux_wait_pidfd(handle, &ignored)
            throw CNIError(
                network: network, reason: "plugin \(call.program) did not answer within \(deadlineMilliseconds / 1000) s and was ended")
        }
        var status: Int32 = 0
        guard clinux_wait_pidfd(handle, &status) == 1 else { throw failure(network, call, "waitid", errno) }
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    }

    private static func monotonicMilliseconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }
}
