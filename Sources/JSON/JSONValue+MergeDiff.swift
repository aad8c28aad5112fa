// The smallest JSON merge patch (RFC 7386) that leads from one document to another.

extension JSONValue {
    /// nil when both are equal. Members that `new` lacks become null; arrays are replaced whole.
    public static func mergeDifference(from old: JSONValue, to new: JSONValue) -> JSONValue? {
        guard old != new else { return nil }
        guard case .object(let before) = old, case .object(let after) = new else { return new }
        var patch = JSONObject()
        for (key, value) in after {
            if let known = before[key] {
                if let change = mergeDifference(from: known, to: value) { patch[key] = change }
            } else {
                patch[key] = value
            }
        }
        for (key, _) in before where after[key] == nil { patch[key] = .null }
        return .object(patch)
    }
}
