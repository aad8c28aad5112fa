// The keys of encryption at rest, as a small text file: the first seals, all open.
import Crypto

/// One key a line, `NAME HEX` with 64 hexadecimal digits; `#` begins a comment. To replace a key put a new one above it and start
/// the master again: it seals everything anew, and the old line may go.
public struct EncryptionKeys: Sendable {
    struct Key: Sendable {
        let name: String
        let secret: SymmetricKey
    }

    /// Never empty.
    let keys: [Key]

    /// Throws `EncryptionKeyError`, which names the line and never shows a key.
    public init(text: String) throws(EncryptionKeyError) {
        var keys: [Key] = []
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" || $0 == "\r" }
            if words.isEmpty { continue }
            guard words.count == 2 else { throw EncryptionKeyError("line \(number + 1): expected NAME HEX") }
            let name = String(words[0])
            guard Self.isName(name) else {
                throw EncryptionKeyError("line \(number + 1): a key's name is up to 63 of a-z, A-Z, 0-9, - and _")
            }
            guard let bytes = Self.bytes(hexadecimal: words[1]), bytes.count == 32 else {
                throw EncryptionKeyError("line \(number + 1): key \(name): expected 64 hexadecimal digits (32 bytes)")
            }
            if keys.contains(where: { $0.name == name }) {
                throw EncryptionKeyError("line \(number + 1): key \(name) is there twice")
            }
            keys.append(Key(name: name, secret: SymmetricKey(data: bytes)))
        }
        guard !keys.isEmpty else { throw EncryptionKeyError("it holds no key") }
        self.keys = keys
    }

    /// The text of a new file, with one random key.
    public static func makeText(name: String) -> String {
        let digits = Array("0123456789abcdef")
        let secret = SymmetricKey(size: .bits256).withUnsafeBytes { bytes in
            String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
        }
        return """
            # Keys that encrypt secrets in the store: NAME HEX. The first seals, all open. Whoever holds this file and the store, or
            # a backup of it, reads the secrets; without it they are lost. To replace a key put a new line above it, start the
            # master again, then remove the old line.
            \(name) \(secret)

            """
    }

    private static func isName(_ name: String) -> Bool {
        (1...63).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    private static func bytes(hexadecimal text: Substring) -> [UInt8]? {
        let digits = text.map { $0.hexDigitValue }
        guard digits.count % 2 == 0, text.utf8.count == digits.count else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = digits[index], let low = digits[index + 1] else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return bytes
    }
}

public struct EncryptionKeyError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
