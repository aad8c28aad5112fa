// What a KusciaTask must satisfy before anything of it is stored: its place, its parties, and only such changes of the AppImage's
// containers as are carried out.
import JSON
import KubernetesModel

enum KusciaTaskRules {
    @Sendable static func validate(_ task: JSONValue) -> [FieldError] {
        var errors: [FieldError] = []
        let namespace = task["metadata"]?["namespace"]?.stringValue ?? ""
        // The controllers look nowhere else; elsewhere a task would wait for ever.
        if namespace != "cross-domain" {
            errors.append(.invalid("metadata.namespace", .string(namespace), "a KusciaTask must be in namespace cross-domain"))
        }
        let parties = task["spec"]?["parties"]?.arrayValue ?? []
        if parties.isEmpty { errors.append(.required("spec.parties", "must have at least 1 party")) }
        for (index, party) in parties.enumerated() {
            errors += validate(template: party["template"]?["spec"], at: "spec.parties[\(index)].template.spec")
        }
        return errors
    }

    /// Members of a container that a party may set.
    private static let honoured: Set<String> = ["name", "command", "args", "env", "resources"]

    private static func validate(template: JSONValue?, at path: String) -> [FieldError] {
        var errors: [FieldError] = []
        if let affinity = template?["affinity"], !isEmpty(affinity) {
            errors.append(.forbidden("\(path).affinity", "is not carried out; a task's pods run on their domain's nodes"))
        }
        for (place, container) in (template?["containers"]?.arrayValue ?? []).enumerated() {
            let field = "\(path).containers[\(place)]"
            errors += ResourceRules.validate(container["resources"], at: "\(field).resources")
            for (name, value) in container.objectValue ?? [:] where !honoured.contains(name) && !isEmpty(value) {
                let detail = "a party changes command, args, env and resources only; set it in the AppImage"
                errors.append(.forbidden("\(field).\(name)", detail))
            }
        }
        return errors
    }

    /// What a client sends that writes every field.
    private static func isEmpty(_ value: JSONValue) -> Bool {
        switch value {
        case .null: true
        case .string(let text): text.isEmpty
        case .array(let elements): elements.isEmpty
        case .object(let members): members.isEmpty
        case .bool, .int, .double: false
        }
    }

    /// Ports, pods and verdict follow from the spec of a task that was started.
    @Sendable static func validateUpdate(_ old: JSONValue, _ new: JSONValue) -> [FieldError] {
        guard let before = old["spec"], let after = new["spec"], before != after else { return [] }
        return Set((before.objectValue?.keys ?? []) + (after.objectValue?.keys ?? [])).filter { before[$0] != after[$0] }.sorted()
            .map { .forbidden("spec.\($0)", "field is immutable: delete the task and submit a new one") }
    }

    /// A job's task was looked at with its job, and what has gone since is the task's own failure.
    static func validateReferences(_ task: JSONValue, _ lookup: any ObjectLookup) async throws(StatusError) -> [FieldError] {
        let owners = task["metadata"]?["ownerReferences"]?.arrayValue ?? []
        if owners.contains(where: { $0["kind"]?.stringValue == "KusciaJob" }) { return [] }
        let spec = task["spec"] ?? [:]
        var errors: [FieldError] = []
        var known: [String: Bool] = [:]
        let initiator = spec["initiator"]?.stringValue ?? ""
        if try await !KusciaJobRules.domainExists(initiator, lookup, &known) {
            errors.append(.notFound("spec.initiator", .string(initiator), "no such Domain"))
        }
        for (index, party) in (spec["parties"]?.arrayValue ?? []).enumerated() {
            let domain = party["domainID"]?.stringValue ?? ""
            if try await !KusciaJobRules.domainExists(domain, lookup, &known) {
                errors.append(.notFound("spec.parties[\(index)].domainID", .string(domain), "no such Domain"))
            }
            let image = party["appImageRef"]?.stringValue ?? ""
            if try await lookup.object(.kuscia("appimages"), namespace: nil, name: image) == nil {
                errors.append(.notFound("spec.parties[\(index)].appImageRef", .string(image), "no such AppImage"))
            }
        }
        return errors
    }
}
