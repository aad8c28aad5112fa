// What a KusciaJob must satisfy before anything of it is stored.
import JSON
import KubernetesModel

enum KusciaJobRules {
    static let maximumTasks = 128

    @Sendable static func validate(_ job: JSONValue) -> [FieldError] {
        let spec = job["spec"] ?? [:]
        let tasks = spec["tasks"]?.arrayValue ?? []
        var errors: [FieldError] = []
        if (spec["initiator"]?.stringValue ?? "").isEmpty { errors.append(.required("spec.initiator")) }
        if tasks.isEmpty { errors.append(.required("spec.tasks", "must have at least 1 task")) }
        if tasks.count > maximumTasks {
            errors.append(
                FieldError(
                    field: "spec.tasks", reason: .tooMany,
                    message: "Too many: \(tasks.count): must have at most \(maximumTasks) items"))
            return errors
        }
        let name = job["metadata"]?["name"]?.stringValue ?? ""
        let namespace = job["metadata"]?["namespace"]?.stringValue ?? ""
        // The controllers look nowhere else; elsewhere a job would wait for ever.
        if namespace != "cross-domain" {
            errors.append(.invalid("metadata.namespace", .string(namespace), "a KusciaJob must be in namespace cross-domain"))
        }
        for (index, task) in tasks.enumerated() { errors += validate(task: task, of: name, at: "spec.tasks[\(index)]") }
        errors += DuplicateRules.find(tasks, member: "taskID", at: "spec.tasks")
        errors += DuplicateRules.find(tasks, member: "alias", at: "spec.tasks")
        return errors + validateGraph(tasks)
    }

    private static func validate(task: JSONValue, of job: String, at path: String) -> [FieldError] {
        var errors: [FieldError] = []
        let alias = task["alias"]?.stringValue ?? ""
        if alias.isEmpty { errors.append(.required("\(path).alias")) }
        // The name of the KusciaTask; the job controller makes it when it is not given.
        let id = task["taskID"]?.stringValue ?? "\(job)-\(alias)"
        if let problem = NameFormat.labelProblem(id) {
            errors.append(.invalid(task["taskID"] == nil ? "\(path).alias" : "\(path).taskID", .string(id), problem))
        }
        if (task["appImage"]?.stringValue ?? "").isEmpty { errors.append(.required("\(path).appImage")) }
        let parties = task["parties"]?.arrayValue ?? []
        if parties.isEmpty { errors.append(.required("\(path).parties", "must have at least 1 party")) }
        var seen: Set<String> = []
        for (index, party) in parties.enumerated() {
            let domain = party["domainID"]?.stringValue ?? ""
            if domain.isEmpty { errors.append(.required("\(path).parties[\(index)].domainID")) }
            if !seen.insert("\(domain)/\(party["role"]?.stringValue ?? "")").inserted {
                errors.append(.duplicate("\(path).parties[\(index)]", .string(domain)))
            }
            errors += ResourceRules.validate(party["resources"], at: "\(path).parties[\(index)].resources")
            if let name = party["runtimeClassName"]?.stringValue, let problem = NameFormat.subdomainProblem(name) {
                errors.append(.invalid("\(path).parties[\(index)].runtimeClassName", .string(name), problem))
            }
        }
        return errors
    }

    // MARK: The graph

    private static func validateGraph(_ tasks: [JSONValue]) -> [FieldError] {
        var errors: [FieldError] = []
        let aliases = tasks.map { $0["alias"]?.stringValue ?? "" }
        let positions = Dictionary(aliases.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        var edges: [[Int]] = []
        for (index, task) in tasks.enumerated() {
            var targets: [Int] = []
            for (place, dependency) in (task["dependencies"]?.arrayValue ?? []).enumerated() {
                guard let target = positions[dependency.stringValue ?? ""] else {
                    errors.append(
                        .notFound("spec.tasks[\(index)].dependencies[\(place)]", dependency, "no task has this alias"))
                    continue
                }
                targets.append(target)
            }
            edges.append(targets)
        }
        guard let cycle = firstCycle(edges), let first = cycle.first else { return errors }
        let names = (cycle + [first]).map { aliases[$0] }.joined(separator: " -> ")
        errors.append(
            .invalid(
                "spec.tasks[\(first)].dependencies", tasks[first]["dependencies"] ?? [],
                "dependencies must not form a cycle: \(names)"))
        return errors
    }

    /// The tasks of a cycle in order of dependency; nil when there is none.
    static func firstCycle(_ edges: [[Int]]) -> [Int]? {
        enum Mark { case unseen, active, done }
        var marks = Array(repeating: Mark.unseen, count: edges.count)
        var stack: [Int] = []
        // At most 128 tasks, so recursion is bounded by that.
        func visit(_ node: Int) -> [Int]? {
            marks[node] = .active
            stack.append(node)
            for next in edges[node] {
                switch marks[next] {
                case .active: return Array(stack[(stack.firstIndex(of: next) ?? 0)...])
                case .unseen: if let cycle = visit(next) { return cycle }
                case .done: continue
                }
            }
            stack.removeLast()
            marks[node] = .done
            return nil
        }
        for node in edges.indices where marks[node] == .unseen {
            if let cycle = visit(node) { return cycle }
        }
        return nil
    }

    // MARK: Against the cluster

    static func validateReferences(_ job: JSONValue, _ lookup: any ObjectLookup) async throws(StatusError) -> [FieldError] {
        let spec = job["spec"] ?? [:]
        var errors: [FieldError] = []
        var known: [String: Bool] = [:]
        let initiator = spec["initiator"]?.stringValue ?? ""
        if try await !domainExists(initiator, lookup, &known) {
            errors.append(.notFound("spec.initiator", .string(initiator), "no such Domain"))
        }
        let nodes = try await lookup.objects(GroupVersionResource(resource: "nodes"), namespace: nil)
        for (index, task) in (spec["tasks"]?.arrayValue ?? []).enumerated() {
            let path = "spec.tasks[\(index)]"
            errors += try await takenTaskID(task, of: job, at: path, lookup)
            let name = task["appImage"]?.stringValue ?? ""
            let image = try await lookup.object(.kuscia("appimages"), namespace: nil, name: name)
            if image == nil { errors.append(.notFound("\(path).appImage", .string(name), "no such AppImage")) }
            for (place, party) in (task["parties"]?.arrayValue ?? []).enumerated() {
                let domain = party["domainID"]?.stringValue ?? ""
                let partyPath = "\(path).parties[\(place)]"
                if try await !domainExists(domain, lookup, &known) {
                    errors.append(.notFound("\(partyPath).domainID", .string(domain), "no such Domain"))
                } else if let image {
                    errors += PartyCapacity(party: party, image: image, nodes: nodes).errors(at: partyPath)
                }
            }
        }
        return errors
    }

    /// A KusciaTask of another job under this task's name would keep the job waiting for ever. One of a former job of the
    /// same name is about to be collected and does no harm.
    private static func takenTaskID(
        _ task: JSONValue, of job: JSONValue, at path: String, _ lookup: any ObjectLookup
    ) async throws(StatusError) -> [FieldError] {
        guard let name = job["metadata"]?["name"]?.stringValue, let namespace = job["metadata"]?["namespace"]?.stringValue,
            let id = task["taskID"]?.stringValue,
            let present = try await lookup.object(.kuscia("kusciatasks"), namespace: namespace, name: id)
        else { return [] }
        let owners = (present["metadata"]?["ownerReferences"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue }
        return owners.contains(name) ? [] : [.duplicate("\(path).taskID", .string(id))]
    }

    private static func domainExists(
        _ name: String, _ lookup: any ObjectLookup, _ known: inout [String: Bool]
    ) async throws(StatusError) -> Bool {
        if let answer = known[name] { return answer }
        let answer = try await lookup.object(.kuscia("domains"), namespace: nil, name: name) != nil
        known[name] = answer
        return answer
    }

    /// The graph of a stored job is what its controller works from.
    @Sendable static func validateUpdate(_ old: JSONValue, _ new: JSONValue) -> [FieldError] {
        guard let before = old["spec"], let after = new["spec"], before != after else { return [] }
        let changed = Set((before.objectValue?.keys ?? []) + (after.objectValue?.keys ?? []))
            .filter { before[$0] != after[$0] }.subtracting(["maxParallelism"]).sorted()
        return changed.map { .forbidden("spec.\($0)", "field is immutable: delete the job and submit a new one") }
    }
}

/// Whether one pod of a party fits on the domain's largest node. A domain without nodes is not judged: it may join later.
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

    /// The party's own resources, or else what the containers of its deploy template ask for.
    private var needs: [String: Need] {
        if let resources = party["resources"] {
            let own = needs(of: resources)
            if !own.isEmpty { return own }
        }
        var sum: [String: Need] = [:]
        for container in template?["spec"]?["containers"]?.arrayValue ?? [] {
            for (name, need) in needs(of: container["resources"] ?? [:]) {
                let total = (sum[name]?.amount ?? .zero) + need.amount
                sum[name] = Need(amount: total, part: need.part, value: sum[name] == nil ? need.value : .string(total.canonical))
            }
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
        let role = party["role"]?.stringValue ?? ""
        return templates.first { template in
            let roles = (template["role"]?.stringValue ?? "").split(separator: ",").map(String.init)
            return roles.contains(role) || (roles.isEmpty && role.isEmpty)
        } ?? templates.first { ($0["role"]?.stringValue ?? "").isEmpty }
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
