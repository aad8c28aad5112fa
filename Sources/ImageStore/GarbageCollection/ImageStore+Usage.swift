// What the images take on the disk, without walking their files.

extension ImageStore {
    /// Blobs as they lie there, and unpacked layers as they were counted when they were unpacked.
    public func usage() throws(ImageStoreError) -> (bytes: Int64, inodes: Int64) {
        var (bytes, inodes): (Int64, Int64) = (0, 0)
        for digest in try blobs.digests() {
            bytes += blobs.size(of: digest) ?? 0
            inodes += 1
        }
        for chainID in try layers.chainIDs() {
            guard let record = try layers.record(chainID) else { continue }
            bytes += record.bytes
            inodes += Int64(record.entries)
        }
        return (bytes, inodes)
    }
}
