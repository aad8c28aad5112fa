// Which parts of a sent object count: each path changes its own part and leaves the rest as it was.
import JSON
import KubernetesModel

struct ObjectTransition {
    let call: APICall
    let old: JSONValue
    /// Set when `old` holds only what a write of the status needs.
    var statusWrite: StatusWrite?

    /// Turns what was sent into what is to be stored, defaults included.
    func apply(to object: inout JSONValue) throws(StatusError) {
        let sent = object
        switch call.part {
        case .main:
            try applyMain(&object)
            return
        case .status:
            object = old
            object["status"] = sent["status"]
            // Kubernetes lets built-in kinds change these together with their status.
            if !call.kind.declaration.isCustom { keepMetadata(of: sent, in: &object) }
        case .approval:
            object = old
            object.set(["status", "conditions"], to: sent["status"]?["conditions"])
            keepMetadata(of: sent, in: &object)
        case .finalize:
            object = old
            object.set(["spec", "finalizers"], to: sent["spec"]?["finalizers"])
        case .ephemeralContainers:
            object = old
            try applyEphemeralContainers(sent, &object)
        }
        if let statusWrite {
            statusWrite.applyDefaults(&object, old)
        } else if call.part != .approval {
            call.kind.declaration.applyDefaults(&object)
        }
        if old["metadata"]?["deletionTimestamp"] != nil { try refuseNewFinalizers(object) }
    }

    private func applyMain(_ object: inout JSONValue) throws(StatusError) {
        let declaration = call.kind.declaration
        if declaration.hasStatus { object["status"] = old["status"] }
        if old["metadata"]?["deletionTimestamp"] == nil, let sent = object["metadata"]?["deletionTimestamp"], !sent.isNull {
            throw call.invalid(object, [.invalid("metadata.deletionTimestamp", sent, "field is immutable")])
        }
        ObjectMetadata.keepSystemMembers(of: old, in: &object)
        if old["metadata"]?["deletionTimestamp"] != nil { try refuseNewFinalizers(object) }
        declaration.applyDefaults(&object)
        if declaration.countsGeneration, object["spec"] != old["spec"] {
            object.set(["metadata", "generation"], to: .int((old["metadata"]?["generation"]?.intValue ?? 0) + 1))
        }
    }

    private func keepMetadata(of sent: JSONValue, in object: inout JSONValue) {
        for member in ["labels", "annotations", "finalizers"] {
            object.set(["metadata", member], to: sent["metadata"]?[member])
        }
    }

    private func refuseNewFinalizers(_ object: JSONValue) throws(StatusError) {
        let had = old["metadata"]?["finalizers"]?.arrayValue ?? []
        let added = (object["metadata"]?["finalizers"]?.arrayValue ?? []).filter { !had.contains($0) }
        if added.isEmpty { return }
        let names = added.map { "\"\($0.stringValue ?? "")\"" }.joined(separator: ", ")
        throw call.invalid(
            object,
            [
                .forbidden(
                    "metadata.finalizers",
                    "no new finalizers can be added if the object is being deleted, found new finalizers []string{\(names)}")
            ])
    }

    /// They can be added, never changed or taken away.
    private func applyEphemeralContainers(_ sent: JSONValue, _ object: inout JSONValue) throws(StatusError) {
        let field = "spec.ephemeralContainers"
        let before = old["spec"]?["ephemeralContainers"]?.arrayValue ?? []
        let after = sent["spec"]?["ephemeralContainers"]?.arrayValue ?? []
        object.set(["spec", "ephemeralContainers"], to: after.isEmpty ? nil : .array(after))
        call.kind.declaration.applyDefaults(&object)
        let complete = object["spec"]?["ephemeralContainers"]?.arrayValue ?? []
        for container in before {
            guard let kept = complete.first(where: { $0["name"] == container["name"] }) else {
                throw call.invalid(
                    object, [.forbidden(field, "existing ephemeral containers \(container["name"] ?? "") may not be removed")])
            }
            if kept != container {
                throw call.invalid(
                    object, [.forbidden(field, "existing ephemeral containers \(container["name"] ?? "") may not be changed")])
            }
        }
        if complete != before, call.kind.declaration.countsGeneration {
            object.set(["metadata", "generation"], to: .int((old["metadata"]?["generation"]?.intValue ?? 0) + 1))
        }
    }
}
