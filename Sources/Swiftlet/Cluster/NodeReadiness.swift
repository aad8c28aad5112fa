// Waits until nodes say that they are Ready.
import JSON
import KubernetesClient

struct NodeReadiness: Sendable {
    let api: any KubernetesAPI
    let nodes: [String]

    func wait() async throws {
        let ready = ReadyNodes(missing: Set(nodes))
        try await ObjectFollower(api: api, resource: ResourceName.node.resource, namespace: nil).run { change in
            switch change {
            case .snapshot(let objects): for object in objects { await ready.read(object) }
            case .changed(let object): await ready.read(object)
            case .deleted: break
            }
            return await !ready.missing.isEmpty
        }
    }

    private actor ReadyNodes {
        var missing: Set<String>

        init(missing: Set<String>) { self.missing = missing }

        func read(_ node: JSONValue) {
            guard let name = node[path: "metadata", "name"]?.stringValue else { return }
            let conditions = node[path: "status", "conditions"]?.arrayValue ?? []
            let isReady = conditions.contains { $0["type"]?.stringValue == "Ready" && $0["status"]?.stringValue == "True" }
            if isReady { missing.remove(name) }
        }
    }
}
