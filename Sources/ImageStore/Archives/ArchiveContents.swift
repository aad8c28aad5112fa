// The files of an image archive by name, wherever in it they stand.
import CLinux
import Glibc

/// All files of a tar (plain, gzip or zstd) on disk, links followed inside the archive.
struct ArchiveContents {
    /// Files that an image archive may hold: blobs of some images.
    private static let maximumFiles = 10_000
    /// "a links to b, which links to c": builders write one step.
    private static let maximumLinks = 8

    let subject: String
    private let directory: LoadingDirectory
    private var files: [EntryPath: LoadingDirectory.File] = [:]
    private var links: [EntryPath: EntryPath] = [:]

    /// Reads from the descriptor's present place to its end; the descriptor stays the caller's.
    init(fd: Int32, subject: String, in directory: LoadingDirectory, limits: ExtractionLimits) throws(ImageStoreError) {
        self.subject = subject
        self.directory = directory
        var limits = limits
        limits.entries = Self.maximumFiles
        // Layers inside are compressed already or not at all; blobs of zeros may well be.
        let stream = try ArchiveStream(subject: subject, limits: limits, isHashed: false) { (buffer) throws(ImageStoreError) in
            try Self.read(fd, into: buffer, subject)
        }
        let entries = try ArchiveEntries({ () throws(ImageStoreError) in try stream.next() }, subject: subject, limits: limits)
        while let entry = try entries.next() {
            switch entry.kind {
            case .directory: continue
            case .file:
                files[entry.path] = try directory.file { write throws(ImageStoreError) in
                    var end: Int64 = 0
                    try entries.data { (piece, offset) throws(ImageStoreError) in
                        guard offset == end else {
                            throw .invalid(
                                file: subject, field: entry.path.text, reason: "a sparse file is no part of an image archive")
                        }
                        try write(piece)
                        end += Int64(piece.count)
                    }
                }
            case .symbolicLink(let target): links[entry.path] = Self.resolve(target, from: entry.path)
            case .hardLink(let target): links[entry.path] = target
            case .fifo, .device: throw .invalid(file: subject, field: entry.path.text, reason: "it is neither file nor link")
            }
        }
        try stream.drain()
    }

    /// nil when there is none of that name.
    func file(_ name: String) throws(ImageStoreError) -> LoadingDirectory.File? {
        var path: EntryPath
        do { path = try EntryPath(Array(name.utf8), maximumDepth: 64) } catch {
            throw .invalid(file: subject, field: name, reason: error.reason)
        }
        for _ in 0..<Self.maximumLinks {
            if let file = files[path] { return file }
            guard let target = links[path] else { return nil }
            path = target
        }
        throw .invalid(file: subject, field: name, reason: "more than \(Self.maximumLinks) links behind each other")
    }

    func required(_ name: String, as field: String) throws(ImageStoreError) -> LoadingDirectory.File {
        guard let file = try file(name) else {
            throw .invalid(file: subject, field: field, reason: "names \(name.prefix(200)), which the archive lacks")
        }
        return file
    }

    func bytes(_ name: String, maximumBytes: Int) throws(ImageStoreError) -> [UInt8]? {
        guard let file = try file(name) else { return nil }
        return try LoadingDirectory.contents(file, maximumBytes: maximumBytes)
    }

    /// A link's target inside the archive; a link that leads out leads nowhere.
    private static func resolve(_ target: [UInt8], from path: EntryPath) -> EntryPath {
        var place = target.first == UInt8(ascii: "/") ? EntryPath.root : path.parent
        for part in target.split(separator: UInt8(ascii: "/")) where !part.elementsEqual([46]) {
            place = part.elementsEqual([46, 46]) ? place.parent : place.appending(part)
        }
        return place
    }

    static func read(_ fd: Int32, into buffer: UnsafeMutableRawBufferPointer, _ subject: String) throws(ImageStoreError) -> Int {
        while true {
            let count = Glibc.read(fd, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .inputOutput(file: subject, operation: "read", errno: errno) }
            return count
        }
    }
}
