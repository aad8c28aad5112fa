// kill and delete: signals to the container's processes; what create made is taken down.

import CLinux
import Glibc

extension ContainerLifecycle {
    public func kill(_ id: String, signal: Int32, all: Bool) throws(OCIError) {
        let container = try directory.load(id)
        switch directory.status(of: container) {
        case .created, .running, .paused: break
        case .stopped:
            // runc signals what a container without its own pid namespace left behind.
            guard all, signalAll(container, signal) else { throw .conflict("container not running") }
            return
        case .creating: throw .conflict("container not running")
        }
        // Without a pid namespace of its own the end of the first process ends nobody else.
        var sharesPIDs = false
        if signal == SIGKILL { sharesPIDs = try !directory.loadConfiguration(id).linux.makes("pid") }
        if all || sharesPIDs { _ = signalAll(container, signal) }
        let code = container.process.signal(signal)
        guard code == 0 || all else {
            if code == ESRCH { throw .conflict("container not running") }
            throw .system(stage: "signal", errno: code, subject: "\(container.pid)")
        }
    }

    /// True when there was somebody.
    @discardableResult
    private func signalAll(_ container: ContainerRecord, _ signal: Int32) -> Bool {
        let processes = CgroupDirectories.processes(container.cgroups)
        for pid in processes { _ = ProcessHandle(pid: pid)?.signal(signal) }
        return !processes.isEmpty
    }

    /// Refuses a container that is not stopped, unless forced; then a missing one is no error either (runc's rule).
    public func delete(_ id: String, force: Bool) throws(OCIError) {
        let lock: StateLock
        do { lock = try directory.lock(id) } catch {
            if force, error == .notFound { return }
            throw error
        }
        defer { withExtendedLifetime(lock) {} }
        let container: ContainerRecord
        do { container = try directory.load(id) } catch {
            // A create that was killed before it wrote a record left the directory only.
            guard force, error == .notFound else { throw error }
            try directory.remove(id)
            return
        }
        let status = directory.status(of: container)
        guard status == .stopped || force else {
            throw .conflict("cannot delete container \(id) that is not stopped: \(status.rawValue)")
        }
        destroy(container, (try? directory.loadConfiguration(id)))
    }

    /// Ends what still runs, removes groups, runs the poststop hooks, forgets the container.
    func destroy(_ container: ContainerRecord, _ specification: ContainerSpecification?) {
        end(container, endsWithFirstProcess: specification?.linux.makes("pid") ?? false)
        CgroupDirectories.remove(container.createdCgroups)
        if let specification {
            let failures = HookRunner.runAll(.poststop, of: specification.hooks, state: container.state(.stopped))
            for failure in failures { warn("\(failure)") }
        }
        do { try directory.remove(container.id) } catch { warn("\(error)") }
    }

    private func end(_ container: ContainerRecord, endsWithFirstProcess: Bool) {
        guard container.bootID == ProcessHandle.bootID() else { return }
        if container.pid > 0, container.process.isAlive {
            _ = container.process.signal(SIGKILL)
            // v1's frozen processes do not die before they are thawed.
            let freezer = CgroupFreezer(container.cgroups)
            if freezer.isFrozen { try? freezer.set(frozen: false) }
            if !container.process.waitUntilGone(milliseconds: 10_000) { warn("process \(container.pid) does not end") }
        }
        ChildProcess.reapIfChild(container.pid)
        // With a pid namespace the kernel has ended everybody by now. Without, and where a create was killed before it wrote a pid:
        // whoever is in groups that are the container's own.
        if endsWithFirstProcess, container.pid > 0 { return }
        let own = Set(container.createdCgroups)
        let places = container.cgroups.filter { own.contains($0.directory) }
        // At most a second: who was signalled needs a moment to go, and who cannot go is not waited for.
        var attempts = 0
        while attempts < 200, signalAll(among: places) {
            attempts += 1
            usleep(5000)
        }
    }

    private func signalAll(among places: [CgroupPlace]) -> Bool {
        let processes = CgroupDirectories.processes(places)
        for pid in processes { _ = ProcessHandle(pid: pid)?.signal(SIGKILL) }
        return !processes.isEmpty
    }
}
