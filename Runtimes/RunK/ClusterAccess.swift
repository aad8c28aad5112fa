// Logs, commands and ports of copies, through the cluster's API server: its words in, this side's protocols out.
import KubernetesClient
import KubernetesModel
import RuntimeInterface

extension ClusterPods: RemotePodProvider {
    private func wish(_ namespace: String, _ pod: String) -> Pod? {
        wishes.values.first { $0.metadata.name == pod && $0.metadata.namespace ?? "" == namespace }
    }

    public func knows(namespace: String, pod: String) async -> Bool { wish(namespace, pod) != nil }

    /// The copy's name.
    private func located(_ namespace: String, _ pod: String) throws -> String {
        guard let uid = wish(namespace, pod)?.metadata.uid, let copy = copy(of: uid) else {
            throw RuntimeError.notFound("pod \(namespace)/\(pod) in the cluster")
        }
        return copy.pod.metadata.name
    }

    public func readLog(
        namespace: String, pod: String, query: RemoteLogQuery, write: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        guard let logs else { throw RuntimeError.unenforceable("logs: this cluster's are not read") }
        var options = PodLogOptions(
            container: query.container.isEmpty ? nil : query.container, follow: query.follow, tailLines: query.tailLines)
        options.previous = query.previous
        options.timestamps = query.timestamps
        options.sinceSeconds = query.sinceSeconds
        let (name, cluster) = (try located(namespace, pod), configuration.namespace)
        do {
            try await logs.podLog(namespace: cluster, pod: name, options: options, onChunk: write)
        } catch let error as KubernetesAPIError {
            throw RuntimeError(error, "log of \(pod)")
        }
    }

    public func exec(namespace: String, pod: String, container: String, _ request: ExecRequest) async throws -> any ExecSession {
        try await open(.exec, namespace, pod, container, request)
    }

    public func attach(namespace: String, pod: String, container: String, _ request: ExecRequest) async throws -> any ExecSession
    {
        try await open(.attach, namespace, pod, container, request)
    }

    private func open(
        _ verb: PodCommand.Verb, _ namespace: String, _ pod: String, _ container: String, _ request: ExecRequest
    ) async throws -> any ExecSession {
        guard let streams else { throw RuntimeError.unenforceable("\(verb.rawValue): this cluster's pods are not reached") }
        let command = PodCommand(
            verb: verb, container: container, command: request.command, stdin: request.stdin, stdout: request.stdout,
            stderr: request.stderr && !request.tty, tty: request.tty)
        let name = try located(namespace, pod)
        do {
            return ClusterSession(try await streams.open(command, namespace: configuration.namespace, pod: name))
        } catch let error as KubernetesAPIError {
            throw RuntimeError(error, "\(verb.rawValue) in \(pod)")
        }
    }

    public func portForward(namespace: String, pod: String, port: UInt16) async throws -> any ByteStream {
        guard let streams else { throw RuntimeError.unenforceable("port-forward: this cluster's pods are not reached") }
        let name = try located(namespace, pod)
        do {
            return ClusterPort(try await streams.openPort(port, namespace: configuration.namespace, pod: name))
        } catch let error as KubernetesAPIError {
            throw RuntimeError(error, "port \(port) of \(pod)")
        }
    }
}

extension RuntimeError {
    init(_ error: KubernetesAPIError, _ stage: String) {
        switch error.code {
        case 404: self = .notFound("\(stage): \(error)")
        default: self = .unavailable(stage: stage, reason: "\(error)")
        }
    }
}
