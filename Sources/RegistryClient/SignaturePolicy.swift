// Which images must be signed by whom (kuscia.yaml `image.signatures`), and signatures as cosign stores them.
import Crypto
import FoundationEssentials
import ImageStore
import JSON
import RuntimeInterface

/// A public key that images are signed with: ECDSA P-256 or P-384, or Ed25519.
public struct SignatureKey: Sendable {
    private enum Key: Sendable {
        case p256(P256.Signing.PublicKey)
        case p384(P384.Signing.PublicKey)
        case ed25519(Curve25519.Signing.PublicKey)
    }

    private let key: Key
    /// Where it came from, for messages.
    public let name: String

    /// A PEM document "PUBLIC KEY". Throws `ImagePullError`.
    public init(pem: String, name: String) throws(ImagePullError) {
        self.name = name
        if let key = try? P256.Signing.PublicKey(pemRepresentation: pem) {
            self.key = .p256(key)
        } else if let key = try? P384.Signing.PublicKey(pemRepresentation: pem) {
            self.key = .p384(key)
        } else if let key = Self.ed25519(pem) {
            self.key = .ed25519(key)
        } else {
            throw ImagePullError(.internal, "\(name): expected a PEM public key of ECDSA P-256, P-384 or Ed25519 (cosign.pub)")
        }
    }

    public init(file: String) throws(ImagePullError) {
        guard let data = try? Data(contentsOf: URL(filePath: file)), data.count <= 64 << 10 else {
            throw ImagePullError(.internal, "image.signatures: key \(file) cannot be read")
        }
        try self.init(pem: String(decoding: data, as: UTF8.self), name: file)
    }

    /// SubjectPublicKeyInfo of Ed25519 is 12 fixed bytes and the key (RFC 8410).
    private static func ed25519(_ pem: String) -> Curve25519.Signing.PublicKey? {
        let body = pem.split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined().filter { !$0.isWhitespace }
        let prefix: [UInt8] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]
        guard let data = Data(base64Encoded: body), data.count == 44, Array(data.prefix(12)) == prefix else { return nil }
        return try? Curve25519.Signing.PublicKey(rawRepresentation: data.suffix(32))
    }

    func isSignature(_ signature: Data, of payload: [UInt8]) -> Bool {
        switch key {
        case .p256(let key):
            guard let signature = try? P256.Signing.ECDSASignature(derRepresentation: signature) else { return false }
            return key.isValidSignature(signature, for: SHA256.hash(data: payload))
        case .p384(let key):
            // cosign hashes with SHA-256 whatever the curve.
            guard let signature = try? P384.Signing.ECDSASignature(derRepresentation: signature) else { return false }
            return key.isValidSignature(signature, for: SHA256.hash(data: payload))
        case .ed25519(let key): return key.isValidSignature(signature, for: Data(payload))
        }
    }
}

public struct SignaturePolicy: Sendable {
    public enum Requirement: Sendable {
        /// As it is.
        case accept
        case reject
        /// Signed by one of these.
        case keys([SignatureKey])
    }

    public struct Rule: Sendable {
        /// "registry.example/secretflow": the image's full name, or a path above it. Empty: every image.
        public var prefix: String
        public var requirement: Requirement

        public init(prefix: String, requirement: Requirement) {
            self.prefix = prefix
            self.requirement = requirement
        }

        func applies(to name: String) -> Bool {
            prefix.isEmpty || name == prefix || name.hasPrefix(prefix.hasSuffix("/") ? prefix : prefix + "/")
        }

        func permit(_ reference: ImageReference) throws(ImagePullError) {
            if case .reject = requirement {
                throw ImagePullError(
                    .signatureInvalid, "\(reference): image.signatures rejects images of \"\(prefix.isEmpty ? "*" : prefix)\"")
            }
        }
    }

    public var rules: [Rule]
    /// An image that no rule names is refused.
    public var refusesUnlisted: Bool

    public init(rules: [Rule] = [], refusesUnlisted: Bool = false) {
        self.rules = rules
        self.refusesUnlisted = refusesUnlisted
    }

    /// The one with the longest prefix.
    public func rule(for reference: ImageReference) -> Rule? {
        rules.filter { $0.applies(to: reference.name) }.max { $0.prefix.utf8.count < $1.prefix.utf8.count }
    }

    /// Whether an image in the store may run: by the signatures that lie beside it. Blocks on the disk. Throws `ImagePullError`.
    public func verify(_ image: StoredImage, in store: ImageStore) throws {
        try verify(
            image.reference, digests: Set([image.sourceDigest, image.manifest.digest]).sorted(), blobs: store.blobs,
            references: store.references)
        // A signed index vouches for the manifests that it names, and for no other.
        if image.sourceDigest != image.manifest.digest, case .keys = rule(for: image.reference)?.requirement {
            guard try Self.index(image.sourceDigest, names: image.manifest.digest, store.blobs, depth: ImageIndex.maximumDepth)
            else {
                throw ImagePullError(.signatureInvalid, "\(image.reference): its index does not name its manifest")
            }
        }
    }

    /// Itself, or by an index within it. What else its text says (annotations) names nothing.
    private static func index(_ digest: ContentDigest, names manifest: ContentDigest, _ blobs: BlobStore, depth: Int) throws
        -> Bool
    {
        guard depth >= 0, blobs.contains(digest),
            case .index(let index) = try ImageDocument(parsing: blobs.contents(digest), subject: "index \(digest)")
        else { return false }
        for entry in index.manifests {
            if entry.digest == manifest { return true }
            if MediaType.isIndex(entry.mediaType), try Self.index(entry.digest, names: manifest, blobs, depth: depth - 1) {
                return true
            }
        }
        return false
    }

    func verify(_ reference: ImageReference, digests: [ContentDigest], blobs: BlobStore, references: ImageReferences) throws {
        guard let rule = rule(for: reference) else {
            if refusesUnlisted { throw ImagePullError(.signatureInvalid, "\(reference): no rule of image.signatures permits it") }
            return
        }
        try rule.permit(reference)
        guard case .keys(let keys) = rule.requirement else { return }
        var reasons: [String] = []
        for digest in digests {
            let outcome = try SignatureVerification.verify(reference, digest, keys, blobs, references)
            guard let reason = outcome else { return }
            reasons.append(reason)
        }
        throw ImagePullError(.signatureInvalid, "\(reference): no valid signature: \(reasons.joined(separator: "; "))")
    }
}

/// cosign's layout: a manifest tagged `sha256-<hex>.sig` in the image's repository, whose layers are signed payloads.
enum SignatureVerification {
    static let maximumSignatures = 64
    static let maximumPayloadBytes: Int64 = 64 << 10
    private static let annotation = "dev.cosignproject.cosign/signature"

    static func reference(_ image: ImageReference, _ digest: ContentDigest) -> ImageReference {
        image.with(tag: "\(digest.algorithm.rawValue)-\(digest.hex).sig")
    }

    private struct Payload: Decodable {
        var critical: Critical

        struct Critical: Decodable {
            var identity: [String: String]?
            var image: [String: String]
            var type: String
        }
    }

    /// nil: one of the keys has signed this digest. Else why not.
    static func verify(
        _ image: ImageReference, _ digest: ContentDigest, _ keys: [SignatureKey], _ blobs: BlobStore,
        _ references: ImageReferences
    ) throws -> String? {
        let name = reference(image, digest)
        guard let stored = try references.image(name) else { return "there is no \(name)" }
        let manifest = try ImageManifest(parsing: try blobs.contents(stored.manifest.digest), subject: name.description)
        var reason = "\(name) has no signature"
        for layer in manifest.layers.prefix(maximumSignatures)
        where layer.mediaType == MediaType.simpleSigning && layer.size <= maximumPayloadBytes {
            guard let text = layer.annotations?[annotation], let signature = Data(base64Encoded: text) else { continue }
            let payload = try blobs.contents(layer.digest, maximumBytes: Int(maximumPayloadBytes))
            guard keys.contains(where: { $0.isSignature(signature, of: payload) }) else {
                reason = "\(name) is not signed by \(keys.map(\.name).joined(separator: ", "))"
                continue
            }
            guard let signed = try? JSON.decode(Payload.self, from: payload),
                signed.critical.type == "cosign container image signature",
                signed.critical.image["docker-manifest-digest"] == digest.description
            else {
                reason = "\(name) signs another image"
                continue
            }
            return nil
        }
        return reason
    }
}
