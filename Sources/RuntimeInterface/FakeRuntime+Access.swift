// The fake runtime's exec, attach and port-forward: results are scripted per command, sessions and connections are handed to
// the test, which plays the command or the server behind the port.
import Synchronization

/// What the fake answers; the last script that fits a command counts.
struct FakeAccess: Sendable {
    typealias Script = @Sendable (_ id: ContainerID, _ command: [String]) async -> ExecResult

    var scripts: [(command: [String]?, container: String?, script: Script)] = []
    var session: (@Sendable (_ id: ContainerID, _ request: ExecRequest) throws -> FakeExecSession)?
    var connection: (@Sendable (_ podUID: String, _ port: UInt16) throws -> any ByteStream)?

    func script(for id: ContainerID, _ command: [String]) -> Script? {
        scripts.last { ($0.command == nil || $0.command == command) && ($0.container == nil || $0.container == id.name) }?.script
    }
}

extension FakeRuntime {
    // MARK: Knobs

    /// `command` (nil: any) in containers of that name (nil: any) ends with `result`. Without a script a command ends with 0.
    public func answerExec(_ command: [String]? = nil, container: String? = nil, _ result: ExecResult) {
        onExec(command, container: container) { _, _ in result }
    }

    /// As `answerExec`, with an answer made when it is asked for: it may wait, count or depend on the time.
    public func onExec(
        _ command: [String]? = nil, container: String? = nil,
        _ script: @escaping @Sendable (_ id: ContainerID, _ command: [String]) async -> ExecResult
    ) {
        access.withLock { $0.scripts.append((command, container, script)) }
    }

    /// Makes the session of each `exec` and `attach`; the test keeps it to play the command. Without it a session is made of the
    /// scripted result.
    public func onSession(_ make: @escaping @Sendable (_ id: ContainerID, _ request: ExecRequest) throws -> FakeExecSession) {
        access.withLock { $0.session = make }
    }

    /// Makes the connection of each `portForward`. Without it nobody listens.
    public func onPortForward(_ make: @escaping @Sendable (_ podUID: String, _ port: UInt16) throws -> any ByteStream) {
        access.withLock { $0.connection = make }
    }

    // MARK: ContainerRuntime

    public func execSync(
        _ id: ContainerID, command: [String], timeoutSeconds: Int, maximumOutputBytes: Int
    ) async throws -> ExecResult {
        try await begin(.execSync, "\(id) \(command.joined(separator: " "))")
        try requireRunning(id)
        guard let script = access.withLock({ $0.script(for: id, command) }) else { return ExecResult(exitCode: 0) }
        var result = await script(id, command)
        result.stdout = Array(result.stdout.prefix(maximumOutputBytes))
        result.stderr = Array(result.stderr.prefix(maximumOutputBytes))
        return result
    }

    public func exec(_ id: ContainerID, _ request: ExecRequest) async throws -> any ExecSession {
        try await begin(.exec, "\(id) \(request.command.joined(separator: " "))")
        return try await session(id, request)
    }

    public func attach(_ id: ContainerID, _ request: ExecRequest) async throws -> any ExecSession {
        try await begin(.attach, id.description)
        return try await session(id, request)
    }

    public func portForward(podUID: String, port: UInt16) async throws -> any ByteStream {
        try await begin(.portForward, "\(podUID) \(port)")
        guard machine.sandboxes[podUID] != nil else { throw RuntimeError.notFound("sandbox \(podUID)") }
        guard let make = access.withLock({ $0.connection }) else {
            throw RuntimeError.unavailable(stage: "connect(127.0.0.1:\(port))", reason: "connection refused")
        }
        return try make(podUID, port)
    }

    // MARK: Machinery

    private func session(_ id: ContainerID, _ request: ExecRequest) async throws -> any ExecSession {
        try requireRunning(id)
        let (make, script) = access.withLock { ($0.session, $0.script(for: id, request.command)) }
        if let make { return try make(id, request) }
        let session = FakeExecSession()
        let result = await script?(id, request.command) ?? ExecResult(exitCode: 0)
        session.send(.stdout(result.stdout))
        session.send(.stderr(result.stderr))
        session.exit(result.exitCode)
        return session
    }

    private func requireRunning(_ id: ContainerID) throws {
        guard case .running = machine.containers[id]?.phase else { throw RuntimeError.notFound("running container \(id)") }
    }
}
