// exec, attach and port-forward over WebSockets: v5.channel.k8s.io, v4 with servers that know no newer one.
// https://kubernetes.io/docs/reference/using-api/ and KEP-4006
import KubernetesClient
import KubernetesModel

extension HTTPKubernetesAPI: PodStreaming {
    static let channelProtocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"]

    public func open(_ command: PodCommand, namespace: String, pod: String) async throws -> any PodChannels {
        var query: [(String, String?)] = command.command.map { ("command", $0) }
        query.append(("container", command.container.isEmpty ? nil : command.container))
        for (name, isOn) in [
            ("stdin", command.stdin), ("stdout", command.stdout), ("stderr", command.stderr), ("tty", command.tty),
        ] {
            query.append((name, isOn ? "true" : "false"))
        }
        let (socket, name) = try await dial(namespace, pod, command.verb.rawValue, query, Self.channelProtocols)
        return WebSocketChannels(socket, closesChannels: name == Self.channelProtocols[0], portPrefixes: [])
    }

    public func openPort(_ port: UInt16, namespace: String, pod: String) async throws -> any PodChannels {
        let (socket, _) = try await dial(namespace, pod, "portforward", [("ports", "\(port)")], ["v4.channel.k8s.io"])
        return WebSocketChannels(socket, closesChannels: false, portPrefixes: [0, 1])
    }

    private func dial(
        _ namespace: String, _ pod: String, _ subresource: String, _ query: [(String, String?)], _ protocols: [String]
    ) async throws -> (socket: WebSocketDialer.Socket, subprotocol: String) {
        let path = try RequestURL.path(Pod.resource, namespace: namespace, name: pod, subresource: subresource)
        return try await dial(path + RequestURL.query(query), subprotocols: protocols)
    }
}
