// RFC 7386: members replace members, null removes, anything else replaces the whole.
import JSON

enum MergePatch {
    static func apply(_ patch: JSONValue, to target: JSONValue) -> JSONValue {
        guard case .object(let changes) = patch else { return patch }
        var result = target.objectValue ?? JSONObject()
        result.change(Array(changes)) { change, present in
            change.value.isNull ? nil : apply(change.value, to: present ?? .null)
        }
        return .object(result)
    }
}
