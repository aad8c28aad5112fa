// state.json as the launcher writes it (Runtimes/README.md), and what it means for a container.

import RuntimeInterface
import SandboxPolicy

package struct SupervisorState: Sendable, Hashable, Codable {
    package struct Failure: Sendable, Hashable, Codable {
        var stage: String
        var errno: Int
        var message: String
    }

    package var version: Int
    package var phase: String
    package var pid: Int32
    package var pidStartTime: Int64
    package var supervisorPid: Int32
    package var supervisorStartTime: Int64
    package var bootId: String
    package var startedAt: Int64
    package var finishedAt: Int64
    package var exitCode: Int
    package var signal: Int
    package var stopRequested: Bool
    package var oomKilled: Bool
    package var oomKills: Int64
    package var cpuNanoseconds: Int64
    package var memoryPeakBytes: Int64
    package var pidsLimitHits: Int64
    package var throttledPeriods: Int64
    package var logDroppedBytes: Int64
    /// Why the supervisor itself ended the task: "DeadlineExceeded", "OutOfMemory"; nil when it did not.
    package var reason: String?
    /// Refused calls by number; nil when none was counted.
    package var deniedSystemCalls: [String: Int64]?
    package var error: Failure?
}

extension SupervisorState {
    /// How it ended; nil while it runs.
    package func ended(limits: RuntimeLimits) -> ContainerExit? {
        switch phase {
        case "exited", "failed": break
        default: return nil
        }
        return ContainerExit(
            exitCode: exitCode, signal: signal == 0 ? nil : signal, oomKilled: oomKilled, reason: endReason,
            message: message(limits: limits), startedAt: startedAt, finishedAt: finishedAt,
            usage: ContainerUsage(cpuNanoseconds: max(0, cpuNanoseconds), peakMemoryBytes: max(0, memoryPeakBytes)))
    }

    private var endReason: String {
        if phase == "failed" { return "StartError" }
        if reason == "DeadlineExceeded" { return "DeadlineExceeded" }
        if exitCode == 0 { return "Completed" }
        // A descendant that was killed for memory usually takes the task with it, by whatever exit code.
        return oomKilled ? "OOMKilled" : "Error"
    }

    private func message(limits: RuntimeLimits) -> String? {
        if let error { return error.message.isEmpty ? error.stage : "\(error.stage): \(error.message)" }
        var parts: [String] = []
        if oomKilled, let bytes = limits.memoryBytes {
            parts.append("memory limit of \(bytes) bytes exceeded (\(oomKills) process\(oomKills == 1 ? "" : "es") killed)")
        }
        if pidsLimitHits > 0, exitCode != 0 { parts.append("limit of processes reached \(pidsLimitHits) times") }
        if let deniedSystemCalls, !deniedSystemCalls.isEmpty {
            let calls = deniedSystemCalls.map { (name: SystemCall.name($0.key), count: $0.value) }.sorted {
                ($1.count, $0.name) < ($0.count, $1.name)
            }
            parts.append("system calls refused: " + calls.map { "\($0.name) \($0.count)x" }.joined(separator: ", "))
        }
        if logDroppedBytes > 0 { parts.append("\(logDroppedBytes) bytes of output could not be logged") }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }
}

/// What the runtime itself found out about a container whose supervisor could not: written beside state.json, read before it.
package struct Verdict: Sendable, Hashable, Codable {
    package var exit: ContainerExit
}

/// Why the runtime itself ended a container, written down before the stop: whoever reads the end says this and not "killed".
package struct Sentence: Sendable, Hashable, Codable {
    package var reason: String
    package var message: String

    package func applied(to exit: ContainerExit) -> ContainerExit {
        var exit = exit
        exit.reason = reason
        exit.message = exit.message.map { "\(message); \($0)" } ?? message
        return exit
    }
}
