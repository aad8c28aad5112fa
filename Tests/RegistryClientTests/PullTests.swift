// Pulling from a registry that behaves.
import ImageStore
import JSON
import RegistryClient
import RuntimeInterface
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(2))) struct PullTests {
    @Test("a pulled image is there under its full name, its id, its digest and the beginning of its id")
    func pulledImageIsFound() async throws {
        let image = try TestImage(layers: [TestImage.bytes(100_000), TestImage.bytes(3_000, seed: 2)])
        let registry = try await TestRegistry.start { image.answer($0) }
        let bench = try PullBench()
        let client = try bench.client(registry)
        let stored = try await bench.pull("\(registry.host)/app:1", client)
        #expect(stored.id == ContentDigest(of: image.config))
        #expect(stored.repositoryDigest == "\(registry.host)/app@\(image.digest)")
        for name in [
            "\(registry.host)/app:1", "\(registry.host)/app@\(image.digest)", "\(ContentDigest(of: image.config))",
            ContentDigest(of: image.config).short,
        ] {
            #expect(try bench.store.image(named: name) == stored, "\(name)")
        }
        let contents = try bench.store.contents(of: stored)
        for (layer, bytes) in zip(contents.manifest.layers, image.layers) {
            #expect(try bench.store.blobs.contents(layer.digest) == bytes)
        }
        await client.shutdown()
        await registry.stop()
    }

    @Test("what is here is not fetched again: not by a second pull, and not by two at once")
    func layersComeOnce() async throws {
        let image = try TestImage(layers: (1...4).map { TestImage.bytes(200_000, seed: $0) })
        let registry = try await TestRegistry.start { image.answer($0, tags: ["1", "2"]) }
        let bench = try PullBench()
        let client = try bench.client(registry)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for tag in ["1", "2", "1", "2"] { group.addTask { _ = try await bench.pull("\(registry.host)/app:\(tag)", client) } }
            try await group.waitForAll()
        }
        for layer in image.layers {
            let path = "/v2/app/blobs/\(ContentDigest(of: layer))"
            #expect(registry.asked { $0.path == path }.count == 1)
        }
        let waits = Mutex(0)
        _ = try await bench.pull("\(registry.host)/app:1", client) { event in
            if case .layer(_, wasHere: true) = event { waits.withLock { $0 += 1 } }
        }
        #expect(waits.withLock { $0 } == 5)
        await client.shutdown()
        await registry.stop()
    }

    @Test("of an index the image for this platform comes, and is known by the index's digest too")
    func indexByPlatform() async throws {
        let other = try TestImage(layers: [TestImage.bytes(10)], architecture: "s390x")
        let image = try TestImage(layers: [TestImage.bytes(20)])
        let entries = [("s390x", other), (ImagePlatform.current.architecture, image)].map { architecture, image in
            Descriptor(
                mediaType: MediaType.ociManifest, digest: image.digest, size: Int64(image.manifest.count),
                platform: ImagePlatform(architecture: architecture))
        }
        let index = try JSON.encode(ImageIndex(manifests: entries))
        let foreign = try JSON.encode(ImageIndex(manifests: [entries[0]]))
        let registry = try await TestRegistry.start { image.answer($0, tags: [], more: ["multi": index, "foreign": foreign]) }
        let bench = try PullBench()
        let client = try bench.client(registry)
        let stored = try await bench.pull("\(registry.host)/app:multi", client)
        #expect(stored.manifest.digest == image.digest)
        #expect(stored.sourceDigest == ContentDigest(of: index))
        #expect(try bench.store.image(named: "\(registry.host)/app@\(ContentDigest(of: index))") == stored)
        let error = await bench.failure("\(registry.host)/app:foreign", client)
        #expect(error?.message.contains("there are linux/s390x") == true, "\(String(describing: error))")
        await client.shutdown()
        await registry.stop()
    }

    @Test("a layer that breaks off goes on where it stopped")
    func resumes() async throws {
        let image = try TestImage(layers: [TestImage.bytes(3_000_000)])
        let layer = image.layers[0]
        let breaks = Mutex(0)
        let registry = try await TestRegistry.start { request in
            guard request.path.hasSuffix("\(ContentDigest(of: layer))") else { return image.answer(request) }
            let start = request.headers.first(name: "Range").flatMap { Int($0.dropFirst(6).dropLast()) } ?? 0
            let count = breaks.withLock { count in
                count += 1
                return count
            }
            if count > 3 { return TestImage.blob(layer, request) }
            let headers = [
                ("Content-Length", "\(layer.count - start)"),
                ("Content-Range", "bytes \(start)-\(layer.count - 1)/\(layer.count)"),
            ]
            return .broken(start > 0 ? 206 : 200, headers: headers, body: Array(layer[start..<min(start + 700_000, layer.count)]))
        }
        let bench = try PullBench()
        let client = try bench.client(registry)
        let stored = try await bench.pull("\(registry.host)/app:1", client)
        #expect(try bench.store.blobs.contents(try bench.store.contents(of: stored).manifest.layers[0].digest) == layer)
        let starts = registry.asked { $0.path.hasSuffix("\(ContentDigest(of: layer))") }.map {
            $0.headers.first(name: "Range") ?? ""
        }
        #expect(starts.count == 4)
        #expect(starts.dropFirst().allSatisfy { !$0.isEmpty })
        await client.shutdown()
        await registry.stop()
    }

    @Test("layers are unpacked from the bottom as they come, and the image has its name when all of them are")
    func unpackedOnTheWay() async throws {
        let image = try TestImage(layers: (1...4).map { TestImage.bytes(300_000, seed: $0) })
        let registry = try await TestRegistry.start { image.answer($0) }
        let bench = try PullBench()
        let client = try bench.client(registry)
        let numbers = Mutex<[Int]>([])
        let name = "\(registry.host)/app:1"
        let unpack: ImagePull.Unpack = { contents, layers, _ in
            for layer in contents.manifest.layers.prefix(layers) { #expect(bench.store.blobs.contains(layer.digest)) }
            let isThere = try bench.store.image(named: name) != nil
            #expect(!isThere)
            numbers.withLock { $0.append(layers) }
        }
        _ = try await ImagePull(client: client, store: bench.store, unpack: unpack).run(name)
        let told = numbers.withLock { $0 }
        #expect(told.last == 4)
        #expect(told == told.sorted())
        #expect(try bench.store.image(named: name) != nil)
        await client.shutdown()
        await registry.stop()
    }

    @Test("an image with a layer that cannot be unpacked gets no name, and the pull says why")
    func unpackFails() async throws {
        let image = try TestImage(layers: [TestImage.bytes(1_000), TestImage.bytes(2_000)])
        let registry = try await TestRegistry.start { image.answer($0) }
        let bench = try PullBench()
        let client = try bench.client(registry)
        let name = "\(registry.host)/app:1"
        let unpack: ImagePull.Unpack = { _, _, subject in
            throw ImageStoreError.invalid(file: subject, field: "./usr", reason: "it is no tar")
        }
        let pull = ImagePull(client: client, store: bench.store, unpack: unpack)
        let error = await #expect(throws: ImagePullError.self) { try await pull.run(name) }
        #expect(error?.kind == .invalidContent)
        #expect(error?.message.contains("it is no tar") == true, "\(String(describing: error))")
        #expect(try bench.store.image(named: name) == nil)
        await client.shutdown()
        await registry.stop()
    }

    @Test("a mirror is asked first, and the registry itself when the mirror has it not or is not there")
    func mirrors() async throws {
        let image = try TestImage(layers: [TestImage.bytes(1_000)])
        let registry = try await TestRegistry.start { image.answer($0) }
        let mirror = try await TestRegistry.start { $0.path.hasSuffix("/2") ? .whole(404) : image.answer($0) }
        let bench = try PullBench()
        let client = try bench.client(registry) { $0.hosts[0].mirrors = ["http://127.0.0.1:1", mirror.origin] }
        _ = try await bench.pull("\(registry.host)/app:1", client)
        #expect(registry.asked().isEmpty)
        #expect(await bench.failure("\(registry.host)/app:2", client)?.kind == .notFound)
        #expect(!registry.asked().isEmpty)
        await client.shutdown()
        await registry.stop()
        await mirror.stop()
    }

    @Test("names without a registry are of the default registry")
    func defaultRegistry() async throws {
        let image = try TestImage(layers: [TestImage.bytes(1_000)])
        let registry = try await TestRegistry.start { image.answer($0) }
        let bench = try PullBench()
        let client = try bench.client(registry) { $0.defaultRegistry = $0.hosts[0].registry }
        let stored = try await bench.pull("app:1", client)
        #expect(stored.reference.description == "\(registry.host)/app:1")
        #expect(try bench.store.image(named: "app:1", defaultRegistry: registry.host) == stored)
        await client.shutdown()
        await registry.stop()
    }

    @Test("a proxy is asked for what is not on this machine")
    func proxy() async throws {
        let image = try TestImage(layers: [TestImage.bytes(1_000)])
        let registry = try await TestRegistry.start { image.answer($0) }
        let proxy = try await TestRegistry.start { _ in .whole(403) }
        let bench = try PullBench()
        let client = try bench.client(registry) {
            $0.hosts = [RegistryHost(registry: registry.host, endpoint: registry.origin)]
            $0.proxy = "http://me:secret@\(proxy.host)"
            $0.noProxy = [".inside.example"]
        }
        #expect(await bench.failure("registry.example/app:1", client)?.kind == .registryUnavailable)
        #expect(proxy.asked().first?.method == "CONNECT")
        #expect(proxy.asked().first?.target == "registry.example:443")
        #expect(proxy.asked().first?.headers.first(name: "Proxy-Authorization") == "Basic bWU6c2VjcmV0")
        let count = proxy.asked().count
        _ = try await bench.pull("\(registry.host)/app:1", client)
        #expect(await bench.failure("registry.inside.example/app:1", client)?.kind == .registryUnavailable)
        #expect(proxy.asked().count == count)
        await client.shutdown()
        await registry.stop()
        await proxy.stop()
    }
}
