// delete: what still runs is ended, what create made is taken down.

import CLinux
import Glibc

extension ContainerLifecycle {
    /// Refuses a container that is not stopped, unless forced; then a missing one is no error either (runc's rule).
    public func delete(_ id: String, force: Bool) throws(OCIError) {
        // Before the lock: a start that hangs holds it for as long as the container's process lives.
        if force, let container = try? directory.load(id), container.bootID == ProcessHandle.bootID(), container.process.isAlive {
            _ = container.process.signal(SIGKILL)
            thaw(container)
        }
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
            thaw(container)
            if !container.process.waitUntilGone(milliseconds: 10_000) { warn("process \(container.pid) does not end") }
        }
        ChildProcess.reapIfChild(container.pid)
        // With a pid namespace the kernel has ended everybody by now. Without, and where a create was killed before it wrote a pid:
        // whoever is in groups that are the container's own.
        if endsWithFirstProcess, container.pid > 0 { return }
        endProcesses(in: container.ownCgroups)
    }
}
