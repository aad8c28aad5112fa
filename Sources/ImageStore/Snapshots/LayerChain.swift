// The names of unpacked layers: what a layer looks like depends on those below it (OCI image spec, config.md, "Layer ChainID").

/// From the bottom to the top, one for each layer: the digest of it and of all below.
struct LayerChain: Sendable, Hashable {
    let ids: [ContentDigest]

    init(diffIDs: [ContentDigest]) {
        var ids: [ContentDigest] = []
        for diffID in diffIDs {
            ids.append(ids.last.map { ContentDigest(of: Array("\($0) \(diffID)".utf8)) } ?? diffID)
        }
        self.ids = ids
    }
}
