// A syntax or bound violation in a JSON text, with the place where it was found.

/// Why a text is not acceptable JSON. Decoding a well-formed text into a type fails with `DecodingError` instead.
public struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Offset in bytes from the start of the text.
    public let offset: Int
    public let message: String
    /// 1-based line and column (in bytes) of `offset`; nil when the text was not at hand.
    public let line: Int?
    public let column: Int?

    public init(offset: Int, message: String) {
        self.offset = offset
        self.message = message
        line = nil
        column = nil
    }

    init(offset: Int, message: String, in text: [UInt8]) {
        self.offset = offset
        self.message = message
        let before = text.prefix(offset)
        line = 1 + before.count { $0 == UInt8(ascii: "\n") }
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        column = before.count - lineStart + 1
    }

    public var description: String {
        guard let line, let column else { return "JSON at byte \(offset): \(message)" }
        return "JSON at line \(line), column \(column) (byte \(offset)): \(message)"
    }
}
