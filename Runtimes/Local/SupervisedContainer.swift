// One container: its phase, its start, its end. An actor, so that verbs and the kernel's news meet in one place.

import Cgroups
import Dispatch
import Glibc
import JSON
import RuntimeInterface
import SandboxPolicy

///     created --start--> running --supervisor ends--> exited
///        \--start failed------------------------------^
package actor SupervisedContainer {
    /// What a stop may take beyond its grace before the whole cgroup is killed from here.
    package static let stopSlack = 10

    package nonisolated let id: ContainerID
    package nonisolated let config: ContainerConfig
    package nonisolated let paths: ContainerPaths
    package nonisolated let cgroup: Cgroup
    private let changed: @Sendable (ContainerID) -> Void
    package private(set) var phase: ContainerPhase = .created
    /// state.json was there and could not be read when it was last looked at.
    package private(set) var isRecordDamaged = false
    private var watch: PidfdWatch?
    /// What the resident launcher says of the task's end; a supervisor that serves again does not end with it.
    private var news: SupervisorNews?
    private var ending = false
    private var starting: Task<Void, any Error>?
    private var waiters: [Int: CheckedContinuation<Bool, Never>] = [:]
    private var nextWaiter = 0

    package init(
        id: ContainerID, config: ContainerConfig, paths: ContainerPaths, cgroup: Cgroup,
        changed: @escaping @Sendable (ContainerID) -> Void
    ) {
        self.id = id
        self.config = config
        self.paths = paths
        self.cgroup = cgroup
        self.changed = changed
    }

    package var report: ContainerStatusReport {
        ContainerStatusReport(id: id, phase: phase, image: config.image, logPath: config.logPath)
    }

    package var isRunning: Bool {
        if case .running = phase { return true }
        return starting != nil
    }

    // MARK: Start

    /// `prepare` makes everything that the launch needs (cgroup, directories, plan); it runs on a thread that may block.
    /// `launch` starts the supervisor, and returns 0 when the container runs, 1 when its start failed and the record says
    /// where, 2 without a record.
    package func start(
        prepare: @escaping @Sendable () throws -> Void, launch: @escaping @Sendable () async throws -> Int32
    ) async throws {
        try await start {
            try prepare()
            return .pending { Launched(status: try await launch()) }
        }
    }

    /// What a try to launch led to.
    package enum Attempt: Sendable {
        case launched(Launched)
        /// For what takes longer no thread waits.
        case pending(@Sendable () async throws -> Launched)
    }

    /// The same with a launcher that may answer at once, and whose connection tells of the end. `attempt` prepares too; it may
    /// block.
    package func start(_ attempt: @escaping @Sendable () throws -> Attempt) async throws {
        if let starting { return try await starting.value }
        guard case .created = phase else { return }
        let task = Task(executorPreference: WorkThreads.shared) { try await self.begin(attempt) }
        starting = task
        defer { starting = nil }
        try await task.value
    }

    /// In one visit to a thread that may block, where the launcher answers at once.
    private func begin(_ attempt: @escaping @Sendable () throws -> Attempt) async throws {
        let (paths, limits) = (paths, config.limits)
        let (tried, seen) = try await Blocking.run { () -> (Attempt, Found?) in
            // A former agent may have died between the launch and its answer: the record then says what became of it.
            if Launcher.isSupervised(paths.directory) || RecordFiles.exists(paths.state) {
                return (.launched(Launched(status: 0)), nil)
            }
            let tried = try attempt()
            guard case .launched(let launched) = tried, launched.status < 2 else { return (tried, nil) }
            return (tried, Self.look(paths, limits))
        }
        let launched =
            switch tried {
            case .launched(let launched): launched
            case .pending(let rest): try await rest()
            }
        guard launched.status < 2 else {
            throw RuntimeError.unavailable(stage: "launch(\(id))", reason: "the launcher could not write its record")
        }
        if let seen { await take(seen) } else { await takeRecord() }
        if case .running = phase, let news = launched.news { follow(news) }
    }

    // MARK: Adoption and end

    /// Reads the record and follows the supervisor, whoever started it.
    package func takeRecord() async {
        let (paths, limits) = (paths, config.limits)
        if let found = try? await Blocking.run({ Self.look(paths, limits) }) { await take(found) }
    }

    /// Blocks.
    private static func look(_ paths: ContainerPaths, _ limits: RuntimeLimits) -> Found {
        let found = find(paths)
        if case .state(let state) = found, let exit = state.ended(limits: limits) {
            return .ended(sentenced(exit, paths), isNews: true)
        }
        return found
    }

    private func take(_ found: Found) async {
        switch found {
        case .notStarted: return
        case .ended(let exit, let isNews): if isNews { end(exit) } else { phase = .exited(exit) }
        case .damaged(let owner):
            isRecordDamaged = true
            await follow(owner)
        case .state(let state):
            await follow(state)
        }
    }

    private enum Found: Sendable {
        case notStarted
        /// `isNews`: whoever follows the container has to be told.
        case ended(ContainerExit, isNews: Bool)
        case state(SupervisorState)
        /// state.json cannot be read; the lock says who supervises.
        case damaged(SupervisorLock?)
    }

    /// A supervisor that holds the lock but has not written yet does so within its own deadline of 30 s.
    private static func find(_ paths: ContainerPaths) -> Found {
        if let verdict = paths.readVerdict() { return .ended(verdict.exit, isNews: false) }
        for _ in 0..<6_000 {
            if let state = paths.readState() { return .state(state) }
            // It is replaced by rename: what is there and cannot be read is damaged, and waiting would not mend it.
            if RecordFiles.exists(paths.state) {
                return paths.readState().map { .state($0) } ?? .damaged(SupervisorLock(paths.lock))
            }
            guard Launcher.isSupervised(paths.directory) else { break }
            usleep(5_000)
        }
        return paths.readState().map { .state($0) } ?? .notStarted
    }

    private func follow(_ state: SupervisorState) async {
        guard state.bootId == ProcessIdentity.bootID() else {
            phase = .unknown(reason: "the machine was restarted while it ran")
            return
        }
        phase = .running(pid: state.pid, startedAt: state.startedAt)
        guard let descriptor = ProcessIdentity.open(pid: state.supervisorPid, startTime: state.supervisorStartTime) else {
            return await supervisorEnded()
        }
        awaitEnd(of: descriptor)
    }

    /// The supervisor lives and writes its whole record anew at the end: nothing is lost but what the task is called on this
    /// machine.
    private func follow(_ owner: SupervisorLock?) async {
        guard let owner, owner.bootID == ProcessIdentity.bootID(),
            let descriptor = ProcessIdentity.open(pid: owner.pid, startTime: owner.startTime)
        else {
            let cgroup = cgroup
            _ = try? await Blocking.run { cgroup.kill() }
            phase = .unknown(reason: "its record is damaged, and its supervisor is gone")
            return
        }
        phase = .running(pid: owner.task, startedAt: owner.takenAt)
        awaitEnd(of: descriptor)
    }

    private func awaitEnd(of descriptor: Int32) {
        watch = PidfdWatch(descriptor: descriptor) { [weak self] in
            guard let self else { return }
            Task(executorPreference: WorkThreads.shared) { await self.supervisorEnded() }
        }
    }

    private func follow(_ news: SupervisorNews) {
        self.news = news
        // Who hangs up without a word is ending, and its process says when it did.
        news.follow { [weak self] in
            guard let self else { return }
            Task(executorPreference: WorkThreads.shared) { await self.supervisorEnded() }
        }
    }

    private func supervisorEnded() async {
        guard case .running(_, let startedAt) = phase, !ending else { return }
        ending = true
        watch?.cancel()
        watch = nil
        news = nil
        let (paths, cgroup, limits) = (paths, cgroup, config.limits)
        let exit = try? await Blocking.run { () -> ContainerExit in
            if let exit = paths.readState()?.ended(limits: limits) { return Self.sentenced(exit, paths) }
            return Self.sentenced(try Self.settleLostSupervisor(paths: paths, cgroup: cgroup, startedAt: startedAt), paths)
        }
        end(exit ?? Self.lost(cgroup: cgroup, startedAt: startedAt))
    }

    /// Blocks.
    private static func sentenced(_ exit: ContainerExit, _ paths: ContainerPaths) -> ContainerExit {
        paths.readSentence()?.applied(to: exit) ?? exit
    }

    /// The supervisor was killed: its task died with it (parent-death signal). Whatever is left goes too, and since nobody
    /// else will write how it ended, this does.
    private static func settleLostSupervisor(paths: ContainerPaths, cgroup: Cgroup, startedAt: Int64) throws -> ContainerExit {
        var rounds = 0
        while cgroup.kill() > 0, rounds < 1_000 {
            usleep(5_000)
            rounds += 1
        }
        let exit = lost(cgroup: cgroup, startedAt: startedAt)
        try RecordFiles.write(JSON.encode(Verdict(exit: exit)), to: paths.verdict)
        return exit
    }

    private static func lost(cgroup: Cgroup, startedAt: Int64) -> ContainerExit {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let usage = cgroup.usage()
        return ContainerExit(
            exitCode: 137, signal: Int(SIGKILL), oomKilled: usage.oomKills > 0, reason: "SupervisorLost",
            message: "the task's supervisor was killed, and the task with it", startedAt: startedAt,
            finishedAt: Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec),
            usage: ContainerUsage(cpuNanoseconds: usage.cpuNanoseconds, peakMemoryBytes: usage.memoryPeakBytes))
    }

    private func end(_ exit: ContainerExit) {
        phase = .exited(exit)
        for waiter in waiters.values { waiter.resume(returning: true) }
        waiters = [:]
        changed(id)
    }

    // MARK: Stop

    package func stop(graceSeconds: Int) async throws {
        if let starting { try? await starting.value }
        guard case .running = phase else { return }
        let (paths, milliseconds) = (paths, max(0, graceSeconds) * 1000)
        let serial = try await Blocking.run {
            try RecordFiles.write(Array("\(milliseconds)\n".utf8), to: paths.grace)
            return SupervisorLock(paths.lock)?.serial ?? 0
        }
        _ = watch?.signal(SIGTERM, serial: serial)
        if await ended(within: .seconds(graceSeconds + Self.stopSlack)) { return }
        // The supervisor does not do its duty (stopped, or stuck): end the task by its cgroup, then the supervisor.
        let cgroup = cgroup
        let supervised = try? await Blocking.run {
            _ = cgroup.kill()
            return Launcher.isSupervised(paths.directory)
        }
        if supervised != false { _ = watch?.signal(SIGKILL) }
        guard await ended(within: .seconds(Self.stopSlack)) else {
            throw RuntimeError.unavailable(stage: "stop(\(id))", reason: "it does not end after SIGKILL")
        }
    }

    /// Ends it for a reason that is the runtime's own: a limit that no kernel holds. The reason outlives this process.
    package func sentence(_ sentence: Sentence, graceSeconds: Int) async throws {
        guard case .running = phase else { return }
        let paths = paths
        try await Blocking.run { try RecordFiles.write(JSON.encode(sentence), to: paths.sentence) }
        try await stop(graceSeconds: graceSeconds)
    }

    /// True as soon as it ended, false at the deadline.
    private func ended(within deadline: DispatchTimeInterval) async -> Bool {
        guard case .running = phase else { return true }
        let number = nextWaiter
        nextWaiter += 1
        return await withCheckedContinuation { continuation in
            waiters[number] = continuation
            DispatchQueue.global().asyncAfter(deadline: .now() + deadline) {
                Task { await self.giveUp(number) }
            }
        }
    }

    private func giveUp(_ number: Int) { waiters.removeValue(forKey: number)?.resume(returning: false) }

    // MARK: Log

    /// The supervisor looks at its log's path. Any supervisor understands the signal or ignores it, one that ended needs none.
    package func reopenLog() {
        guard case .running = phase else { return }
        _ = watch?.signal(SIGHUP)
    }

    // MARK: Usage

    package func usage() async throws -> ContainerUsage {
        if case .exited(let exit) = phase { return exit.usage }
        let cgroup = cgroup
        return try await Blocking.run {
            let usage = cgroup.usage()
            return ContainerUsage(
                cpuNanoseconds: usage.cpuNanoseconds, peakMemoryBytes: usage.memoryPeakBytes,
                currentMemoryBytes: usage.memoryBytes)
        }
    }
}
