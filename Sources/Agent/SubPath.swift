// A part of a volume that a container mounts (`subPath`, `subPathExpr`). Another task may have written to the volume, and may write
// at this very moment, so what the path really is must lie inside: a link to the node's files is refused.
import AgentCore
import Glibc
import KubernetesModel

struct SubPath: Sendable {
    /// What becomes of directories on the way that are missing.
    enum Making: Sendable {
        case nothing
        case forEverybody
        /// With the mode of the volume's own directory, as a kubelet makes them: a directory of the node has users of its own.
        case asVolume
    }

    let path: String
    private let label: String

    /// nil when the container mounts the whole volume. Throws when the path is absolute, leads upwards or cannot be expanded.
    init?(_ mount: VolumeMount, _ environment: [(name: String, value: String)], _ container: Container) throws(StepFailure) {
        guard mount.isPart else { return nil }
        var path = mount.subPath ?? ""
        if path.isEmpty, let expression = mount.subPathExpr {
            var unknown: String?
            path = VariableExpansion.expand(expression) { name in
                let value = environment.first { $0.name == name }?.value
                if value == nil { unknown = name }
                return value
            }
            if let unknown {
                throw .mount(
                    "container \(container.name): subPathExpr \"\(expression)\": the container has no variable \(unknown)",
                    retriable: false)
            }
        }
        label = "container \(container.name): subPath \"\(path)\""
        guard !path.isEmpty, !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
            throw .mount("\(label) must be relative and without ..", retriable: false)
        }
        self.path = path
    }

    /// The path of the node, without links. Directories that are missing are made behind no link. Blocks.
    func resolve(in directory: String, volume: String, making: Making) throws -> String {
        switch making {
        case .nothing: break
        case .forEverybody: try DiskFiles.makeDirectories(path, below: directory, mode: 0o777)
        case .asVolume:
            // A link out of the allow-list would have been refused when the volume was prepared.
            let real = try DiskFiles.realPath(directory)
            if let mode = DiskFiles.modeOfDirectory(real), !DiskFiles.exists("\(real)/\(path)") {
                try DiskFiles.makeDirectories(path, below: real, mode: mode)
            }
        }
        let root = try DiskFiles.realPath(directory)
        let found: String
        // The path of the machine is nothing for the pod's owner.
        do throws(FileError) {
            found = try DiskFiles.realPath(directory + "/" + path)
        } catch {
            // A disk that is ill may recover.
            guard [ENOENT, ENOTDIR, ELOOP].contains(error.code) else {
                throw StepFailure.mount("\(label) in volume \(volume): \(String(cString: strerror(error.code)))", retriable: true)
            }
            // What is missing of objects may come (a ConfigMap's key), so the container waits; else a link is in the way.
            guard case .nothing = making else { throw StepFailure.mount("\(label) cannot be made in volume \(volume)", retriable: false) }
            throw StepFailure(
                reason: "CreateContainerConfigError", message: "\(label) is not in volume \(volume)", retriable: true)
        }
        // "." is the volume itself.
        guard found == root || found.hasPrefix(root + "/") else {
            throw StepFailure.mount("\(label) leads out of volume \(volume)", retriable: false)
        }
        return found
    }
}
