// An image's layers: several on their way at once, and unpacked from the bottom to the top as they come.
import ImageStore

extension ImagePull {
    /// `layers`: from the bottom to the top. Throws what download or unpacking throw; the other of the two ends then as well.
    func fetch(_ layers: [Descriptor], of contents: ImageContents, _ source: RegistryClient.Source, _ reference: ImageReference)
        async throws
    {
        // Only the newest number counts: whoever unpacks takes all that have come meanwhile.
        let (numbers, arrived) = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .bufferingNewest(1))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await unpackWhatComes(numbers, contents, reference) }
            group.addTask {
                defer { arrived.finish() }
                try await download(layers, source, reference) { arrived.yield($0) }
            }
            // An error of one leaves here, which ends the other.
            while try await group.next() != nil {}
        }
    }

    private func unpackWhatComes(_ numbers: AsyncStream<Int>, _ contents: ImageContents, _ reference: ImageReference) async throws
    {
        guard let unpack else { return }
        for await number in numbers {
            try Task.checkCancellation()
            try await unpack(contents, number, reference.description)
            report(.unpacked(layers: number))
        }
    }

    /// `arrived` is told how many layers are here, without a gap, from the bottom.
    private func download(
        _ layers: [Descriptor], _ source: RegistryClient.Source, _ reference: ImageReference, arrived: (Int) -> Void
    ) async throws {
        // An image may have the same layer twice.
        var seen: Set<ContentDigest> = []
        var waiting = layers.filter { seen.insert($0.digest).inserted }.makeIterator()
        var here: Set<ContentDigest> = []
        try await withThrowingTaskGroup(of: ContentDigest.self) { group in
            func begin() {
                guard let layer = waiting.next() else { return }
                group.addTask {
                    try await fetch(layer, source, reference)
                    return layer.digest
                }
            }
            for _ in 0..<max(1, client.settings.limits.parallelLayers) { begin() }
            while let digest = try await group.next() {
                here.insert(digest)
                arrived(layers.prefix { here.contains($0.digest) }.count)
                begin()
            }
        }
    }

    func fetch(_ blob: Descriptor, _ source: RegistryClient.Source, _ reference: ImageReference) async throws {
        let report = report
        let download = BlobDownload(
            client: client, store: store.blobs, reference: reference, source: source, descriptor: blob, credentials: credentials,
            report: { report(.progress(blob.digest, bytes: $0)) })
        let came = try await download.run()
        report(.layer(blob.digest, wasHere: !came))
    }
}
