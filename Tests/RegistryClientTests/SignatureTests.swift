// Signed images: which keys, which repositories, and what is signed.
import Crypto
import FoundationEssentials
import ImageStore
import JSON
import RegistryClient
import RuntimeInterface
import Testing

@Suite(.timeLimit(.minutes(2))) struct SignatureTests {
    /// A signature as cosign pushes it: payload and manifest.
    private static func signature(_ digest: ContentDigest, by key: P256.Signing.PrivateKey) throws -> (
        payload: [UInt8], manifest: [UInt8]
    ) {
        let payload = Array(
            #"{"critical":{"identity":{"docker-reference":"app"},"image":{"docker-manifest-digest":"\#(digest)"},"type":"cosign container image signature"},"optional":null}"#
                .utf8)
        let text = try key.signature(for: SHA256.hash(data: payload)).derRepresentation.base64EncodedString()
        let layer = Descriptor(
            mediaType: MediaType.simpleSigning, digest: ContentDigest(of: payload), size: Int64(payload.count),
            annotations: ["dev.cosignproject.cosign/signature": text])
        let config = Descriptor(mediaType: MediaType.ociConfig, digest: ContentDigest(of: [0x7b, 0x7d]), size: 2)
        return (payload, try JSON.encode(ImageManifest(config: config, layers: [layer])))
    }

    private static func policy(_ key: P256.Signing.PrivateKey) throws -> SignaturePolicy {
        SignaturePolicy(rules: [
            .init(prefix: "", requirement: .keys([try SignatureKey(pem: key.publicKey.pemRepresentation, name: "ours")]))
        ])
    }

    @Test("an image runs only with a signature of a key that the node trusts, over this image")
    func signatures() async throws {
        let (ours, theirs) = (P256.Signing.PrivateKey(), P256.Signing.PrivateKey())
        let image = try TestImage(layers: [TestImage.bytes(1_000)])
        let good = try Self.signature(image.digest, by: ours)
        let foreign = try Self.signature(image.digest, by: theirs)
        let other = try Self.signature(ContentDigest(of: [1]), by: ours)
        for (signature, words) in [
            (good, nil), (foreign, "is not signed by ours"), (other, "signs another image"), (nil, "no such image"),
        ]
            as [((payload: [UInt8], manifest: [UInt8])?, String?)]
        {
            let registry = try await TestRegistry.start { request in
                if let signature, request.path.hasSuffix("\(ContentDigest(of: signature.payload))") {
                    return .whole(200, body: signature.payload)
                }
                let more = signature.map { ["sha256-\(image.digest.hex).sig": $0.manifest] } ?? [:]
                return image.answer(request, more: more)
            }
            let bench = try PullBench()
            let client = try bench.client(registry)
            let error = await bench.failure("\(registry.host)/app:1", client, signatures: try Self.policy(ours))
            if let words {
                #expect(error?.kind == .signatureInvalid)
                #expect(error?.message.contains(words) == true, "\(String(describing: error))")
                #expect(
                    registry.asked { $0.path.hasSuffix("\(ContentDigest(of: image.layers[0]))") }.isEmpty,
                    "no layer comes of what is refused")
            } else {
                #expect(error == nil)
                let stored = try #require(try bench.store.image(named: "\(registry.host)/app:1"))
                // Later and offline as well, and by the policy of then.
                try Self.policy(ours).verify(stored, in: bench.store)
                #expect(throws: ImagePullError.self) { try Self.policy(theirs).verify(stored, in: bench.store) }
            }
            await client.shutdown()
            await registry.stop()
        }
    }

    @Test("the rule with the longest prefix decides")
    func rules() throws {
        let policy = SignaturePolicy(
            rules: [.init(prefix: "r.example", requirement: .reject), .init(prefix: "r.example/team", requirement: .accept)],
            refusesUnlisted: true)
        let bench = try PullBench()
        func isRefused(_ name: String) throws -> Bool {
            let image = StoredImage(
                reference: try ImageReference(name),
                manifest: Descriptor(mediaType: MediaType.ociManifest, digest: ContentDigest(of: [1]), size: 1),
                id: nil, added: 0)
            do {
                try policy.verify(image, in: bench.store)
                return false
            } catch is ImagePullError {
                return true
            }
        }
        #expect(try isRefused("r.example/app:1"))
        #expect(try !isRefused("r.example/team/app:1"))
        #expect(try isRefused("r.example/teamwork/app:1"))
        #expect(try isRefused("elsewhere.example/app:1"))
    }

    @Test("keys of P-256, P-384 and Ed25519 are read; anything else is refused with the file's name")
    func keys() throws {
        let ed = Curve25519.Signing.PrivateKey().publicKey.rawRepresentation
        let body = (Data([0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]) + ed).base64EncodedString()
        for pem in [
            P256.Signing.PrivateKey().publicKey.pemRepresentation, P384.Signing.PrivateKey().publicKey.pemRepresentation,
            "-----BEGIN PUBLIC KEY-----\n\(body)\n-----END PUBLIC KEY-----\n",
        ] { _ = try SignatureKey(pem: pem, name: "key") }
        #expect { try SignatureKey(pem: "nonsense", name: "cosign.pub") } throws: { "\($0)".contains("cosign.pub") }
    }
}
