// kill: signals to the container's first process, or to everybody in its groups.

import CLinux
import Glibc

extension ContainerLifecycle {
    public func kill(_ id: String, signal: Int32, all: Bool) throws(OCIError) {
        let container = try directory.load(id)
        switch directory.status(of: container) {
        case .created, .running, .paused: break
        case .stopped:
            // What a container without its own pid namespace left behind is signalled; that nobody is there is nothing wrong.
            // So may be who is ended: without that namespace they outlive the first process.
            var isEnd = false
            if signal == SIGKILL { isEnd = try !directory.loadConfiguration(id).linux.makes("pid") }
            guard all || isEnd else { throw .conflict("container not running") }
            // Unasked only in groups that are the container's own, and of this boot.
            let own = container.bootID == ProcessHandle.bootID() ? container.ownCgroups : []
            guard signalEverybody(in: all ? container.cgroups : own, signal) || all else { throw .conflict("container not running") }
            return
        case .creating: throw .conflict("container not running")
        }
        // Without a pid namespace of its own the end of the first process ends nobody else.
        var sharesPIDs = false
        if signal == SIGKILL { sharesPIDs = try !directory.loadConfiguration(id).linux.makes("pid") }
        let isTold = (all || sharesPIDs) && signalEverybody(in: container.cgroups, signal)
        // Once each: to many programs a second SIGTERM means more than the first.
        let code = isTold && signal != SIGKILL ? 0 : container.process.signal(signal)
        if signal == SIGKILL { thaw(container) }
        guard code == 0 || all || sharesPIDs else {
            if code == ESRCH { throw .conflict("container not running") }
            throw .system(stage: "signal", errno: code, subject: "\(container.pid)")
        }
    }

    /// v1's frozen processes do not die before they are thawed.
    func thaw(_ container: ContainerRecord) {
        let freezer = CgroupFreezer(container.cgroups)
        guard freezer.isFrozen else { return }
        do { try freezer.set(frozen: false) } catch { warn("\(error)") }
    }

    /// Of one that changes all the time without being frozen: so many looks, then it is given up.
    private static let looks = 50

    /// Frozen meanwhile, so that nobody is born behind the signal's back. True when there was somebody.
    @discardableResult
    func signalEverybody(in places: [CgroupPlace], _ signal: Int32, freezing: Bool = true) -> Bool {
        let first = CgroupDirectories.processes(places)
        guard !first.isEmpty else { return false }
        // A group that we are in ourselves is neither frozen nor killed as a whole.
        let isOurs = first.contains(getpid())
        if signal == SIGKILL, !isOurs, CgroupDirectories.killAll(places) { return true }
        let freezer = CgroupFreezer(places)
        // Who cannot be frozen within two seconds is signalled all the same.
        let freezes = freezing && !isOurs && !freezer.isFrozen && (try? freezer.set(frozen: true)) != nil
        defer { if freezes || signal == SIGKILL, freezer.isFrozen { try? freezer.set(frozen: false) } }
        var told: Set<ProcessHandle> = []
        for _ in 0..<Self.looks {
            let new = Set(CgroupDirectories.processes(places).compactMap { ProcessHandle(pid: $0) }).subtracting(told)
            if new.isEmpty { break }
            for process in new { _ = process.signal(signal) }
            told.formUnion(new)
        }
        return true
    }

    /// Whoever is still in groups that are the container's own; about a second at most once they were frozen: who was signalled
    /// needs a moment to go, and who cannot go is not waited for.
    func endProcesses(in places: [CgroupPlace]) {
        var attempts = 0
        while attempts < 200, signalEverybody(in: places, SIGKILL, freezing: attempts == 0) {
            attempts += 1
            usleep(5000)
        }
    }
}
