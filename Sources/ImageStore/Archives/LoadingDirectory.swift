// Where an archive's files lie until it is known what they are: an archive may name its contents last.
import CLinux
import Glibc

/// Goes with its last reference; what a crash left goes with the next collection.
final class LoadingDirectory {
    private static let prefix = ".loading-"

    struct File: Hashable {
        var path: String
        var digest: ContentDigest
        var size: Int64
    }

    private let path: String
    private var count = 0

    /// Below the store's directory, so that files move into it by rename.
    init(in directory: String) throws(ImageStoreError) {
        var template = Array("\(directory)/\(Self.prefix)XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw .inputOutput(file: directory, operation: "mkdtemp", errno: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? TreeRemoval.remove(path) }

    /// A new file with what `fill` writes by the closure that it is given.
    func file(_ fill: ((UnsafeRawBufferPointer) throws(ImageStoreError) -> Void) throws(ImageStoreError) -> Void)
        throws(ImageStoreError) -> File
    {
        count += 1
        let name = "\(path)/\(count)"
        let file = clinux_open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw .inputOutput(file: name, operation: "create", errno: errno) }
        defer { close(file) }
        var running = RunningDigest(.sha256)
        var size: Int64 = 0
        try fill { (piece) throws(ImageStoreError) in
            var done = 0
            while done < piece.count {
                let written = Glibc.write(file, piece.baseAddress?.advanced(by: done), piece.count - done)
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { throw .inputOutput(file: name, operation: "write", errno: errno) }
                done += written
            }
            running.update(piece)
            size += Int64(piece.count)
        }
        return File(path: name, digest: running.finish(), size: size)
    }

    static func contents(_ file: File, maximumBytes: Int) throws(ImageStoreError) -> [UInt8] {
        guard let bytes = try DurableFile.contents(file.path, maximumBytes: maximumBytes) else { throw .notFound(file.path) }
        return bytes
    }

    /// The caller holds the store's exclusive lock: nobody is loading.
    static func removeAbandoned(in directory: String) throws(ImageStoreError) {
        let opened = clinux_open(directory, clinux_o_path | O_DIRECTORY | O_CLOEXEC, 0)
        guard opened >= 0 else { throw .inputOutput(file: directory, operation: "open", errno: errno) }
        defer { close(opened) }
        for name in try TreeRemoval.names(in: opened, subject: directory) where name.starts(with: prefix.utf8CString.dropLast()) {
            try TreeRemoval.remove(name, in: opened, subject: directory)
        }
    }
}

extension BlobStore {
    /// Takes a file of this file system in under the digest that was made of it; it keeps its own name too.
    func adopt(_ file: LoadingDirectory.File) throws(ImageStoreError) {
        // Another blob of the archive may have been the same content.
        guard size(of: file.digest) != file.size else { return }
        let opened = clinux_open(file.path, O_RDONLY | O_CLOEXEC, 0)
        guard opened >= 0 else { throw .inputOutput(file: file.path, operation: "open", errno: errno) }
        defer { close(opened) }
        guard fsync(opened) == 0 else { throw .inputOutput(file: file.path, operation: "fsync", errno: errno) }
        let target = path(of: file.digest)
        // A content of another size under this name is damaged.
        if access(target, F_OK) == 0 { unlink(target) }
        guard link(file.path, target) == 0 || errno == EEXIST else {
            throw .inputOutput(file: target, operation: "link", errno: errno)
        }
        try DurableFile.synchronizeDirectory("\(directory)/blobs/\(file.digest.algorithm.rawValue)")
    }
}
