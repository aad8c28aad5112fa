// Everything on the machine that a container's launch expects to be there: groups, scratch directories, the small files of /etc.

import Cgroups
import Glibc
import RuntimeInterface
import SandboxPolicy

extension ContainerSpecInput {
    /// Everything on the machine that the launcher expects to be there. Repeatable.
    package func prepare(_ spec: SandboxSpec, needsWork: Bool) throws {
        do throws(CgroupError) { try groups.make() } catch { throw error.asRuntimeError }
        try RecordFiles.makeDirectories(rootMountPoint)
        if case .directory(let path) = spec.temporary { try Self.makeScratch(path, mode: 0o1777, spec) }
        try Self.makeMountPointsInTemporary(spec)
        if needsWork { try Self.makeScratch(paths.work, mode: 0o755, spec) }
        if image.root.isImage {
            try RecordFiles.makeDirectories(paths.files, mode: 0o755)
            for file in SandboxSpec.accountFiles(self, spec: spec) {
                let path = "\(paths.files)/\(file.path.split(separator: "/").last ?? "")"
                try RecordFiles.write(Array(file.contents.utf8), to: path)
                chmod(path, mode_t(file.mode))
            }
        }
    }

    /// What an image needs may lie below the host's /tmp, in the place of which the task has its own. The launcher cannot make
    /// mount points in an id-mapped directory (its own ids have no place there: EOVERFLOW), so they are made on this side.
    private static func makeMountPointsInTemporary(_ spec: SandboxSpec) throws(RuntimeError) {
        guard case .directory(let temporary) = spec.temporary, case .hostView(let paths) = spec.root else { return }
        for path in paths where path.hasPrefix("/tmp/") {
            let place = temporary + path.dropFirst("/tmp".count)
            var facts = stat()
            guard stat(path, &facts) == 0 else { throw RecordFiles.failure("stat", path) }
            if facts.st_mode & S_IFMT == S_IFDIR {
                try RecordFiles.makeDirectories(place, mode: 0o755)
            } else {
                if let slash = place.lastIndex(of: "/") { try RecordFiles.makeDirectories(String(place[..<slash]), mode: 0o755) }
                try RecordFiles.write([], to: place)
            }
        }
    }

    /// On disk the owner is the id that the task has inside: the mount maps it to the pod's private range.
    private static func makeScratch(_ path: String, mode: mode_t, _ spec: SandboxSpec) throws {
        try RecordFiles.makeDirectories(path)
        guard chown(path, spec.uid, spec.gid) == 0, chmod(path, mode) == 0 else { throw RecordFiles.failure("chown", path) }
    }
}
