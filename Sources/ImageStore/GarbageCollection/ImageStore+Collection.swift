// What nothing refers to any more goes: blobs, unpacked layers, what crashes left.

/// What a collection removed.
public struct ImageCollection: Sendable, Hashable {
    public var images: [ImageReference] = []
    public var blobs = 0
    public var layers = 0
    /// About: a layer counts with the size of its archive.
    public var freedBytes: Int64 = 0

    public init() {}
}

extension ImageStore {
    /// Half downloads that nobody went on with for so long are given up.
    public static let abandonedIngestSeconds: Int64 = 24 * 3600

    /// Removes what no name, no container's root and nobody at work refers to. Roots are the names (`references`) and the prepared roots
    /// (`rootfses`). Throws `busy` while anybody pulls, loads or unpacks: nothing of theirs may go, and they may run for long.
    /// `now` in seconds since 1970.
    public func collect(now: Int64) throws(ImageStoreError) -> ImageCollection {
        guard let lock = try lockForCollection() else { throw .busy(directory) }
        defer { withExtendedLifetime(lock) {} }
        try references.change { Self.removeOrphans(&$0) }
        let live = try liveContents()
        var result = ImageCollection()
        for digest in try blobs.digests() where !live.blobs.contains(digest) {
            result.freedBytes += blobs.size(of: digest) ?? 0
            try blobs.remove(digest)
            result.blobs += 1
        }
        for chainID in try layers.chainIDs() where !live.layers.contains(chainID) {
            result.freedBytes += try layers.record(chainID)?.bytes ?? 0
            try layers.remove(chainID)
            result.layers += 1
        }
        try layers.removeUnfinished()
        try LoadingDirectory.removeAbandoned(in: directory)
        result.freedBytes += try blobs.removeAbandonedIngests(olderThan: Self.abandonedIngestSeconds, now: now)
        return result
    }

    /// Removes the names of images that no container uses and that were added more than `age` seconds ago, then collects.
    /// `keeps` spares further ones.
    public func removeUnusedImages(olderThan age: Int64, now: Int64, keeps: (StoredImage) -> Bool = { _ in false })
        throws(ImageStoreError) -> ImageCollection
    {
        let used = try imageIDsInUse()
        var removed: [ImageReference] = []
        try references.change { images in
            images.removeAll { image in
                guard let id = image.id, now - image.added >= age, !keeps(image), !used.contains(id) else { return false }
                removed.append(image.reference)
                return true
            }
        }
        var result = try collect(now: now)
        result.images = removed
        return result
    }

    /// Ids of the images that containers stand on.
    public func imageIDsInUse() throws(ImageStoreError) -> Set<ContentDigest> { Set(try rootfses().map(\.imageID)) }

    /// Signatures travel as images of their own ("sha256-<digits>.sig") and stay as long as what they sign: it may be verified again.
    private static func removeOrphans(_ images: inout [StoredImage]) {
        let present = Set(images.filter { $0.id != nil }.flatMap { [$0.manifest.digest, $0.sourceDigest] })
        images.removeAll { image in
            guard image.id == nil, let tag = image.reference.tag, tag.hasPrefix("sha256-"), let dot = tag.firstIndex(of: ".")
            else { return false }
            guard let signed = ContentDigest("sha256:" + tag[..<dot].dropFirst("sha256-".count)) else { return false }
            return !present.contains(signed)
        }
    }

    private func liveContents() throws(ImageStoreError) -> (blobs: Set<ContentDigest>, layers: Set<ContentDigest>) {
        var live: (blobs: Set<ContentDigest>, layers: Set<ContentDigest>) = ([], [])
        for image in try references.all() {
            live.blobs.formUnion([image.manifest.digest, image.sourceDigest])
            guard
                let manifest = try readable({ () throws(ImageStoreError) in
                    try ImageManifest(parsing: try blobs.contents(image.manifest.digest), subject: image.reference.description)
                })
            else { continue }
            live.blobs.formUnion([manifest.config.digest] + manifest.layers.map(\.digest))
            if let contents = try readable({ () throws(ImageStoreError) in try contents(of: image) }) {
                live.layers.formUnion(LayerChain(diffIDs: contents.config.rootfs.diffIDs).ids)
            }
        }
        for rootfs in try rootfses() { live.layers.formUnion(rootfs.layers) }
        return live
    }

    /// nil for what is damaged, which keeps nothing alive; a disk that does not answer ends the collection instead.
    private func readable<T>(_ body: () throws(ImageStoreError) -> T) throws(ImageStoreError) -> T? {
        do throws(ImageStoreError) { return try body() } catch {
            if case .inputOutput = error { throw error }
            return nil
        }
    }
}
