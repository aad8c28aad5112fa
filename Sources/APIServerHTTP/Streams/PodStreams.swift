// pods/exec, attach and portforward, and nodes/proxy: from the core's verdict to the node's tunnel.
import APIServer
import KubernetesClient

extension APIResponder {
    func podStream(_ target: PodStreamTarget, _ request: FrontRequest) async throws -> FrontAnswer {
        let chosen = try StreamProtocol.choose(request, forPorts: target.verb == .portforward)
        let path = "\(target.namespace)/\(target.pod)"
        if target.verb == .portforward {
            guard tunnels.connectedNodes.contains(target.node) else {
                throw FrontStatus.unavailable("pod \(path) cannot be reached: \(NodeTunnelError.notConnected(node: target.node))")
            }
            return .upgrade(forward(target, chosen, request))
        }
        let answer: TunnelAnswer
        do {
            answer = try await tunnels.request(node: target.node, method: "POST", path: Self.kubeletPath(target))
        } catch let error as NodeTunnelError {
            throw FrontStatus.unavailable("pod \(path) cannot be reached: \(error.description)")
        }
        guard answer.status == 200 else { throw await refusal(answer) }
        let conversation = CommandConversation(
            answer: answer, stdin: target.stdin, stdout: target.stdout, stderr: target.stderr, tty: target.tty)
        return .upgrade(
            StreamUpgrade(
                headers: chosen.headers(request), isWebSocket: chosen.isWebSocket,
                converse: { connection in
                    switch chosen {
                    case .spdy: await conversation.converse(overSPDY: connection)
                    case .webSocket, .tunneledSPDY: await conversation.converse(overWebSocket: connection)
                    }
                }, cancel: { answer.close() }))
    }

    private func forward(_ target: PodStreamTarget, _ chosen: StreamProtocol, _ request: FrontRequest) -> StreamUpgrade {
        let conversation = ForwardConversation(
            hub: tunnels, node: target.node, path: "/portForward/\(target.namespace)/\(target.pod)")
        return StreamUpgrade(
            headers: chosen.headers(request), isWebSocket: chosen.isWebSocket,
            converse: { connection in
                switch chosen {
                case .spdy, .tunneledSPDY: await conversation.converse(overSPDY: connection)
                case .webSocket: await conversation.converse(overWebSocket: connection, ports: target.ports)
                }
            }, cancel: {})
    }

    private static func kubeletPath(_ target: PodStreamTarget) -> String {
        var query = target.command.map { "command=" + PercentEncoding.encoded($0) }
        let flags = [("input", target.stdin), ("output", target.stdout), ("error", target.stderr), ("tty", target.tty)]
        query += flags.filter(\.1).map { "\($0.0)=1" }
        return "/\(target.verb.rawValue)/\(target.namespace)/\(target.pod)/\(target.container)?" + query.joined(separator: "&")
    }

    func nodeProxy(_ target: NodeProxyTarget, query: [(name: String, value: String)]) async throws -> FrontAnswer {
        let pairs = query.map { "\(PercentEncoding.encoded($0.name))=\(PercentEncoding.encoded($0.value))" }
        let answer: TunnelAnswer
        do {
            answer = try await tunnels.request(
                node: target.node, method: "GET", path: target.path + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")))
        } catch let error as NodeTunnelError {
            throw FrontStatus.unavailable("node \(target.node) cannot be reached: \(error.description)")
        }
        guard answer.status == 200 else { throw await refusal(answer) }
        return .stream(
            AnswerStream(
                contentType: answer.contentType,
                produce: { writer in while let bytes = try await answer.next() { try await writer.write(bytes) } },
                cancel: { answer.close() }))
    }
}

enum PercentEncoding {
    private static let digits = Array("0123456789ABCDEF".utf8)

    /// Everything but RFC 3986's unreserved characters.
    static func encoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
