// The namespaces that a pod's containers share beside its network: ipc and uts, made by the launcher and pinned as files, so that no
// process has to hold them.

import CLinux
import Glibc
import LocalRuntime
import RuntimeInterface
import SandboxPolicy
import Spawn

/// Everything blocks.
struct PodNamespaces: Sendable {
    private static let deadlineMilliseconds: Int64 = 20_000

    /// The pod's record directory.
    let directory: String
    /// nil: the node's network.
    let networkNamespace: String?
    let launcher: String

    var ipc: String { "\(directory)/ipcns" }
    var uts: String { "\(directory)/utsns" }
    /// What a pod's containers share.
    var shared: [(namespace: LaunchOperation.Namespace, path: String)] {
        var shared: [(namespace: LaunchOperation.Namespace, path: String)] = [(.ipc, ipc), (.uts, uts)]
        if let networkNamespace { shared.append((.net, networkNamespace)) }
        return shared
    }
    private var plan: String { "\(directory)/namespaces.plan" }

    /// Repeatable; also behind a restart of the machine, which took the mounts and left the files.
    func make(_ config: PodSandboxConfig) throws {
        // Containers of one pod may begin at once: one makes, the others wait for it.
        let lock = clinux_open("\(directory)/namespaces.lock", O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw RecordFiles.failure("open", "\(directory)/namespaces.lock") }
        defer { close(lock) }
        guard clinux_flock(lock, LOCK_EX) == 0 else { throw RecordFiles.failure("flock", "\(directory)/namespaces.lock") }
        if isPinned(ipc), isPinned(uts) { return }
        try remove()
        try RecordFiles.write(LaunchPlan(operations: operations(config)).encoded(), to: plan)
        let run: ProgramRun
        do throws(ProgramRun.Failure) {
            run = try ProgramRun(
                launcher, arguments: [launcher, "podns", "--plan", plan, "--make", directory],
                deadlineMilliseconds: Self.deadlineMilliseconds)
        } catch { throw RuntimeError.unavailable(stage: "podns(\(config.podUID))", reason: "\(error)") }
        guard run.succeeded else { throw RuntimeError.unavailable(stage: "podns(\(config.podUID))", reason: run.complaint) }
    }

    /// Kernel parameters are set here, with the node's powers: a container in a user namespace of its own has none over the pod's.
    private func operations(_ config: PodSandboxConfig) -> [LaunchOperation] {
        [.id(config.podUID), .inheritStandardStreams]
            + (networkNamespace.map { [.joinNamespace(.net, path: $0)] } ?? [])
            + [.namespace(.ipc), .namespace(.uts), .hostname(SandboxSpec.hostname(config.hostname))]
            + config.kernelParameters.map { .sysctl(name: $0.name, value: $0.value) } + [.argument("none")]
    }

    /// Repeatable.
    func remove() throws {
        for path in [ipc, uts] where RecordFiles.exists(path) {
            if clinux_unmount(path) != 0, errno != EINVAL { throw RecordFiles.failure("umount", path) }
            unlink(path)
        }
    }

    /// A mount is gone after a restart of the machine; the empty file below it is not.
    private func isPinned(_ path: String) -> Bool {
        var file = stat()
        var around = stat()
        guard stat(path, &file) == 0, stat(directory, &around) == 0 else { return false }
        return file.st_dev != around.st_dev
    }
}
