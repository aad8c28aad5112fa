// state.json as the launcher writes it (Runtimes/README.md), and what it means for a container.

import RuntimeInterface
import SandboxPolicy

struct SupervisorState: Sendable, Hashable, Codable {
    struct Failure: Sendable, Hashable, Codable {
        var stage: String
        var errno: Int
        var message: String
    }

    var version: Int
    var phase: String
    var pid: Int32
    var pidStartTime: Int64
    var supervisorPid: Int32
    var supervisorStartTime: Int64
    var bootId: String
    var startedAt: Int64
    var finishedAt: Int64
    var exitCode: Int
    var signal: Int
    var stopRequested: Bool
    var oomKilled: Bool
    var oomKills: Int64
    var cpuNanoseconds: Int64
    var memoryPeakBytes: Int64
    var pidsLimitHits: Int64
    var throttledPeriods: Int64
    var logDroppedBytes: Int64
    /// Why the supervisor itself ended the task: "DeadlineExceeded", "OutOfMemory"; nil when it did not.
    var reason: String?
    /// Refused calls by number; nil when none was counted.
    var deniedSystemCalls: [String: Int64]?
    var error: Failure?
}

extension SupervisorState {
    /// How it ended; nil while it runs.
    func ended(limits: RuntimeLimits) -> ContainerExit? {
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
        if let error { return "\(error.stage): \(error.message)" }
        var parts: [String] = []
        if oomKilled, let bytes = limits.memoryBytes {
            parts.append("memory limit of \(bytes) bytes exceeded (\(oomKills) process\(oomKills == 1 ? "" : "es") killed)")
        }
        if pidsLimitHits > 0, exitCode != 0 { parts.append("limit of processes reached \(pidsLimitHits) times") }
        if let deniedSystemCalls, !deniedSystemCalls.isEmpty {
            let calls = deniedSystemCalls.map { (name: SystemCall.name($0.key), count: $0.value) }.sorted { ($1.count, $0.name) < ($0.count, $1.name) }
            parts.append("system calls refused: " + calls.map { "\($0.name) \($0.count)x" }.joined(separator: ", "))
        }
        if logDroppedBytes > 0 { parts.append("\(logDroppedBytes) bytes of output could not be logged") }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }
}

/// What RunP itself found out about a container whose supervisor could not: written beside state.json, read before it.
struct Verdict: Sendable, Hashable, Codable {
    var exit: ContainerExit
}

/// Why RunP itself ended a container, written down before the stop: whoever reads the end says this and not "killed".
struct Sentence: Sendable, Hashable, Codable {
    var reason: String
    var message: String

    func applied(to exit: ContainerExit) -> ContainerExit {
        var exit = exit
        exit.reason = reason
        exit.message = exit.message.map { "\(message); \($0)" } ?? message
        return exit
    }
}
