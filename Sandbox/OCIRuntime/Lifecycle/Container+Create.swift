// create: from a bundle to a process that waits at its gate.

import CLinux
import Glibc
import SandboxPolicy

/// The lifecycle's operations on one state directory. Each throws with the container as it was before, unless it says else.
public struct ContainerLifecycle {
    public let directory: StateDirectory
    /// Receives warnings that the specification wants logged.
    let warn: (String) -> Void
    /// Begins a conversation with the launcher: its plan, how many descriptors are preserved, which others stay open.
    var launch: (LaunchPlan, Int, [Int32]) throws(OCIError) -> LauncherSession = LauncherSession.start

    public init(directory: StateDirectory, warn: @escaping (String) -> Void = { _ in }) {
        self.directory = directory
        self.warn = warn
    }

    public struct CreateOptions {
        public var bundle = "."
        public var pidFile: String?
        public var consoleSocket: String?
        /// Where somebody waits for a descriptor of the container's first process.
        public var pidfdSocket: String?
        public var usesPivot = true
        public var preservedDescriptors = 0
        /// Sockets of socket activation, from 3 on; those that are preserved stand behind them.
        public var activationSockets = 0
        /// The console socket is our own, and what comes out goes to no terminal that would take lines' ends for its own affair.
        var keepsLineEnds = false
        /// `run`: nothing waits between create and start, so there is no gate, and no round trip through it.
        var startsAtOnce = false
        public init() {}
    }

    /// Returns when the process waits for `start`.
    public func create(_ id: String, _ options: CreateOptions) throws(OCIError) {
        _ = try create(id, try Bundle(options.bundle), options)
    }

    func create(_ id: String, _ bundle: Bundle, _ options: CreateOptions) throws(OCIError) -> ContainerRecord {
        try StateDirectory.check(id: id)
        let specification = bundle.specification
        specification.process?.warnings.forEach(warn)
        try directory.reserve(id)
        var creation = Creation(id: id, bundle: bundle.path, specification: specification, options: options, lifecycle: self)
        do {
            // What is changed in the bundle from now on does not matter (runtime.md, "Create").
            try HostFile.replace(directory.configuration(id), with: bundle.configuration)
            try creation.carryOut()
            if let socket = options.pidfdSocket { try creation.record.process.send(to: socket) }
            if let file = options.pidFile { try HostFile.replace(file, with: Array("\(creation.record.pid)".utf8), mode: 0o644) }
            return creation.record
        } catch {
            creation.undo()
            throw error
        }
    }
}

/// A directory with a config.json, read once.
struct Bundle {
    let path: String
    let configuration: [UInt8]
    let specification: ContainerSpecification

    init(_ directory: String) throws(OCIError) {
        path = try HostFile.resolved(directory)
        configuration = try HostFile.read("\(path)/config.json")
        specification = try ContainerSpecification(parsing: configuration)
    }
}

/// One create in progress, with what must be undone when it fails.
private struct Creation {
    let id: String
    let specification: ContainerSpecification
    let options: ContainerLifecycle.CreateOptions
    let lifecycle: ContainerLifecycle
    var record: ContainerRecord
    private var environmentExists = false

    init(
        id: String, bundle: String, specification: ContainerSpecification, options: ContainerLifecycle.CreateOptions,
        lifecycle: ContainerLifecycle
    ) {
        self.id = id
        self.specification = specification
        self.options = options
        self.lifecycle = lifecycle
        record = ContainerRecord(
            id: id, version: specification.version, bundle: bundle, rootfs: "", bootID: ProcessHandle.bootID(),
            created: Timestamp.now(), annotations: specification.annotations)
    }

    mutating func carryOut() throws(OCIError) {
        record.rootfs = try rootfs()
        try makeCgroups()
        var session = try lifecycle.launch(try plan(), descriptors, [])
        defer { session.close() }
        try converse(&session)
        if options.startsAtOnce { return }
        record.isComplete = true
        try lifecycle.directory.save(record)
    }

    private func rootfs() throws(OCIError) -> String {
        let path =
            specification.root.path.hasPrefix("/") ? specification.root.path : "\(record.bundle)/\(specification.root.path)"
        let rootfs: String
        do { rootfs = try HostFile.resolved(path) } catch {
            throw .invalid(field: "root.path", reason: "\"\(specification.root.path)\": \(error)")
        }
        guard HostFile.isDirectory(rootfs) else { throw .invalid(field: "root.path", reason: "\(rootfs) is no directory") }
        guard rootfs != "/" else { throw .invalid(field: "root.path", reason: "the host's own root cannot be a container's") }
        return rootfs
    }

    private mutating func makeCgroups() throws(OCIError) {
        let group = ContainerCgroups(specification.linux, id: id)
        do {
            record.cgroups = try group.places()
            // The intent before the effect: by this record a delete finds the groups of a create that was killed.
            let planned = CgroupDirectories.missing(record.cgroups)
            record.createdCgroups = planned
            try lifecycle.directory.save(record)
            record.createdCgroups = try group.make(record.cgroups)
            if record.createdCgroups != planned { try lifecycle.directory.save(record) }
            try group.checkUnused(record.cgroups, made: record.createdCgroups)
            try group.limit(record.cgroups)
        } catch {
            if case .conflict = error { throw error }
            // An ordinary user without delegated groups runs without; wishes for limits are not passed over.
            guard geteuid() != 0, group.isWithoutLimits else { throw error }
            CgroupDirectories.remove(record.createdCgroups)
            record.cgroups = []
            record.createdCgroups = []
            try lifecycle.directory.save(record)
        }
    }

    private var descriptors: Int { options.activationSockets + options.preservedDescriptors }

    private func plan() throws(OCIError) -> LaunchPlan {
        var context = ContainerPlanContext(id: id, bundle: record.bundle, rootfs: record.rootfs)
        context.gate = options.startsAtOnce ? nil : lifecycle.directory.gate(id)
        context.consoleSocket = try options.consoleSocket.map { path throws(OCIError) in
            try HostFile.absolute(path)
        }
        context.keepsLineEnds = options.keepsLineEnds
        if options.consoleSocket != nil, specification.process?.terminal != true {
            throw .usage("cannot use console socket if runc will not detach or allocate tty")
        }
        context.cgroups = record.cgroups
        context.isPrivileged = geteuid() == 0
        context.idMapHelpers = IDMapHelpers.find()
        context.usesPivot = options.usesPivot
        context.preservedDescriptors = descriptors
        context.hookState = record.stateAroundPID(.created)
        var specification = specification
        specification.process?.completeEnvironment(rootfs: record.rootfs)
        if options.activationSockets > 0 {
            specification.process?.environment += ["LISTEN_FDS=\(options.activationSockets)", "LISTEN_PID=1"]
        }
        try ResourceLimitCheck.check(specification.process)
        if !specification.linux.has("user") { specification.process?.withholdUngrantable(warn: lifecycle.warn) }
        return try ContainerPlan(specification, context).launchPlan()
    }

    private mutating func converse(_ session: inout LauncherSession) throws(OCIError) {
        // The launcher and its child speak independently: the pid may come after what it belongs to.
        var hooksAreDue = false
        var isReady = false
        while !isReady || record.pid == 0 {
            switch try session.next() {
            case .process(let handle):
                record.pid = handle.pid
                record.pidStartTime = handle.startTime
                environmentExists = true
                // While the process builds its jail: afterwards everybody would wait for it.
                if options.startsAtOnce {
                    record.isComplete = true
                    try lifecycle.directory.save(record)
                }
            case .hooks: hooksAreDue = true
            case .ready: isReady = true
            case .failed(let error): throw error
            case .ended where options.startsAtOnce && record.pid > 0 && record.process.hasExecuted != false: return
            case .ended: throw .launch(stage: "the container's process ended during its set-up", errno: 0)
            }
            if hooksAreDue, record.pid != 0 {
                hooksAreDue = false
                // A hook may ask this runtime for the state.
                try lifecycle.directory.save(record)
                let state = record.state(.created)
                try HookRunner.run(.prestart, of: specification.hooks, state: state)
                try HookRunner.run(.createRuntime, of: specification.hooks, state: state)
                try session.proceed()
            }
        }
    }

    /// Steps 12 and 13 of the lifecycle: the environment is taken down, then the poststop hooks run.
    mutating func undo() {
        if record.pid > 0 {
            _ = record.process.signal(SIGKILL)
            ChildProcess.reap(record.pid)
        }
        // Where the launcher's word of it was lost or somebody else's: it is in the groups that were made for it.
        lifecycle.endProcesses(in: record.ownCgroups)
        CgroupDirectories.remove(record.createdCgroups)
        if environmentExists {
            let failures = HookRunner.runAll(.poststop, of: specification.hooks, state: record.state(.stopped))
            for failure in failures { lifecycle.warn("\(failure)") }
        }
        do { try lifecycle.directory.remove(id) } catch { lifecycle.warn("\(error)") }
    }
}
