// Of a made pod only images, the deadline, tolerations (additions), scheduling gates (removals) and a shorter grace may
// change. Subresources that change more (binding, ephemeralcontainers, resize) have rules of their own.
import JSON

enum PodUpdateRules {
    private static let message =
        "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
        + "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
        + "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"

    @Sendable static func validate(_ old: JSONValue, _ new: JSONValue) -> [FieldError] {
        guard let before = old["spec"], var after = new["spec"], before != after else { return [] }
        var errors = tolerations(before, after) + deadline(before, after)
        let hadGates = Set((before["schedulingGates"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue })
        for gate in after["schedulingGates"]?.arrayValue ?? [] where !hadGates.contains(gate["name"]?.stringValue ?? "") {
            errors.append(
                .forbidden(
                    "spec.schedulingGates",
                    "only deletion is allowed, but found new scheduling gate '\(gate["name"]?.stringValue ?? "")'"))
        }
        for member in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] { after[member] = before[member] }
        if before["terminationGracePeriodSeconds"]?.intValue ?? 0 < 0, after["terminationGracePeriodSeconds"] == 1 {
            after["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"]
        }
        // A pod that still waits at a gate may be steered further.
        if !hadGates.isEmpty {
            for member in ["nodeSelector", "affinity"] { after[member] = before[member] }
        }
        for list in ["containers", "initContainers"] {
            guard let old = before[list]?.arrayValue, let new = after[list]?.arrayValue, old.count == new.count else { continue }
            after[list] = .array(
                zip(old, new).map { old, new in
                    var same = new
                    same["image"] = old["image"]
                    return same
                })
        }
        if after != before {
            let changed = Set((before.objectValue?.keys ?? []) + (after.objectValue?.keys ?? []))
                .filter { before[$0] != after[$0] }.sorted().joined(separator: ", ")
            errors.append(.forbidden("spec", "\(message) (changed: \(changed))"))
        }
        return errors
    }

    private static func tolerations(_ before: JSONValue, _ after: JSONValue) -> [FieldError] {
        let has = (after["tolerations"]?.arrayValue ?? []).map(withoutSeconds)
        let isKept = (before["tolerations"]?.arrayValue ?? []).allSatisfy { has.contains(withoutSeconds($0)) }
        if isKept { return [] }
        return [.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")]
    }

    private static func withoutSeconds(_ toleration: JSONValue) -> JSONValue {
        var copy = toleration
        copy["tolerationSeconds"] = nil
        return copy
    }

    private static func deadline(_ before: JSONValue, _ after: JSONValue) -> [FieldError] {
        guard let old = before["activeDeadlineSeconds"]?.intValue else { return [] }
        guard let new = after["activeDeadlineSeconds"]?.intValue else {
            return [.invalid("spec.activeDeadlineSeconds", .null, "must not update from a positive integer to nil value")]
        }
        if new <= old { return [] }
        return [.invalid("spec.activeDeadlineSeconds", .int(new), "must be less than or equal to previous value")]
    }
}
