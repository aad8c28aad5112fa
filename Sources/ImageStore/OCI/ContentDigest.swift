// The name of a content: algorithm and hash (OCI image spec, descriptor.md, "Digests").
import Crypto

public struct ContentDigest: Sendable, Hashable, Comparable, CustomStringConvertible {
    public enum Algorithm: String, Sendable, Hashable, CaseIterable {
        case sha256, sha512

        var hexDigits: Int { self == .sha256 ? 64 : 128 }
    }

    public let algorithm: Algorithm
    /// Lower-case hexadecimal digits.
    public let hex: String

    /// nil unless the text is "sha256:" and 64, or "sha512:" and 128 lower-case hexadecimal digits: what passes here is safe as a file name.
    public init?(_ text: some StringProtocol) {
        guard let colon = text.firstIndex(of: ":"), let algorithm = Algorithm(rawValue: String(text[..<colon])) else {
            return nil
        }
        self.init(algorithm: algorithm, hex: String(text[text.index(after: colon)...]))
    }

    public init?(algorithm: Algorithm, hex: String) {
        guard hex.utf8.count == algorithm.hexDigits, hex.utf8.allSatisfy(Self.isHexDigit) else { return nil }
        self.algorithm = algorithm
        self.hex = hex
    }

    fileprivate init(algorithm: Algorithm, hash: some Sequence<UInt8>) {
        self.algorithm = algorithm
        let digits = Array("0123456789abcdef".utf8)
        hex = String(decoding: hash.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The SHA-256 of these bytes.
    public init(of bytes: some Sequence<UInt8>) {
        var running = RunningDigest(.sha256)
        running.update(Array(bytes))
        self = running.finish()
    }

    public var description: String { "\(algorithm.rawValue):\(hex)" }

    /// The first twelve digits, for people.
    public var short: String { String(hex.prefix(12)) }

    public static func < (left: Self, right: Self) -> Bool { left.description < right.description }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}

extension ContentDigest: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let digest = ContentDigest(text) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "expected sha256: or sha512: with lower-case hexadecimal digits, found \"\(text.prefix(160))\"")
        }
        self = digest
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// A digest in the making, fed piece by piece.
public struct RunningDigest: Sendable {
    // One of them; a case of an enum would be copied to be changed, and a hash with it.
    private var sha256: SHA256?
    private var sha512: SHA512?

    public init(_ algorithm: ContentDigest.Algorithm) {
        switch algorithm {
        case .sha256: sha256 = SHA256()
        case .sha512: sha512 = SHA512()
        }
    }

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        sha256?.update(bufferPointer: bytes)
        sha512?.update(bufferPointer: bytes)
    }

    public mutating func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

    /// The digest of all that was fed; more may follow.
    public func finish() -> ContentDigest {
        if let sha512 { return ContentDigest(algorithm: .sha512, hash: sha512.finalize()) }
        return ContentDigest(algorithm: .sha256, hash: (sha256 ?? SHA256()).finalize())
    }
}
