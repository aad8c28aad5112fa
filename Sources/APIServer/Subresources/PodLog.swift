// pods/log: which container of which node, and what the node is asked.
import JSON
import KubernetesModel
import ResourceStore

extension APIHandler {
    /// The query parameters that a node understands.
    private static let logParameters = [
        "follow", "tailLines", "sinceSeconds", "sinceTime", "timestamps", "previous", "limitBytes",
    ]
    private static let logFlags: Set<String> = ["follow", "timestamps", "previous"]

    func podLog(_ call: APICall) throws(StatusError) -> PodLogTarget {
        let object = try stored(call.kind, call.key)
        let pod = try tree(object)
        let container = try container(of: pod, call)
        guard let node = pod["spec"]?["nodeName"]?.stringValue, !node.isEmpty else {
            throw .badRequest("pod \(call.name) does not have a host assigned")
        }
        var query: [String] = []
        for name in Self.logParameters {
            guard let value = call.request.query(name) else { continue }
            if Self.logFlags.contains(name) {
                query.append("\(name)=\(APIRequest.isTrue(value))")
                continue
            }
            if value.isEmpty { continue }
            switch name {
            case "tailLines", "sinceSeconds", "limitBytes":
                guard let number = Int(value), number >= 0 else {
                    throw .invalid(
                        GroupVersionKind(kind: "PodLogOptions"), call.name,
                        [
                            .invalid(name, .string(value), "must be a number not below 0")
                        ])
                }
            default:
                guard RFC3339.seconds(value) != nil else {
                    throw .invalid(
                        GroupVersionKind(kind: "PodLogOptions"), call.name,
                        [
                            .invalid(name, .string(value), "must be an RFC 3339 time")
                        ])
                }
            }
            query.append("\(name)=\(value.replacing("+", with: "%2B").replacing(":", with: "%3A"))")
        }
        return PodLogTarget(
            namespace: call.route.namespace ?? "", pod: call.name, podUID: object.index.uid, node: node,
            container: container, rawQuery: query.joined(separator: "&"), follow: call.request.flag("follow"))
    }

    /// The container that the query names, or the only one, or the usual one.
    func container(of pod: JSONValue, _ call: APICall) throws(StatusError) -> String {
        let main = (pod["spec"]?["containers"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue }
        let others = ["initContainers", "ephemeralContainers"].flatMap { pod["spec"]?[$0]?.arrayValue ?? [] }
        let all = main + others.compactMap { $0["name"]?.stringValue }
        if let wanted = call.request.query("container"), !wanted.isEmpty {
            guard all.contains(wanted) else {
                throw .badRequest("container \(wanted) is not valid for pod \(call.name)")
            }
            return wanted
        }
        if main.count == 1 { return main[0] }
        let usual = pod["metadata"]?["annotations"]?["kubectl.kubernetes.io/default-container"]?.stringValue
        if let usual, main.contains(usual) { return usual }
        throw .badRequest(
            "a container name must be specified for pod \(call.name), choose one of: [\(main.joined(separator: " "))]")
    }
}
