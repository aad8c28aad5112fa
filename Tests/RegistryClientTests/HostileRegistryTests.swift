// Registries that are slow, endless, wrong or after our secrets: refused with the reason, and nothing is visible.
import ImageStore
import JSON
import RegistryClient
import RuntimeInterface
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(2))) struct HostileRegistryTests {
    private static let layer = TestImage.bytes(300_000)

    /// One way to be hostile with the layer or the manifest, and what is said to it.
    struct Hostility: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var kind: ImagePullError.Kind
        var words: String
        var answer: @Sendable (TestImage, TestRequest) -> TestReply?
    }

    private static func isLayer(_ request: TestRequest) -> Bool { request.path.hasSuffix("\(ContentDigest(of: layer))") }
    private static func isManifest(_ request: TestRequest) -> Bool { request.path.hasSuffix("/manifests/1") }

    static let hostilities: [Hostility] = [
        Hostility(testDescription: "another content", kind: .invalidContent, words: "its content has digest") { _, request in
            isLayer(request) ? .whole(200, body: TestImage.bytes(300_000, seed: 9)) : nil
        },
        Hostility(testDescription: "a shorter content", kind: .invalidContent, words: "it has 299999 bytes, expected 300000") {
            _, request in
            isLayer(request) ? .whole(200, body: Array(layer.dropLast())) : nil
        },
        Hostility(testDescription: "a longer content", kind: .invalidContent, words: "it has 300001 bytes, expected 300000") {
            _, request in
            isLayer(request) ? .whole(200, body: layer + [0]) : nil
        },
        Hostility(testDescription: "an endless content", kind: .invalidContent, words: "expected 300000") { _, request in
            isLayer(request) ? .endless : nil
        },
        Hostility(testDescription: "a trickle", kind: .registryUnavailable, words: "fewer than") { _, request in
            isLayer(request) ? .drip(headers: [("Content-Length", "300000")], milliseconds: 20) : nil
        },
        Hostility(testDescription: "silence", kind: .registryUnavailable, words: "") { _, request in
            isLayer(request) ? .silent : nil
        },
        Hostility(testDescription: "a connection that always breaks", kind: .registryUnavailable, words: "") { _, request in
            isLayer(request) ? .broken(200, headers: [("Content-Length", "300000")], body: []) : nil
        },
        Hostility(testDescription: "redirects in a circle", kind: .registryUnavailable, words: "more than 5 redirects") {
            _, request in
            isManifest(request) ? .whole(302, headers: [("Location", "/v2/app/manifests/1")]) : nil
        },
        Hostility(
            testDescription: "a redirect to no address", kind: .registryUnavailable, words: "no address that can be followed"
        ) { _, request in
            isManifest(request) ? .whole(302, headers: [("Location", "file:///etc/passwd")]) : nil
        },
        Hostility(testDescription: "a manifest too large", kind: .invalidContent, words: "at most 4194304") { _, request in
            isManifest(request) ? .whole(200, body: [UInt8](repeating: 0x20, count: 5 << 20)) : nil
        },
        Hostility(testDescription: "an endless manifest", kind: .invalidContent, words: "more than 4194304 bytes") { _, request in
            isManifest(request) ? .endless : nil
        },
        Hostility(testDescription: "no JSON", kind: .invalidContent, words: "JSON") { _, request in
            isManifest(request)
                ? .whole(200, headers: [("Content-Type", MediaType.ociManifest)], body: Array("<html>".utf8)) : nil
        },
        Hostility(testDescription: "a page of HTML", kind: .invalidContent, words: "text/html") { _, request in
            isManifest(request) ? .whole(200, headers: [("Content-Type", "text/html")], body: Array("<html>".utf8)) : nil
        },
        Hostility(testDescription: "both image and index", kind: .invalidContent, words: "both config and manifests") {
            image, request in
            let text = String(decoding: image.manifest, as: UTF8.self).replacing(
                "{\"schemaVersion\"", with: "{\"manifests\":[],\"schemaVersion\"", maxReplacements: 1)
            let both = text.contains("\"manifests\"") ? text : text.dropLast() + ",\"manifests\":[]}"
            return isManifest(request) ? .whole(200, body: Array(both.utf8)) : nil
        },
        Hostility(testDescription: "a digest that leaves the directory", kind: .invalidContent, words: "lower-case hexadecimal") {
            image, request in
            let text = String(decoding: image.manifest, as: UTF8.self).replacing(
                "\(ContentDigest(of: layer))", with: "sha256:../../../../etc/passwd")
            return isManifest(request) ? .whole(200, body: Array(text.utf8)) : nil
        },
        Hostility(testDescription: "an error of its own", kind: .registryUnavailable, words: "500") { _, request in
            isManifest(request) ? .whole(500) : nil
        },
        Hostility(testDescription: "no such image", kind: .notFound, words: "no such image") { _, request in
            isManifest(request) ? .whole(404) : nil
        },
        Hostility(testDescription: "nobody is let in", kind: .unauthorized, words: "not permitted") { _, _ in
            .whole(401, headers: [("WWW-Authenticate", "Basic realm=\"x\"")])
        },
    ]

    @Test("a hostile registry is refused with the reason, and no image is visible", arguments: hostilities)
    func refused(_ hostility: Hostility) async throws {
        let image = try TestImage(layers: [Self.layer])
        let registry = try await TestRegistry.start { hostility.answer(image, $0) ?? image.answer($0) }
        let bench = try PullBench()
        let client = try bench.client(registry) {
            $0.limits.silenceSeconds = 1
            $0.limits.attempts = 2
        }
        let error = await bench.failure("\(registry.host)/app:1", client)
        #expect(error?.kind == hostility.kind, "\(String(describing: error))")
        #expect(error?.message.contains(hostility.words) == true, "\(String(describing: error))")
        #expect(try bench.store.references.all().isEmpty)
        #expect(!bench.store.blobs.contains(ContentDigest(of: Self.layer)))
        await client.shutdown()
        await registry.stop()
    }

    @Test("a spoilt beginning of an earlier try costs one more fetch and no more")
    func spoiltBeginning() async throws {
        let image = try TestImage(layers: [Self.layer])
        let registry = try await TestRegistry.start { image.answer($0) }
        let bench = try PullBench()
        if case .ingest(let ingest) = try bench.store.blobs.beginIngest(ContentDigest(of: Self.layer), size: 300_000) {
            try TestImage.bytes(1_000, seed: 77).withUnsafeBytes { try ingest.append($0) }
        }
        let client = try bench.client(registry)
        _ = try await bench.pull("\(registry.host)/app:1", client)
        #expect(registry.asked(Self.isLayer).count == 2)
        await client.shutdown()
        await registry.stop()
    }

    @Test("a redirect to another host takes the credentials not along")
    func redirectsKeepSecrets() async throws {
        let image = try TestImage(layers: [Self.layer])
        let thief = try await TestRegistry.start { TestImage.blob(Self.layer, $0) }
        let elsewhere = thief.origin
        let registry = try await TestRegistry.start { request in
            guard request.headers.first(name: "Authorization") == "Basic bWU6c2VjcmV0" else {
                return .whole(401, headers: [("WWW-Authenticate", "Basic realm=\"x\"")])
            }
            return Self.isLayer(request)
                ? .whole(307, headers: [("Location", "\(elsewhere)/storage?signature=1")]) : image.answer(request)
        }
        let bench = try PullBench()
        let client = try bench.client(registry)
        let credentials = [
            RegistryCredential(server: "other.example", username: "other", password: "wrong"),
            RegistryCredential(server: registry.host, username: "me", password: "secret"),
        ]
        _ = try await bench.pull("\(registry.host)/app:1", client, credentials: credentials)
        #expect(thief.asked().count == 1)
        #expect(thief.asked().allSatisfy { $0.headers.first(name: "Authorization") == nil })
        #expect(registry.asked().allSatisfy { !($0.headers.first(name: "Authorization") ?? "").contains("b3RoZXI") })
        await client.shutdown()
        await registry.stop()
        await thief.stop()
    }

    @Test("what was promised over TLS is not continued without: neither by a redirect nor by a token server")
    func downgrades() async throws {
        let image = try TestImage(layers: [Self.layer])
        let bench = try PullBench()
        let certificate = try TestCertificate(in: bench.directory)
        let plain = try await TestRegistry.start { image.answer($0) }
        let target = plain.origin
        let redirecting = try await TestRegistry.start(certificate: certificate) {
            Self.isLayer($0) ? .whole(302, headers: [("Location", "\(target)\($0.target)")]) : image.answer($0)
        }
        let asking = try await TestRegistry.start(certificate: certificate) { _ in
            .whole(401, headers: [("WWW-Authenticate", "Bearer realm=\"\(target)/token\",service=\"x\"")])
        }
        for (registry, words) in [(redirecting, "redirects from https"), (asking, "without TLS; refused")] {
            let client = try bench.client(registry, authorityFile: certificate.certificateFile)
            let error = await bench.failure(
                "\(registry.host)/app:1", client,
                credentials: [RegistryCredential(server: "", username: "me", password: "secret")])
            #expect(error?.message.contains(words) == true, "\(String(describing: error))")
            await client.shutdown()
        }
        #expect(plain.asked().isEmpty)
        let stranger = try bench.client(redirecting)
        let error = await bench.failure("\(redirecting.host)/app:1", stranger)
        #expect(
            error?.kind == .registryUnavailable, "an authority that nobody named is not trusted: \(String(describing: error))")
        await stranger.shutdown()
        for registry in [plain, redirecting, asking] { await registry.stop() }
    }

    @Test("an image larger than the limits or the disk is refused before a layer comes")
    func sizes() async throws {
        let image = try TestImage(layers: [Self.layer, TestImage.bytes(5_000)])
        let registry = try await TestRegistry.start { image.answer($0) }
        let bench = try PullBench()
        let tooSmall: [(ImagePullError.Kind, @Sendable (inout RegistryLimits) -> Void)] = [
            (.invalidContent, { $0.layerBytes = 299_999 }), (.invalidContent, { $0.imageBytes = 300_001 }),
            (.noSpace, { $0.reservedDiskBytes = 1 << 60 }),
        ]
        for (kind, change) in tooSmall {
            let client = try bench.client(registry) { change(&$0.limits) }
            #expect(await bench.failure("\(registry.host)/app:1", client)?.kind == kind)
            await client.shutdown()
        }
        #expect(registry.asked(Self.isLayer).isEmpty)
        await registry.stop()
    }

    @Test("a pull that takes too long ends, and a cancelled one at once")
    func deadlines() async throws {
        let image = try TestImage(layers: [Self.layer])
        let registry = try await TestRegistry.start { Self.isLayer($0) ? .silent : image.answer($0) }
        let bench = try PullBench()
        let client = try bench.client(registry) { $0.limits.pullSeconds = 1 }
        let error = await bench.failure("\(registry.host)/app:1", client)
        #expect(error?.message.contains("longer than 1 s") == true, "\(String(describing: error))")
        let patient = try bench.client(registry)
        let pull = Task { await bench.failure("\(registry.host)/app:1", patient) }
        pull.cancel()
        #expect(await pull.value != nil)
        await client.shutdown()
        await patient.shutdown()
        await registry.stop()
    }
}
