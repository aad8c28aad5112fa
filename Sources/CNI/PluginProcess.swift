// Runs a plugin: configuration on standard input, result or error on standard output. Blocks.

import Glibc
import JSON
import Spawn

enum PluginProcess {
    /// A plugin that leases an address by DHCP may take a while; beyond this it hangs.
    static let deadlineMilliseconds: Int64 = 60_000

    /// The result document; nil where the command has none (DEL, CHECK).
    static func run(_ call: PluginCall, network: String) throws(CNIError) -> JSONValue? {
        guard access(call.program, X_OK) == 0 else {
            throw CNIError(
                network: network, reason: "plugin \(call.program) is not there",
                hint: "install the containernetworking plugins or set the directory of the node's plugins")
        }
        let run: ProgramRun
        do throws(ProgramRun.Failure) {
            run = try ProgramRun(
                call.program, arguments: [call.program], environment: call.environment, input: call.input,
                deadlineMilliseconds: deadlineMilliseconds)
        } catch { throw CNIError(network: network, reason: "plugin \(error)") }
        let result = run.output.isEmpty ? nil : try? JSONValue(parsing: run.output)
        switch run.ending {
        case .exited(0): return result
        case .deadline(let milliseconds):
            throw CNIError(
                network: network, reason: "plugin \(call.program) did not answer within \(milliseconds / 1000) s and was ended")
        case .exited, .signaled:
            // Section 5, "Error": {"code": ..., "msg": ..., "details": ...} on standard output.
            let message = result?["msg"]?.stringValue ?? run.complaint
            let details = result?["details"]?.stringValue.map { ": \($0)" } ?? ""
            throw CNIError(network: network, reason: "plugin \(call.program) (\(run.ending)): \(message)\(details)")
        }
    }
}
