// Values that were read from the same text before: most pods differ in little more than their names.
import JSON
import Synchronization

/// Bounded: when it is full it begins anew, and who holds a value keeps it.
final class TextMemo<Value: Sendable>: Sendable {
    /// Templates that live side by side in a cluster; each is some hundred bytes.
    static var maximumTexts: Int { 2048 }

    private struct Text: Hashable {
        var bytes: [UInt8]

        /// All at once: an array's own way goes byte by byte.
        func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
    }

    private let known = Mutex<[Text: Value]>([:])

    func value(of text: [UInt8], make: () throws -> Value) rethrows -> Value {
        let key = Text(bytes: text)
        if let value = known.withLock({ $0[key] }) { return value }
        let value = try make()
        known.withLock { known in
            if known.count >= Self.maximumTexts { known = [:] }
            known[key] = value
        }
        return value
    }
}

/// Labels, shared by all objects that have the same.
enum SharedLabels {
    private static let memo = TextMemo<[String: String]>()

    static func read(_ metadata: TapeObject) throws -> [String: String] {
        let labels = metadata["labels"]
        guard let text = labels.text else { return [:] }
        return try memo.value(of: Array(text)) { try labels.decode([String: String].self) ?? [:] }
    }
}
