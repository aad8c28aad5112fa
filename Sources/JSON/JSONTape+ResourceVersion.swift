// Splicing: a stored object gets its resourceVersion without being encoded again.

/// Where a text takes its resourceVersion: found once, applied when the revision is known.
public struct ResourceVersionSplice: Sendable {
    let range: Range<Int>
    let before: StaticString
    let after: StaticString

    /// Whether it can be one of a text of so many bytes.
    public func fits(_ count: Int) -> Bool { range.upperBound <= count }

    /// `bytes` must be those of the tape that the splice was found in, or those written with it. All other bytes stay as they are.
    public func applied(to bytes: [UInt8], revision: UInt64) -> [UInt8] {
        var result: [UInt8] = []
        // A revision has at most 20 digits, and two quotes.
        result.reserveCapacity(bytes.count - range.count + before.utf8CodeUnitCount + after.utf8CodeUnitCount + 22)
        result.append(contentsOf: bytes[..<range.lowerBound])
        before.withUTF8Buffer { result.append(contentsOf: $0) }
        result.append(UInt8(ascii: "\""))
        let digits = result.count
        var rest = revision
        repeat {
            result.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        result[digits...].reverse()
        result.append(UInt8(ascii: "\""))
        after.withUTF8Buffer { result.append(contentsOf: $0) }
        result.append(contentsOf: bytes[range.upperBound...])
        return result
    }
}

extension JSONTape {
    /// The text with `metadata.resourceVersion` set to the given revision, all other bytes unchanged; the member, and
    /// `metadata`, are added when absent (or null). Fails when the text, or its metadata, is no object.
    public func settingResourceVersion(_ revision: UInt64) throws(JSONError) -> [UInt8] {
        try resourceVersionSplice().applied(to: bytes, revision: revision)
    }

    /// The place of `metadata.resourceVersion`. Fails when the text, or its metadata, is no object.
    public func resourceVersionSplice() throws(JSONError) -> ResourceVersionSplice {
        guard kind(root) == .object else {
            throw JSONError(offset: 0, message: "expected an object, found \(kind(root))", in: bytes)
        }
        guard let parent = member(of: root, "metadata") else {
            let (place, isEmpty) = insertion(intoObject: root)
            return ResourceVersionSplice(
                range: place..<place, before: #""metadata":{"resourceVersion":"#, after: isEmpty ? "}" : "},")
        }
        switch kind(parent) {
        case .null:
            return ResourceVersionSplice(range: rawRange(parent), before: #"{"resourceVersion":"#, after: "}")
        case .object:
            if let node = member(of: parent, "resourceVersion") {
                return ResourceVersionSplice(range: rawRange(node), before: "", after: "")
            }
            let (place, isEmpty) = insertion(intoObject: parent)
            return ResourceVersionSplice(range: place..<place, before: #""resourceVersion":"#, after: isEmpty ? "" : ",")
        case .bool, .number, .string, .array:
            let offset = rawRange(parent).lowerBound
            throw JSONError(offset: offset, message: "metadata: expected an object, found \(kind(parent))", in: bytes)
        }
    }

    /// New members go first, right after the brace, because there it is known whether a comma is due.
    private func insertion(intoObject object: Node) -> (place: Int, isEmpty: Bool) {
        let entry = entries[object.index]
        return (Int(entry.start) + 1, Int(entry.next) == object.index + 1)
    }
}
