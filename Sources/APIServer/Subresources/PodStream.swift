// pods/exec, pods/attach and pods/portforward: which container of which node, and with which streams.
import JSON
import KubernetesModel
import ResourceStore

/// A two-way stream into a pod, authorised: the front speaks with the caller, and with the node through its tunnel.
public struct PodStreamTarget: Sendable, Hashable {
    public enum Verb: String, Sendable, Hashable { case exec, attach, portforward }

    public var verb: Verb
    public var namespace: String
    public var pod: String
    public var podUID: String
    /// The node that the pod is bound to.
    public var node: String
    /// Empty for portforward.
    public var container: String
    public var command: [String]
    public var stdin: Bool
    public var stdout: Bool
    public var stderr: Bool
    public var tty: Bool
    /// Of portforward, where the caller names them in the query (WebSocket channels).
    public var ports: [UInt16]
}

extension APIHandler {
    /// More would be a mistake: each costs a connection.
    private static let maximumPorts = 64

    func podStream(_ call: APICall, _ verb: PodStreamTarget.Verb) throws(StatusError) -> PodStreamTarget {
        let object = try stored(call.kind, call.key)
        let pod = try tree(object)
        guard let node = pod["spec"]?["nodeName"]?.stringValue, !node.isEmpty else {
            throw .badRequest("pod \(call.name) does not have a host assigned")
        }
        let request = call.request
        var target = PodStreamTarget(
            verb: verb, namespace: call.route.namespace ?? "", pod: call.name, podUID: object.index.uid, node: node,
            container: "",
            command: request.queryValues("command"), stdin: request.flag("stdin"), stdout: request.flag("stdout"),
            stderr: request.flag("stderr"), tty: request.flag("tty"), ports: [])
        if verb == .portforward {
            target.ports = try ports(request)
            return target
        }
        if verb == .exec, target.command.isEmpty { throw .badRequest("you must specify at least one command for the container") }
        guard target.stdin || target.stdout || target.stderr else {
            throw .badRequest("you must specify at least one of stdin, stdout, stderr")
        }
        // As Kubernetes: both would be one stream.
        if target.tty { target.stderr = false }
        target.container = try container(of: pod, call)
        return target
    }

    private func ports(_ request: APIRequest) throws(StatusError) -> [UInt16] {
        var ports: [UInt16] = []
        for value in request.queryValues("ports").flatMap({ $0.split(separator: ",") }) {
            guard let port = UInt16(value), port > 0 else { throw .badRequest("ports: \"\(value.prefix(32))\" is not a port") }
            ports.append(port)
        }
        guard ports.count <= Self.maximumPorts else { throw .badRequest("at most \(Self.maximumPorts) ports at once") }
        return ports
    }
}
