// What a KusciaJob must satisfy before anything of it is stored.
import JSON
import KubernetesModel
import KusciaModel

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
        var ids: Set<String> = []
        for (index, task) in tasks.enumerated() where task["alias"] != nil || task["taskID"] != nil {
            let id = taskID(task, of: name)
            if !ids.insert(id).inserted { errors.append(.duplicate(idField(task, at: "spec.tasks[\(index)]"), .string(id))) }
        }
        errors += DuplicateRules.find(tasks, member: "alias", at: "spec.tasks")
        return errors + validateGraph(tasks)
    }

    /// The name of the task's KusciaTask.
    private static func taskID(_ task: JSONValue, of job: String) -> String {
        KusciaTaskID.of(taskID: task["taskID"]?.stringValue, alias: task["alias"]?.stringValue ?? "", job: job)
    }

    /// Where that name comes from.
    private static func idField(_ task: JSONValue, at path: String) -> String {
        (task["taskID"]?.stringValue ?? "").isEmpty ? "\(path).alias" : "\(path).taskID"
    }

    private static func validate(task: JSONValue, of job: String, at path: String) -> [FieldError] {
        var errors: [FieldError] = []
        let alias = task["alias"]?.stringValue ?? ""
        if alias.isEmpty { errors.append(.required("\(path).alias")) }
        let id = taskID(task, of: job)
        if let problem = NameFormat.labelProblem(id) { errors.append(.invalid(idField(task, at: path), .string(id), problem)) }
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
        var names = TaskNames(job)
        for (index, task) in (spec["tasks"]?.arrayValue ?? []).enumerated() {
            let path = "spec.tasks[\(index)]"
            let id = taskID(task, of: names.job)
            if let owner = try await names.owner(of: id, lookup) {
                errors.append(
                    .invalid(idField(task, at: path), .string(id), "is the name of a task of \(owner): choose another taskID"))
            }
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

    static func domainExists(
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
