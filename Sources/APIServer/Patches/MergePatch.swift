// RFC 7386: members replace members, null removes, anything else replaces the whole.
import JSON

enum MergePatch {
    static func apply(_ patch: JSONValue, to target: JSONValue) -> JSONValue {
        guard case .object(let changes) = patch else { return patch }
        var result = target.objectValue ?? JSONObject()
        for (key, change) in changes {
            if change.isNull {
                result.removeValue(forKey: key)
            } else {
                result[key] = apply(change, to: result[key] ?? .null)
            }
        }
        return .object(result)
    }
}
