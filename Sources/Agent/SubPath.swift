// A part of a volume that a container mounts (`subPath`, `subPathExpr`). Another task may have written to the volume, and may write
// at this very moment, so what the path really is must lie inside: a link to the node's files is refused.
import AgentCore
import KubernetesModel

struct SubPath: Sendable {
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

    /// The path of the node, without links. `makes`: directories that are missing are made, behind no link. Blocks.
    func resolve(in directory: String, volume: String, makes: Bool) throws -> String {
        if makes { try DiskFiles.makeDirectories(path, below: directory, mode: 0o777) }
        let (root, found) = (try DiskFiles.realPath(directory), try DiskFiles.realPath(directory + "/" + path))
        // "." is the volume itself.
        guard found == root || found.hasPrefix(root + "/") else {
            throw StepFailure.mount("\(label) leads out of volume \(volume)", retriable: false)
        }
        return found
    }
}
