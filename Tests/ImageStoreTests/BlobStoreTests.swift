// Contents by digest: there as a whole or not at all.
import Glibc
import ImageStore
import Testing

@Suite struct BlobStoreTests {
    private static let content = [UInt8]("what an image is made of".utf8)
    private static let digest = ContentDigest(of: content)

    private func ingest(_ store: BlobStore, size: Int = content.count) throws -> BlobIngest {
        guard case .ingest(let ingest) = try store.beginIngest(Self.digest, size: Int64(size)) else {
            throw ImageStoreError.busy("expected an ingest")
        }
        return ingest
    }

    private func append(_ bytes: some Sequence<UInt8>, to ingest: BlobIngest) throws {
        try Array(bytes).withUnsafeBytes { try ingest.append($0) }
    }

    @Test("a content is there after commit and not before")
    func commit() throws {
        let state = try StoreStage()
        defer { withExtendedLifetime(state) {} }
        let store = try BlobStore(directory: state.path)
        let ingest = try ingest(store)
        try append(Self.content, to: ingest)
        #expect(!store.contains(Self.digest))
        try ingest.commit()
        #expect(try store.contents(Self.digest) == Self.content)
        guard case .present = try store.beginIngest(Self.digest, size: Int64(Self.content.count)) else {
            Issue.record("what is here is not brought in again")
            return
        }
    }

    @Test("of two who bring one content in at a time, one is told to wait")
    func once() throws {
        let state = try StoreStage()
        defer { withExtendedLifetime(state) {} }
        let (one, two) = (try BlobStore(directory: state.path), try BlobStore(directory: state.path))
        do {
            let first = try ingest(one)
            guard case .busy = try two.beginIngest(Self.digest, size: Int64(Self.content.count)) else {
                Issue.record("two at once")
                return
            }
            try append(Self.content.prefix(5), to: first)
        }
        // The first gave up: the second goes on where it stopped.
        let second = try ingest(two)
        #expect(second.offset == 5)
        try append(Self.content.dropFirst(5), to: second)
        try second.commit()
        #expect(try one.contents(Self.digest) == Self.content)
    }

    @Test("another content, a shorter and a longer one are refused and never seen")
    func wrong() throws {
        let state = try StoreStage()
        defer { withExtendedLifetime(state) {} }
        let store = try BlobStore(directory: state.path)
        var ingest = try ingest(store)
        try append(Self.content.dropLast(), to: ingest)
        #expect(throws: ImageStoreError.sizeMismatch(subject: "blob \(Self.digest)", expected: 24, found: 23)) {
            try ingest.commit()
        }
        #expect(throws: ImageStoreError.self) { try append("xy".utf8, to: ingest) }
        try append("x".utf8, to: ingest)
        #expect {
            try ingest.commit()
        } throws: {
            if case .digestMismatch(_, Self.digest, _)? = $0 as? ImageStoreError { true } else { false }
        }
        #expect(ingest.offset == 0, "what was wrong is not built upon")
        ingest.discard()
        ingest = try self.ingest(store)
        try append(Self.content, to: ingest)
        try ingest.commit()
        #expect(store.contains(Self.digest))
    }

    @Test("a content that changed on the disk is told at reading")
    func corrupted() throws {
        let state = try StoreStage()
        defer { withExtendedLifetime(state) {} }
        let store = try BlobStore(directory: state.path)
        try store.add(Self.content)
        let file = fopen(store.path(of: Self.digest), "r+")
        fputc(0, file)
        fclose(file)
        #expect(throws: ImageStoreError.self) { try store.contents(Self.digest) }
        #expect(throws: ImageStoreError.self) { try store.reader(Self.digest).verifyRest() }
    }

    @Test("one name has one image; a crash's half file is no name")
    func references() throws {
        let state = try StoreStage()
        defer { withExtendedLifetime(state) {} }
        let store = try ImageStore(stateDirectory: state.path)
        let (one, two) = try (ImageReference("a:1"), ImageReference("a:2"))
        func image(_ reference: ImageReference, _ content: String) -> StoredImage {
            let digest = ContentDigest(of: Array(content.utf8))
            return StoredImage(
                reference: reference, manifest: Descriptor(mediaType: MediaType.ociManifest, digest: digest, size: 1), id: digest,
                added: 7)
        }
        try store.references.set(image(one, "x"))
        try store.references.set(image(two, "x"))
        try store.references.set(image(one, "y"))
        let again = try ImageStore(stateDirectory: state.path)
        #expect(try again.references.all() == [image(one, "y"), image(two, "x")])
        #expect(try again.references.remove(one))
        #expect(try !again.references.remove(one))
        #expect(try store.references.all() == [image(two, "x")], "another process's change is seen")
        #expect(try store.image(named: ContentDigest(of: Array("x".utf8)).short) == image(two, "x"))
    }

    @Test("concurrent names are all kept")
    func concurrentReferences() async throws {
        let state = try StoreStage()
        defer { withExtendedLifetime(state) {} }
        let path = state.path
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<16 {
                group.addTask {
                    let store = try ImageStore(stateDirectory: path)
                    let digest = ContentDigest(of: [UInt8(number)])
                    try store.references.set(
                        StoredImage(
                            reference: try ImageReference("a:\(number)"),
                            manifest: Descriptor(mediaType: MediaType.ociManifest, digest: digest, size: 1), id: digest, added: 0)
                    )
                }
            }
            try await group.waitForAll()
        }
        #expect(try ImageStore(stateDirectory: path).references.all().count == 16)
    }
}
