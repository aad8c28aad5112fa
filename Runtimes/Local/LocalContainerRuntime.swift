// The verbs that every runtime with supervisors on this machine carries out alike; what a runtime adds are creation, start and commands.

import RuntimeInterface
import Synchronization

public protocol LocalContainerRuntime: ContainerRuntime {
    var pods: LocalPods { get }
}

extension LocalContainerRuntime {
    public func onEvent(_ handler: @escaping @Sendable (ContainerEvent) -> Void) async { pods.onEvent(handler) }
    public func adopt() async throws -> [ContainerStatusReport] { try await pods.adopt() }

    public func runPodSandbox(_ config: PodSandboxConfig) async throws { try await pods.runPodSandbox(config) }
    public func podAddress(podUID: String) async throws -> String? { try await pods.podAddress(podUID: podUID) }
    public func stopPodSandbox(podUID: String) async throws { try await pods.stopPodSandbox(podUID: podUID) }
    public func removePodSandbox(podUID: String) async throws { try await pods.removePodSandbox(podUID: podUID) }

    public func stopContainer(_ id: ContainerID, graceSeconds: Int) async throws {
        try await pods.container(id)?.stop(graceSeconds: graceSeconds)
    }
    public func removeContainer(_ id: ContainerID) async throws { try await pods.removeContainer(id) }

    public func status(_ id: ContainerID) async throws -> ContainerStatusReport? { await pods.container(id)?.report }
    public func list() async throws -> [ContainerStatusReport] { await pods.list() }
    public func stats() async throws -> [ContainerID: ContainerStats] { try await pods.stats() }

    public func usage(_ id: ContainerID) async throws -> ContainerUsage { try await known(id).usage() }
    public func reopenContainerLog(_ id: ContainerID) async throws { try await known(id).reopenLog() }

    public func portForward(podUID: String, port: UInt16) async throws -> any ByteStream {
        try await pods.portForward(podUID: podUID, port: port)
    }

    private func known(_ id: ContainerID) throws -> SupervisedContainer {
        guard let container = pods.container(id) else { throw RuntimeError.notFound("container \(id)") }
        return container
    }

    // MARK: Commands

    public func attach(_ id: ContainerID, _ request: ExecRequest) async throws -> any ExecSession {
        try await pods.attach(id, request)
    }

    public func execSync(
        _ id: ContainerID, command: [String], timeoutSeconds: Int, maximumOutputBytes: Int
    ) async throws -> ExecResult {
        let session = try await exec(id, ExecRequest(command: command))
        let timedOut = Mutex(false)
        let timer: Task<Void, Never>? =
            timeoutSeconds <= 0
            ? nil
            : Task {
                // The command's time limit; the end of the command cancels it.
                guard (try? await Task.sleep(for: .seconds(timeoutSeconds))) != nil else { return }
                timedOut.withLock { $0 = true }
                await session.close()
            }
        defer { timer?.cancel() }
        return try await withTaskCancellationHandler {
            var result = ExecResult(exitCode: 0)
            while let piece = try await session.nextOutput() {
                switch piece {
                case .stdout(let bytes): result.stdout += bytes.prefix(max(0, maximumOutputBytes - result.stdout.count))
                case .stderr(let bytes): result.stderr += bytes.prefix(max(0, maximumOutputBytes - result.stderr.count))
                }
            }
            result.exitCode = try await session.wait()
            result.timedOut = timedOut.withLock { $0 }
            if result.timedOut { result.exitCode = 137 }
            await session.close()
            return result
        } onCancel: {
            Task { await session.close() }
        }
    }
}
