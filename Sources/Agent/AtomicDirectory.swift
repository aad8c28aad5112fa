// Writes a volume's files so that a reader sees all of the old ones or all of the new ones, in the layout of a kubelet
// (`AtomicLayout`). Everything here blocks.
import AgentCore
import Glibc

struct AtomicDirectory {
    /// Generations that are kept where a container mounted a part of one (subPath): it keeps what it has.
    static let keptGenerations = 16

    let path: String
    /// Group that every file gets, as the container counts; nil: root's.
    let group: Int64?
    let keepsGenerations: Bool

    /// True when anything changed.
    @discardableResult
    func replace(with payload: VolumePayload) throws -> Bool {
        try DiskFiles.makeDirectory(path, mode: 0o755)
        let old = try? DiskFiles.linkTarget("\(path)/\(AtomicLayout.dataLink)")
        if let old, holds(payload, "\(path)/\(old)") {
            try link(payload)
            return false
        }
        let generation = try write(payload)
        try DiskFiles.replaceLink("\(path)/\(AtomicLayout.dataLink)", to: generation, by: "\(path)/\(AtomicLayout.newDataLink)")
        try link(payload)
        try removeGenerations(but: generation)
        return true
    }

    // MARK: The files

    private func write(_ payload: VolumePayload) throws -> String {
        var template = Array("\(path)/..g-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw FileError.last("mkdtemp", path) }
        let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // mkdtemp(3) makes it for nobody else.
        guard chmod(directory, 0o755) == 0 else { throw FileError.last("chmod", directory) }
        for file in payload.files {
            let place = "\(directory)/\(file.path)"
            if let slash = file.path.lastIndex(of: "/") {
                try DiskFiles.makeDirectory("\(directory)/\(file.path[..<slash])", mode: 0o755)
            }
            try DiskFiles.create(
                place, file.bytes, mode: mode_t(file.mode), owner: uid_t(clamping: file.owner ?? 0), group: gid_t(clamping: group ?? 0))
        }
        return String(directory.split(separator: "/").last ?? "")
    }

    /// Whether the generation holds exactly these files.
    private func holds(_ payload: VolumePayload, _ directory: String) -> Bool {
        guard DiskFiles.fileCount(below: directory) == payload.files.count else { return false }
        return payload.files.allSatisfy { file in
            var facts = stat()
            guard lstat("\(directory)/\(file.path)", &facts) == 0, facts.st_size == off_t(file.bytes.count) else { return false }
            guard facts.st_mode & 0o7777 == mode_t(file.mode), facts.st_gid == gid_t(clamping: group ?? 0),
                facts.st_uid == uid_t(clamping: file.owner ?? 0)
            else {
                return false
            }
            return (try? DiskFiles.read("\(directory)/\(file.path)")) == file.bytes
        }
    }

    // MARK: The links

    /// Behind the change of `..data`: a link that is there always leads to a file.
    private func link(_ payload: VolumePayload) throws {
        let names = Set(DiskFiles.names(in: path))
        let right = names.filter {
            (try? DiskFiles.linkTarget("\(path)/\($0)")) == "\(AtomicLayout.dataLink)/\($0)" || $0.hasPrefix("..")
        }
        for name in AtomicLayout.links(present: right, wanted: payload.topNames).make {
            // What an agent before this layout left there is a file.
            if !right.contains(name), names.contains(name) { try DiskFiles.removeTree("\(path)/\(name)") }
            try DiskFiles.replaceLink("\(path)/\(name)", to: "\(AtomicLayout.dataLink)/\(name)", by: "\(path)/..link_tmp")
        }
        for name in AtomicLayout.links(present: names, wanted: payload.topNames).remove {
            try DiskFiles.removeTree("\(path)/\(name)")
        }
    }

    private func removeGenerations(but present: String) throws {
        let old = DiskFiles.names(in: path).filter { AtomicLayout.generation($0) && $0 != present }
        let byAge = old.map { ($0, DiskFiles.modified("\(path)/\($0)")) }.sorted { $0.1 > $1.1 }
        for (name, _) in byAge.dropFirst(keepsGenerations ? Self.keptGenerations : 0) {
            try DiskFiles.removeTree("\(path)/\(name)")
        }
    }
}
