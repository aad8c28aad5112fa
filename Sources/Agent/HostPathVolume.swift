// hostPath volumes: which paths of the node a pod may see, and what is made there for it.
import AgentCore
import Glibc
import KubernetesModel

struct HostPathVolume: Sendable {
    let source: HostPathVolumeSource
    let allowList: [String]

    /// Checks the path against the allow-list and its type, and makes it when the type asks so. Blocks.
    func prepare() throws {
        func refuse(_ reason: String) -> StepFailure {
            .mount("hostPath \(source.path): \(reason)", retriable: false)
        }
        guard source.path.hasPrefix("/"), !source.path.split(separator: "/").contains("..") else {
            throw refuse("must be absolute and without ..")
        }
        guard isAllowed(source.path) else { throw refuse("is not in the node's allow-list") }
        try make(refuse)
        // Again on what the path really is: a link inside an allowed directory may lead out of it.
        let resolved: String
        do throws(FileError) {
            resolved = try DiskFiles.realPath(source.path)
        } catch {
            // A kubelet waits for what is not there yet.
            throw StepFailure.mount("hostPath \(source.path): \(error)", retriable: error.code == ENOENT)
        }
        guard isAllowed(resolved) else { throw refuse("leads to \(resolved), which is not in the node's allow-list") }
        if let expected = Self.kinds[source.type ?? ""], DiskFiles.kind(resolved) != expected.kind {
            throw refuse("is not \(expected.words)")
        }
    }

    private static let kinds: [String: (kind: mode_t, words: String)] = [
        "Directory": (S_IFDIR, "a directory"), "DirectoryOrCreate": (S_IFDIR, "a directory"), "File": (S_IFREG, "a file"),
        "FileOrCreate": (S_IFREG, "a file"), "Socket": (S_IFSOCK, "a socket"), "CharDevice": (S_IFCHR, "a character device"),
        "BlockDevice": (S_IFBLK, "a block device"),
    ]

    /// Only below a directory that is allowed as it really is: nothing is made behind a link that leads out.
    private func make(_ refuse: (String) -> StepFailure) throws {
        switch source.type ?? "" {
        case "DirectoryOrCreate", "FileOrCreate":
            guard !DiskFiles.exists(source.path) else { return }
            let parent = existingParent()
            let real = try DiskFiles.realPath(parent)
            guard real == parent || isAllowed(real) else { throw refuse("lies behind a link out of the node's allow-list") }
            if source.type == "DirectoryOrCreate" {
                try DiskFiles.makeDirectory(source.path)
            } else {
                try DiskFiles.replace(source.path, with: [], mode: 0o644)
            }
        case let type:
            guard type.isEmpty || Self.kinds[type] != nil else { throw refuse("type \(type) is not supported") }
        }
    }

    /// The deepest directory on the way that exists.
    private func existingParent() -> String {
        var parts = source.path.split(separator: "/")
        repeat {
            if !parts.isEmpty { parts.removeLast() }
        } while !parts.isEmpty && !DiskFiles.exists("/" + parts.joined(separator: "/"))
        return "/" + parts.joined(separator: "/")
    }

    private func isAllowed(_ path: String) -> Bool {
        allowList.contains { root in path == root || path.hasPrefix(root.hasSuffix("/") ? root : root + "/") }
    }
}
