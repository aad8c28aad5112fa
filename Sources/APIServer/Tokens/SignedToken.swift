// A JSON web token with ES256 (RFC 7515, 7518): taking it apart strictly, and putting it together. Pure; keys are elsewhere.
import JSON

/// Makes and checks ES256 signatures. Implemented over the server's keys by the front, which has the cryptography.
public protocol TokenSigning: Sendable {
    /// The key that signs.
    var keyID: String { get }
    /// r and s, 32 bytes each.
    func signature(for message: [UInt8]) throws -> [UInt8]
    /// nil: no such key.
    func isValid(_ signature: [UInt8], for message: [UInt8], keyID: String) -> Bool?
    /// Every key that is accepted, for others to check our tokens by.
    var publicKeys: [TokenPublicKey] { get }
}

/// A point on P-256.
public struct TokenPublicKey: Sendable, Hashable {
    public var id: String
    /// 32 bytes each, big-endian.
    public var x: [UInt8]
    public var y: [UInt8]

    public init(id: String, x: [UInt8], y: [UInt8]) {
        self.id = id
        self.x = x
        self.y = y
    }
}

struct SignedToken: Sendable {
    var keyID: String
    var payload: [UInt8]
    /// What is signed: header and payload as they were sent.
    var message: [UInt8]
    var signature: [UInt8]

    /// No token of ours comes near it.
    static let maximumBytes = 16 << 10
    static let signatureBytes = 64

    /// Whether a bearer token looks like one of these, so that others are not even tried.
    static func isPlausible(_ text: String) -> Bool { text.hasPrefix("ey") && text.utf8.count(where: { $0 == 0x2E }) == 2 }

    /// Throws `malformed` for everything but a compact ES256 token whose key has a name.
    init(parsing text: String) throws(TokenProblem) {
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.maximumBytes else { throw .malformed }
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Base64URL.decode(parts[0]), let payload = Base64URL.decode(parts[1]),
            let signature = Base64URL.decode(parts[2]), signature.count == Self.signatureBytes,
            let head = try? JSONValue(parsing: header)
        else { throw .malformed }
        // No other algorithm, above all not "none"; extensions that must be understood are not.
        guard head["alg"]?.stringValue == "ES256", head["crit"] == nil, head["typ"].map({ $0.stringValue == "JWT" }) ?? true,
            let keyID = head["kid"]?.stringValue
        else { throw .malformed }
        self.keyID = keyID
        self.payload = payload
        self.signature = signature
        message = Array(bytes[..<(parts[0].count + 1 + parts[1].count)])
    }

    static func make(_ payload: JSONValue, with keys: any TokenSigning) throws -> String {
        let header: JSONValue = ["alg": "ES256", "kid": .string(keys.keyID)]
        let message = Base64URL.encode(header.serialized()) + "." + Base64URL.encode(payload.serialized())
        return try message + "." + Base64URL.encode(keys.signature(for: Array(message.utf8)))
    }

    func verifiedPayload(_ keys: any TokenSigning) throws(TokenProblem) -> JSONValue {
        guard let isValid = keys.isValid(signature, for: message, keyID: keyID) else { throw .unknownKey }
        guard isValid else { throw .badSignature }
        guard let value = try? JSONValue(parsing: payload) else { throw .malformed }
        return value
    }
}
