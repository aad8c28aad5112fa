// An image of one layer from a plain tar of a file tree, as `docker import` makes it.

extension ImageStore {
    /// Takes a tar (plain, gzip or zstd) in as the only layer of a new image. Its entries are checked when it is unpacked, its form now.
    public func importTree(
        fd: Int32, subject: String, name: ImageReference, process: ImageConfig.Process = .init(),
        platform: ImagePlatform = .current, now: Int64
    ) throws(ImageStoreError) -> StoredImage {
        let lock = try holdContents()
        defer { withExtendedLifetime(lock) {} }
        let directory = try LoadingDirectory(in: directory)
        let file = try directory.file { write throws(ImageStoreError) in
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
            defer { buffer.deallocate() }
            while true {
                let count = try ArchiveContents.read(fd, into: buffer, subject)
                if count == 0 { return }
                try write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
        try blobs.adopt(file)
        let reader = try blobs.reader(file.digest)
        let stream = try ArchiveStream(subject: subject, limits: extractionPolicy.limits) { (buffer) throws(ImageStoreError) in
            try reader.read(into: buffer)
        }
        let entries = try ArchiveEntries(
            { () throws(ImageStoreError) in try stream.next() }, subject: subject, limits: extractionPolicy.limits)
        while try entries.next() != nil {}
        try stream.drain()
        let config = try ImageDocument.encode(
            ImageConfig(platform: platform, diffIDs: [stream.diffID], process: process), subject)
        let configDescriptor = Descriptor(
            mediaType: MediaType.ociConfig, digest: try blobs.add(config), size: Int64(config.count))
        let layer = Descriptor(mediaType: stream.compression.ociMediaType, digest: file.digest, size: file.size)
        let manifest = try ImageDocument.encode(ImageManifest(config: configDescriptor, layers: [layer]), subject)
        let descriptor = Descriptor(
            mediaType: MediaType.ociManifest, digest: try blobs.add(manifest), size: Int64(manifest.count))
        let image = StoredImage(reference: name, manifest: descriptor, id: configDescriptor.digest, added: now)
        try references.set(image)
        return image
    }
}
