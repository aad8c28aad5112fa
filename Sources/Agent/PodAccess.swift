// exec, attach and port-forward as the node's tunnel brings them: kubelet paths in, the runtime's streams out.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import RuntimeInterface

/// Finds a running container, or a pod; the container name "" means the pod's only one. nil: none here.
public typealias ContainerLocating = @Sendable (_ namespace: String, _ pod: String, _ container: String) async -> ContainerID?
public typealias PodLocating = @Sendable (_ namespace: String, _ pod: String) async -> String?

public struct PodAccess: Sendable {
    let runtime: any ContainerRuntime
    let logger: Logger
    let locateContainer: ContainerLocating
    /// The pod's uid.
    let locatePod: PodLocating
    /// What attach shows where the runtime has no streams to attach to.
    let locateLog: ContainerLogLocating

    public init(
        runtime: any ContainerRuntime, logger: Logger, locateContainer: @escaping ContainerLocating,
        locatePod: @escaping PodLocating,
        locateLog: @escaping ContainerLogLocating = { _, _, _, _ in nil }
    ) {
        self.locateLog = locateLog
        self.runtime = runtime
        self.logger = logger
        self.locateContainer = locateContainer
        self.locatePod = locatePod
    }

    /// "/exec/NS/POD/CONTAINER?command=...&input=1&output=1&error=1&tty=1", "/attach/..." and "/portForward/NS/POD?port=80".
    public var routes: [NodeTunnelRoute] {
        [
            NodeTunnelRoute(prefix: "/exec") { try await self.command($0, isAttach: false) },
            NodeTunnelRoute(prefix: "/attach") { try await self.command($0, isAttach: true) },
            NodeTunnelRoute(prefix: "/portForward") { try await self.forward($0) },
        ]
    }

    // MARK: exec and attach

    private func command(_ exchange: NodeTunnelExchange, isAttach: Bool) async throws {
        let names = exchange.segments
        guard names.count == 3 || names.count == 4 else {
            return try await exchange.refuse(status: 404, "no such path: \(exchange.path)")
        }
        let container = names.count == 4 ? names[3] : ""
        guard let id = await locateContainer(names[1], names[2], container) else {
            return try await exchange.refuse(status: 404, "container not found (\"\(container)\")")
        }
        let request = ExecRequest(
            command: exchange.values("command"), tty: exchange.flag("tty"), stdin: exchange.flag("input"),
            stdout: exchange.flag("output"),
            stderr: exchange.flag("error"))
        let session: any ExecSession
        do {
            session = isAttach ? try await runtime.attach(id, request) : try await runtime.exec(id, request)
        } catch RuntimeError.invalid(let field, let reason) where field == "command" {
            // The streams stand all the same: that is where clients look for a command's fate.
            return try await exchange.respond(
                contentType: Self.framed, bytes: Self.failed("error executing command in container: \(reason)"))
        } catch RuntimeError.unenforceable where isAttach {
            return try await follow(exchange, names[1], names[2], container)
        } catch RuntimeError.notFound {
            return try await exchange.refuse(status: 404, "container not found (\"\(container)\")")
        } catch {
            return try await exchange.refuse(
                status: 500, "\(isAttach ? "attach to" : "exec in") container \"\(id.name)\": \(error)")
        }
        try await Self.serve(exchange, request, session)
    }

    static func serve(_ exchange: NodeTunnelExchange, _ request: ExecRequest, _ session: any ExecSession) async throws {
        do {
            let input = request.stdin || request.tty ? try await exchange.input() : nil
            try await exchange.respond(contentType: Self.framed) { body in try await Self.converse(session, input, body) }
        } catch {
            await session.close()
            throw error
        }
        await session.close()
    }

    /// From now on, until the container ends or the caller leaves. A log has no input, and one order of both streams.
    private func follow(_ exchange: NodeTunnelExchange, _ namespace: String, _ pod: String, _ container: String) async throws {
        let source: ContainerLogFile
        switch await locateLog(namespace, pod, container, false) {
        case .file(let file): source = file
        case .absent(let reason): return try await exchange.refuse(status: 400, reason)
        case nil: return try await exchange.refuse(status: 404, "container not found (\"\(container)\")")
        }
        var query = ContainerLogQuery()
        query.follow = true
        query.tailLines = 0
        let reader = ContainerLogReader(path: source.path, query: query)
        try await exchange.respond(contentType: Self.framed) { body in
            try await reader.copy(ended: source.ended) { try await body.write(ChannelFrame(ChannelFrame.stdout, $0).encoded) }
            try await body.write(Self.ended(0))
        }
    }

    static let framed = "application/octet-stream"

    /// Output until the command's end, then its status; input as long as that lasts.
    static func converse(
        _ session: any ExecSession, _ input: (any TunnelBodyReader)?, _ body: any TunnelBodyWriter
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            if let input { tasks.addTask { await copy(input, to: session) } }
            let last: [UInt8]
            do {
                while let piece = try await session.nextOutput() {
                    switch piece {
                    case .stdout(let bytes): try await body.write(ChannelFrame(ChannelFrame.stdout, bytes).encoded)
                    case .stderr(let bytes): try await body.write(ChannelFrame(ChannelFrame.stderr, bytes).encoded)
                    }
                }
                last = ended(try await session.wait())
            } catch let error where !(error is BytePipe.Abandoned || error is CancellationError) {
                // The session broke, not the caller: he is told why.
                last = failed("\(error)")
            }
            try await body.write(last)
            tasks.cancelAll()
        }
    }

    /// Input that cannot be delivered any more is dropped: the command's end is told by its output.
    private static func copy(_ input: any TunnelBodyReader, to session: any ExecSession) async {
        var reader = ChannelFrameReader()
        do {
            while let bytes = try await input.next() {
                for frame in try reader.append(bytes) {
                    switch (frame.channel, frame.bytes.first) {
                    case (ChannelFrame.stdin, _?): try? await session.write(frame.bytes)
                    case (ChannelFrame.resize, _): if let size = TerminalSize(json: frame.bytes) { await session.resize(size) }
                    case (ChannelFrame.close, ChannelFrame.stdin?): await session.finishInput()
                    default: break
                    }
                }
            }
        } catch {
            // The caller's connection broke: the answer breaks too, and ends the session.
        }
    }

    private static func ended(_ code: Int) -> [UInt8] {
        guard code != 0 else { return status(APIStatus(status: "Success", code: nil)) }
        return status(
            APIStatus(
                status: "Failure", message: "command terminated with non-zero exit code: exit status \(code)",
                reason: "NonZeroExitCode",
                details: APIStatusDetails(causes: [APIStatusCause(reason: "ExitCode", message: "\(code)")])))
    }

    static func failed(_ message: String) -> [UInt8] {
        status(APIStatus(status: "Failure", message: "Internal error occurred: \(message)", reason: "InternalError", code: 500))
    }

    private static func status(_ status: APIStatus) -> [UInt8] {
        ChannelFrame(ChannelFrame.status, (try? JSON.encode(status)) ?? Array(#"{"status":"Failure"}"#.utf8)).encoded
    }

    // MARK: port-forward

    private func forward(_ exchange: NodeTunnelExchange) async throws {
        let names = exchange.segments
        guard names.count == 3, let port = exchange.values("port").first.flatMap({ UInt16($0) }), port > 0 else {
            return try await exchange.refuse(
                status: 400, "expected /portForward/NAMESPACE/POD?port=PORT, found \(exchange.request.path)")
        }
        guard let uid = await locatePod(names[1], names[2]) else {
            return try await exchange.refuse(status: 404, "pod not found (\"\(names[1])/\(names[2])\")")
        }
        let stream: any ByteStream
        do {
            stream = try await runtime.portForward(podUID: uid, port: port)
        } catch {
            return try await exchange.refuse(
                status: 500, "failed to connect to port \(port) inside pod \(names[1])/\(names[2]): \(error)")
        }
        try await Self.join(exchange, stream)
    }

    /// Bytes in both directions until the pod's side has ended, or the caller leaves.
    static func join(_ exchange: NodeTunnelExchange, _ stream: any ByteStream) async throws {
        do {
            let input = try await exchange.input()
            try await exchange.respond(contentType: "application/octet-stream") { body in
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    tasks.addTask {
                        while let bytes = try await input.next() { try await stream.write(bytes) }
                        await stream.finishWriting()
                    }
                    while let bytes = try await stream.read() { try await body.write(bytes) }
                    tasks.cancelAll()
                }
            }
        } catch {
            await stream.close()
            throw error
        }
        await stream.close()
    }
}

extension TerminalSize {
    /// {"Width":80,"Height":24}; of several behind each other the last.
    init?(json: [UInt8]) {
        let objects = json.split(separator: UInt8(ascii: "}"))
        guard let last = objects.last(where: { $0.contains(UInt8(ascii: "{")) }),
            let size = try? JSON.decode(Words.self, from: Array(last) + [UInt8(ascii: "}")])
        else { return nil }
        self.init(width: size.Width, height: size.Height)
    }

    /// Go's names.
    private struct Words: Decodable {
        var Width: UInt16
        var Height: UInt16
    }
}

extension PodAccess {
    /// Over the pods of a node as their machines see them.
    public init(runtime: any ContainerRuntime, logger: Logger, pods: LocalPods) {
        self.init(
            runtime: runtime, logger: logger,
            locateContainer: { namespace, name, container in
                guard let machine = await pods.machine(namespace: namespace, name: name) else { return nil }
                let candidates = machine.containers.filter { container.isEmpty ? !$0.isInit : $0.name == container }
                guard let slot = candidates.first, candidates.count == 1 || container.isEmpty else { return nil }
                return ContainerID(podUID: machine.pod.metadata.uid ?? "", name: slot.name, attempt: slot.attempt)
            }, locatePod: { namespace, name in await pods.machine(namespace: namespace, name: name)?.pod.metadata.uid },
            locateLog: { namespace, pod, container, _ in
                await pods.presentLog(namespace: namespace, pod: pod, container: container)
            })
    }
}

extension LocalPods {
    fileprivate func machine(namespace: String, name: String) -> PodStateMachine? { named(namespace, name).first?.machine }
}
