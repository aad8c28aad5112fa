// Obeys a layer's archive inside a root: what it says becomes so there, and nothing is touched elsewhere.
import CLinux
import Glibc

/// One layer onto one root, which holds the layers below already (a mounted overlay, or a plain directory): whiteouts remove what is
/// there, directories that are there keep what the archive does not say of them. Serves one thread, once.
final class LayerExtractor {
    let root: TreeRoot
    let subject: String
    let policy: ExtractionPolicy
    /// Nothing below: whiteouts have nothing to hide.
    let isFirst: Bool
    /// What this very layer put there, with the directories above: its own whiteouts do not hide it.
    private var own: Set<EntryPath> = []
    /// Directories' times, set at the end: what is put into a directory changes them.
    private var directoryTimes: [EntryPath: (seconds: Int, nanoseconds: Int)] = [:]

    /// `root` is where "/" of the image is. `subject` is the layer, for errors.
    init(root: TreeRoot, subject: String, policy: ExtractionPolicy, isFirst: Bool) {
        self.root = root
        self.subject = subject
        self.policy = policy
        self.isFirst = isFirst
        // A new root directory has no time of its own: equal archives are equal trees, whenever they were unpacked.
        if isFirst { directoryTimes[.root] = (0, 0) }
    }

    func extract(_ entries: ArchiveEntries) throws(ImageStoreError) {
        while let entry = try entries.next() {
            if let whiteout = try whiteout(entry.path) {
                try apply(whiteout)
            } else {
                try place(entry, entries)
            }
        }
        try setDirectoryTimes()
    }

    func refused(_ path: EntryPath, _ reason: String) -> ImageStoreError {
        .invalid(file: subject, field: path.text, reason: reason)
    }

    // MARK: - Whiteouts

    private func whiteout(_ path: EntryPath) throws(ImageStoreError) -> Whiteout? {
        do { return try Whiteout(path) } catch { throw refused(path, error.reason) }
    }

    private func apply(_ whiteout: Whiteout) throws(ImageStoreError) {
        guard !isFirst else { return }
        switch whiteout {
        case .bookkeeping: return
        case .opaque(let path): try hideContents(of: path)
        case .of(let path):
            if own.contains(path) { return try hideContents(of: path) }
            guard let parent = try root.directory(path.parent) else { return }
            var facts = stat()
            guard fstatat(parent, path.kernelName, &facts, AT_SYMLINK_NOFOLLOW) == 0 else { return }
            try remember(path.parent, parent)
            try TreeRemoval.remove(path.kernelName, in: parent, subject: "\(subject): \(path.text)")
        }
    }

    /// What layers below have in that directory goes; what this one put there stays.
    private func hideContents(of path: EntryPath) throws(ImageStoreError) {
        // Not through a link: it would be another directory's contents.
        guard let facts = try root.facts(path), facts.st_mode & FileType.mask == FileType.directory,
            let directory = try root.directory(path)
        else { return }
        try remember(path, directory)
        for name in try TreeRemoval.names(in: directory, subject: "\(subject): \(path.text)") {
            let child = path.appending(name.dropLast().map { UInt8(bitPattern: $0) })
            if own.contains(child) {
                try hideContents(of: child)
            } else if let directory = try root.directory(path) {
                try TreeRemoval.remove(name, in: directory, subject: "\(subject): \(child.text)")
            }
        }
    }

    // MARK: - Entries

    private func place(_ entry: LayerEntry, _ entries: ArchiveEntries) throws(ImageStoreError) {
        if entry.path.isRoot {
            guard entry.kind == .directory else { throw refused(entry.path, "the image's root is no directory in this layer") }
        }
        let parent = try root.makeDirectory(entry.path.parent) { made in
            directoryTimes[made] = (0, 0)
            claim(made)
        }
        try remember(entry.path.parent, parent)
        switch entry.kind {
        case .directory: try placeDirectory(entry, in: parent)
        case .file(let size): try placeFile(entry, size, in: parent, entries)
        case .symbolicLink(let target): try placeSymbolicLink(entry, target, in: parent)
        case .hardLink(let target): try placeHardLink(entry, target, in: parent)
        case .fifo: try placeNode(entry, FileType.fifo, 0, in: parent)
        case .device(let isBlock, let major, let minor): try placeDevice(entry, isBlock, major, minor, in: parent)
        }
        claim(entry.path)
    }

    /// Makes something under the entry's name, in the place of what has it.
    func make(_ entry: LayerEntry, in parent: Int32, _ operation: String, _ body: (_ name: [CChar]) -> Int32)
        throws(ImageStoreError) -> Int32
    {
        let name = entry.path.kernelName
        var result = body(name)
        if result < 0, errno == EEXIST {
            try TreeRemoval.remove(name, in: parent, subject: "\(subject): \(entry.path.text)")
            result = body(name)
        }
        guard result >= 0 else { throw failure(operation, entry) }
        return result
    }

    func failure(_ operation: String, _ entry: LayerEntry) -> ImageStoreError {
        .inputOutput(file: "\(subject): \(entry.path.text)", operation: operation, errno: errno)
    }

    private func claim(_ path: EntryPath) {
        guard !isFirst else { return }
        var path = path
        while own.insert(path).inserted, !path.isRoot { path = path.parent }
    }

    // MARK: - Directories' times

    /// Before the first change in a directory: its time, unless the archive says (or said) one.
    private func remember(_ path: EntryPath, _ directory: Int32) throws(ImageStoreError) {
        guard directoryTimes[path] == nil else { return }
        var facts = stat()
        guard fstatat(directory, ".", &facts, 0) == 0 else { throw root.failure("stat", path) }
        directoryTimes[path] = (facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec)
    }

    func setTimeAtEnd(_ entry: LayerEntry) { directoryTimes[entry.path] = (entry.seconds, entry.nanoseconds) }

    private func setDirectoryTimes() throws(ImageStoreError) {
        for (path, time) in directoryTimes {
            // Gone again, or another thing's name by now.
            guard let directory = try root.directory(path) else { continue }
            let moment = timespec(tv_sec: time.seconds, tv_nsec: time.nanoseconds)
            guard utimensat(directory, ".", [moment, moment], 0) == 0 else { throw root.failure("utimensat", path) }
        }
    }
}
