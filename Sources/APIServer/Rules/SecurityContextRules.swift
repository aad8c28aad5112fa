// Ids of users and groups in a pod's and a container's security context: those that Linux can give (Kubernetes' validation of ids).
import JSON

enum SecurityContextRules {
    private static let range = Int64(0)...Int64(Int32.max)
    private static let ids = ["runAsUser", "runAsGroup", "fsGroup"]

    static func validate(_ context: JSONValue?, at path: @autoclosure () -> String) -> [FieldError] {
        guard let context else { return [] }
        var errors: [FieldError] = []
        for member in ids {
            if let error = problem(context[member], at: "\(path()).\(member)") { errors.append(error) }
        }
        for (index, group) in (context["supplementalGroups"]?.arrayValue ?? []).enumerated() {
            if let error = problem(group, at: "\(path()).supplementalGroups[\(index)]") { errors.append(error) }
        }
        return errors
    }

    private static func problem(_ value: JSONValue?, at path: @autoclosure () -> String) -> FieldError? {
        guard let id = value?.intValue, !range.contains(id) else { return nil }
        return .invalid(path(), .int(id), "must be between \(range.lowerBound) and \(range.upperBound), inclusive")
    }
}
