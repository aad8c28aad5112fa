// Whether one pod of a job's party fits on the largest node of its domain.
import JSON
import KubernetesModel
import KusciaModel

/// A domain without nodes is not judged: it may join later.
struct PartyCapacity {
    var party: JSONValue
    var image: JSONValue
    var nodes: [JSONValue]

    func errors(at path: String) -> [FieldError] {
        let domain = party["domainID"]?.stringValue ?? ""
        let own = nodes.filter { node in
            let labels = node["metadata"]?["labels"]
            return labels?["kuscia.secretflow/namespace"]?.stringValue == domain || labels?["domain"]?.stringValue == domain
        }
        if own.isEmpty { return [] }
        return needs.sorted { $0.key < $1.key }.compactMap { resource, need in
            let capacities = own.map { node in
                (name: node["metadata"]?["name"]?.stringValue ?? "", amount: allocatable(node, resource))
            }
            guard let largest = capacities.max(by: { $0.amount < $1.amount }), need.amount > largest.amount else { return nil }
            let text = allocatableText(own.first { $0["metadata"]?["name"]?.stringValue == largest.name }, resource)
            return .invalid(
                "\(path).resources.\(need.part)[\(resource)]", need.value,
                "is above the capacity of every node of domain \"\(domain)\"; the largest is \"\(largest.name)\" with \(text)")
        }
    }

    private struct Need {
        var amount: Quantity
        var part: String
        var value: JSONValue
    }

    /// What the containers of its deploy template ask for, or else the party itself: its own resources are for all its pods.
    private var needs: [String: Need] {
        var sum: [String: Need] = [:]
        for container in template?["spec"]?["containers"]?.arrayValue ?? [] {
            for (name, need) in needs(of: container["resources"] ?? [:]) {
                let total = (sum[name]?.amount ?? .zero) + need.amount
                sum[name] = Need(amount: total, part: need.part, value: sum[name] == nil ? need.value : .string(total.canonical))
            }
        }
        let replicas = Int(clamping: max(1, template?["replicas"]?.intValue ?? 1))
        for (name, need) in needs(of: party["resources"] ?? [:]) {
            sum[name] = need
            sum[name]?.amount = PartyResources.share(of: need.amount, name, among: replicas) ?? need.amount
        }
        return sum
    }

    /// Requests decide; a limit without a request is one.
    private func needs(of resources: JSONValue) -> [String: Need] {
        var result: [String: Need] = [:]
        for part in ["limits", "requests"] {
            for (name, value) in resources[part]?.objectValue ?? [:] where name == "cpu" || name == "memory" {
                if let amount = ResourceRules.quantity(value) { result[name] = Need(amount: amount, part: part, value: value) }
            }
        }
        return result
    }

    private var template: JSONValue? {
        let templates = image["spec"]?["deployTemplates"]?.arrayValue ?? []
        let roles = templates.map { $0["role"]?.stringValue ?? "" }
        return DeployTemplate.index(forRole: party["role"]?.stringValue ?? "", among: roles).map { templates[$0] }
    }

    private func allocatable(_ node: JSONValue, _ resource: String) -> Quantity {
        allocatableValue(node, resource).flatMap(ResourceRules.quantity) ?? .zero
    }

    private func allocatableValue(_ node: JSONValue, _ resource: String) -> JSONValue? {
        node["status"]?["allocatable"]?[resource] ?? node["status"]?["capacity"]?[resource]
    }

    private func allocatableText(_ node: JSONValue?, _ resource: String) -> String {
        guard let node, let value = allocatableValue(node, resource) else { return "none" }
        return value.stringValue ?? value.serializedString()
    }
}
