// A bundle: the root file system's skeleton, the mount points of what is bound, config.json, and the supervisor's plan.

import Glibc
import JSON
import LocalRuntime
import RuntimeInterface
import SandboxPolicy

struct OCIBundle: Sendable {
    let container: OCIContainer
    let program: OCIProgram
    let spec: SandboxSpec
    let input: ContainerSpecInput
    let namespaces: PodNamespaces
    let seccomp: SeccompProfile?

    /// The launcher, in the file system of the container's own /dev.
    static let initPath = "/dev/.init"

    private var paths: ContainerPaths { container.paths }
    /// nil: there is no process of ours inside to raise it.
    private var wall: SecondWall? { program.hasInit ? SecondWall(spec) : nil }
    private var isIDMapped: Bool { spec.idRangeStart != nil }
    /// What is bound into the container lies here, one place each, in the mount namespace of the runtime's start alone: every container
    /// has the same. On the machine itself nothing is in it but an empty root, as runtimes go there before they enter a container.
    static let stage = "/run/swiftlet/stage"
    static let root = "\(stage)/root"
    /// Where the container's user namespace is bound.
    static let userNamespace = "\(stage)/user"

    /// Blocks; repeatable.
    func write() throws {
        let trees = try trees()
        let root = try makeRoot(trees)
        try RecordFiles.makeDirectories(Self.root, mode: 0o755)
        try RecordFiles.makeDirectories(container.bundle)
        try RecordFiles.makeDirectories(container.root(program))
        try RecordFiles.write(Array(program.name.utf8), to: OCIContainer.handlerFile(paths))
        let specification = OCISpecification(
            spec: spec, program: program, namespaces: namespaces, cgroup: input.cgroup, limits: SandboxSpec.limits(input),
            seccomp: seccomp,
            annotations: annotations, wall: wall, binds: trees.enumerated().map { (place($0), $1.path) })
        try RecordFiles.write(specification.value.serialized(), to: container.specification)
        unlink(container.runtimeLog)
        try wall?.write(container.bundle, id: container.name)
        try RecordFiles.write(LaunchPlan(operations: plan(root, trees)).encoded(), to: paths.plan)
    }

    // MARK: What is bound

    private struct Tree {
        var source: String
        var path: String
        var flags: MountFlags
    }

    private func place(_ number: Int) -> String { "\(Self.stage)/\(number)" }

    /// In the order of the mounts: outer ones before those inside them. What is optional and not there is left out.
    private func trees() throws -> [Tree] {
        var trees: [Tree] = []
        if case .hostView(let additional) = spec.root {
            let programs = HostView.programs.filter { Self.kind($0) == S_IFDIR }
            trees += programs.map { Tree(source: $0, path: $0, flags: [.readOnly, .noSuid, .noDev]) }
            let configuration = HostView.configuration.filter { RecordFiles.exists($0) }
            trees += configuration.map {
                Tree(source: Self.resolved($0), path: $0, flags: [.readOnly, .noSuid, .noDev, .noExec])
            }
            if case .directory(let path) = spec.temporary { trees.append(Tree(source: path, path: "/tmp", flags: scratch)) }
            let inner = additional.sorted { $0.utf8.count < $1.utf8.count }
            trees += inner.map { Tree(source: $0, path: $0, flags: [.readOnly, .noSuid, .noDev]) }
        } else if case .directory(let path) = spec.temporary {
            trees.append(Tree(source: path, path: "/tmp", flags: scratch))
        }
        trees += spec.mounts.sorted { $0.path.utf8.count < $1.path.utf8.count }.map { mount in
            var flags = scratch
            if mount.readOnly { flags.insert(.readOnly) }
            if mount.refusesLinks { flags.insert(.noFollow) }
            return Tree(source: mount.source, path: mount.path, flags: flags)
        }
        // The only binds on which device nodes are such; a device's file system cannot be id-mapped.
        trees += spec.devices.map { Tree(source: $0.source, path: $0.path, flags: [.noSuid, .noExec]) }
        if program.hasInit {
            let flags: MountFlags = [.readOnly, .noSuid, .noDev]
            trees.append(Tree(source: container.configuration.launcherPath, path: Self.initPath, flags: flags))
            let walls = [
                (SecondWall.programFile(container.bundle), SecondWall.programPath),
                (SecondWall.commandFile(container.bundle), SecondWall.commandPath),
            ]
            trees += walls.map { Tree(source: $0.0, path: $0.1, flags: flags) }
        }
        return trees
    }

    /// Files of the host's root belong to the container's root, both ways.
    private var scratch: MountFlags { isIDMapped ? [.noSuid, .noDev, .idMapped] : [.noSuid, .noDev] }

    private static func kind(_ path: String) -> mode_t? {
        var facts = stat()
        return lstat(path, &facts) == 0 ? facts.st_mode & S_IFMT : nil
    }

    private static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }

    // MARK: The root

    /// Returns how the container's root is mounted for its runtime.
    private func makeRoot(_ trees: [Tree]) throws -> LaunchOperation {
        switch spec.root {
        case .directory(let path): return bindRoot(path)
        case .layers(let lower, let upper, let work):
            return .ociOverlay(
                at: Self.root, options: OverlayOptions(lower: lower, upper: upper, work: work, volatile: true), flags: scratch)
        case .hostView: return bindRoot(try makeHostView(trees))
        }
    }

    private func bindRoot(_ path: String) -> LaunchOperation { .ociBind(source: path, path: Self.root, flags: scratch) }

    private func makeHostView(_ trees: [Tree]) throws -> String {
        // The host view's own: a few links, files and mount points.
        let root = paths.upper
        try RecordFiles.makeDirectories(root, mode: 0o755)
        for name in ["proc", "dev", "tmp", "etc"] { try RecordFiles.makeDirectories("\(root)/\(name)", mode: 0o755) }
        for path in HostView.programs where Self.kind(path) == S_IFLNK {
            var target = [CChar](repeating: 0, count: 4096)
            guard readlink(path, &target, target.count - 1) > 0 else { continue }
            if symlink(target, root + path) != 0, errno != EEXIST { throw RecordFiles.failure("symlink", root + path) }
        }
        for file in spec.files {
            try makeParents(of: root + file.path)
            try RecordFiles.write(Array(file.contents.utf8), to: root + file.path)
            chmod(root + file.path, mode_t(file.mode))
        }
        // A file of ours gives way to a bind over it; below /tmp and inside other binds places are made where those are.
        for tree in trees where !tree.path.hasPrefix("/tmp/") && !tree.path.hasPrefix("/dev/") && !isInside(tree, trees) {
            try makeParents(of: root + tree.path)
            let isDirectory = Self.kind(Self.resolved(tree.source)) == S_IFDIR
            if isDirectory { try RecordFiles.makeDirectories(root + tree.path, mode: 0o755) }
            if !isDirectory, !RecordFiles.exists(root + tree.path) { try RecordFiles.write([], to: root + tree.path) }
        }
        return root
    }

    private func isInside(_ tree: Tree, _ trees: [Tree]) -> Bool {
        trees.contains { $0.path != tree.path && tree.path.hasPrefix($0.path + "/") }
    }

    private func makeParents(of path: String) throws {
        guard let slash = path.lastIndex(of: "/") else { return }
        try RecordFiles.makeDirectories(String(path[..<slash]), mode: 0o755)
    }

    // MARK: The plan

    private func plan(_ root: LaunchOperation, _ trees: [Tree]) -> [LaunchOperation] {
        var operations: [LaunchOperation] = [.id(container.name)]
        if case .log(let path, let bytes, let files, let seconds, let late) = spec.output {
            operations.append(.log(path: path, maximumBytes: bytes, files: files, maximumAgeSeconds: seconds, late: late))
        }
        operations.append(.grace(milliseconds: spec.graceMilliseconds))
        if let stopSignal = spec.stopSignal { operations.append(.stopSignal(stopSignal)) }
        if let deadline = spec.deadlineMilliseconds { operations.append(.deadline(milliseconds: deadline)) }
        if let attach = spec.attach {
            operations.append(.attach(stdin: attach.stdin, once: attach.once, terminal: attach.terminal))
        }
        operations.append(
            .ociRuntime(
                name: program.name, bundle: container.bundle, createMilliseconds: program.createMilliseconds,
                verbMilliseconds: program.verbMilliseconds, program: spec.arguments.first ?? "",
                hasInit: program.hasInit))
        operations += [.ociStage(path: Self.stage, userNamespace: program.hasInit ? Self.userNamespace : nil), root]
        operations += trees.enumerated().map { .ociBind(source: $1.source, path: place($0), flags: $1.flags) }
        operations += spec.cgroups.map { .cgroup(version: $0.version, controller: $0.controller, path: $0.path) }
        if program.hasInit { operations += namespaces.shared.map { .joinNamespace($0.namespace, path: $0.path) } }
        if let start = spec.idRangeStart {
            let count = SandboxSpec.idRangeCount
            operations += [
                .namespace(.user), .uidMap(inside: 0, host: start, count: count), .gidMap(inside: 0, host: start, count: count),
            ]
            operations.append(.enterUserNamespace)
        }
        operations.append(.user(uid: spec.uid, gid: spec.gid, groups: []))
        operations += program.environment.map { .environment($0) }
        return operations + container.command(program).map { .argument($0) }
    }

    private var annotations: [String: String] {
        let pod = input.sandbox.config
        return [
            "io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": pod.podUID,
            "io.kubernetes.cri.sandbox-name": pod.name, "io.kubernetes.cri.sandbox-namespace": pod.namespace,
            "io.kubernetes.cri.container-name": container.id.name,
        ]
    }
}
