// The rules of single volume kinds: which host paths are allowed, which keys become which files.
import AgentCore
import Glibc
import KubernetesModel

struct HostPathVolume: Sendable {
    let source: HostPathVolumeSource
    let allowList: [String]

    /// Checks the path against the allow-list and its type, and makes it when the type asks so. Blocks.
    func prepare(_ volume: String) throws {
        func refuse(_ reason: String) -> StepFailure {
            StepFailure(reason: "FailedMount", message: "volume \(volume): hostPath \(source.path): \(reason)", retriable: false)
        }
        guard source.path.hasPrefix("/"), !source.path.split(separator: "/").contains("..") else {
            throw refuse("must be absolute and without ..")
        }
        guard isAllowed(source.path) else { throw refuse("is not in the node's allow-list") }
        switch source.type ?? "" {
        case "", "Directory", "File":
            break
        case "DirectoryOrCreate":
            try DiskFiles.makeDirectory(source.path)
        case "FileOrCreate":
            if !DiskFiles.exists(source.path) { try DiskFiles.replace(source.path, with: [], mode: 0o644) }
        default:
            throw refuse("type \(source.type ?? "") is not supported")
        }
        // Again on what the path really is: a link inside an allowed directory may lead out of it.
        let resolved: String
        do throws(FileError) {
            resolved = try DiskFiles.realPath(source.path)
        } catch {
            throw refuse("\(error)")
        }
        guard isAllowed(resolved) else { throw refuse("leads to \(resolved), which is not in the node's allow-list") }
        if source.type == "Directory", !DiskFiles.isDirectory(resolved) { throw refuse("is not a directory") }
        if source.type == "File", DiskFiles.isDirectory(resolved) { throw refuse("is not a file") }
    }

    private func isAllowed(_ path: String) -> Bool {
        allowList.contains { root in path == root || path.hasPrefix(root.hasSuffix("/") ? root : root + "/") }
    }
}

/// Which of a ConfigMap's or Secret's keys become files, under which names.
struct FileProjection: Sendable {
    struct File: Sendable, Hashable {
        var path: String
        var bytes: [UInt8]
        var mode: Int
    }

    let files: [String: [UInt8]]
    let items: [KeyToPath]
    let defaultMode: Int

    func resolve(_ volume: String) throws(StepFailure) -> [File] {
        guard !items.isEmpty else {
            return files.sorted { $0.key < $1.key }.map { File(path: $0.key, bytes: $0.value, mode: defaultMode) }
        }
        var chosen: [File] = []
        for item in items {
            func refuse(_ reason: String) -> StepFailure {
                StepFailure(reason: "FailedMount", message: "volume \(volume): item \(item.key): \(reason)", retriable: false)
            }
            guard let bytes = files[item.key] else { throw refuse("no such key") }
            guard !item.path.isEmpty, !item.path.hasPrefix("/"), !item.path.split(separator: "/").contains("..") else {
                throw refuse("path \"\(item.path)\" must be relative and without ..")
            }
            chosen.append(File(path: item.path, bytes: bytes, mode: item.mode ?? defaultMode))
        }
        return chosen
    }
}
