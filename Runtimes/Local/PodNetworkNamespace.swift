// A pod's own network: a namespace pinned by a mount in the pod's record directory, with or without a CNI network in it.

import CLinux
import CNI
import Glibc
import JSON
import RuntimeInterface
import Spawn

/// Everything blocks.
package struct PodNetworkNamespace: Sendable {
    /// Making a namespace takes about a millisecond.
    package static let deadlineMilliseconds: Int64 = 20_000

    /// The pod's record directory.
    package let directory: String
    package let node: LocalConfiguration

    package var path: String { "\(directory)/netns" }
    private var record: String { "\(directory)/network.json" }

    /// Repeatable. The record is written before a plugin is called, so that whatever a crash leaves is given back.
    package func make(_ network: PodNetwork, config: PodSandboxConfig) throws -> NetworkAttachment? {
        switch network {
        case .host: return nil
        case .none:
            try pin()
            return nil
        case .cni(let name):
            if let made = try attachment(), made.result != nil, isPinned { return made }
            try remove()
            let list = try Self.asRuntimeError { () throws(CNIError) in try NetworkList.find(name, in: node.cniConfigurations) }
            var attachment = NetworkAttachment(list, target: target(config))
            try pin()
            try RecordFiles.write(JSON.encode(attachment), to: record)
            try Self.asRuntimeError { () throws(CNIError) in try attachment.add(programs: node.cniPlugins) }
            try RecordFiles.write(JSON.encode(attachment), to: record)
            return attachment
        }
    }

    /// Repeatable.
    package func remove() throws {
        if let attachment = try attachment() {
            try Self.asRuntimeError { () throws(CNIError) in try attachment.delete(programs: node.cniPlugins) }
            unlink(record)
        }
        guard RecordFiles.exists(path) else { return }
        if clinux_unmount(path) != 0, errno != EINVAL { throw RecordFiles.failure("umount", path) }
        unlink(path)
    }

    package func attachment() throws -> NetworkAttachment? {
        guard let bytes = RecordFiles.read(record) else { return nil }
        return try JSON.decode(NetworkAttachment.self, from: bytes)
    }

    /// A mount is gone after a restart of the machine; the empty file below it is not.
    private var isPinned: Bool {
        var file = stat()
        var directory = stat()
        guard stat(path, &file) == 0, stat(self.directory, &directory) == 0 else { return false }
        return file.st_dev != directory.st_dev
    }

    private func pin() throws {
        if isPinned { return }
        unlink(path)
        let run: ProgramRun
        do throws(ProgramRun.Failure) {
            run = try ProgramRun(
                node.launcherPath, arguments: [node.launcherPath, "netns", "--make", path],
                deadlineMilliseconds: Self.deadlineMilliseconds)
        } catch { throw RuntimeError.unavailable(stage: "netns(\(path))", reason: "\(error)") }
        guard run.succeeded else { throw RuntimeError.unavailable(stage: "netns(\(path))", reason: run.complaint) }
    }

    /// What a kubelet tells plugins too.
    private func target(_ config: PodSandboxConfig) -> AttachmentTarget {
        AttachmentTarget(
            containerID: config.podUID, networkNamespace: path,
            arguments:
                "IgnoreUnknown=1;K8S_POD_NAMESPACE=\(config.namespace);K8S_POD_NAME=\(config.name);K8S_POD_UID=\(config.podUID)",
            portMappings: config.portMappings.map {
                PortMapping(hostPort: Int64($0.hostPort), containerPort: Int64($0.containerPort), protocol: $0.protocol)
            })
    }

    private static func asRuntimeError<T>(_ body: () throws(CNIError) -> T) throws(RuntimeError) -> T {
        do { return try body() } catch {
            throw .unavailable(stage: "network(\(error.network))", reason: error.reason + (error.hint.map { "; \($0)" } ?? ""))
        }
    }
}
