// One group: made with its limits before its first member, changed, frozen, emptied and removed. Calls block for microseconds
// (`remove` for up to `Cgroup.removalDeadlineMilliseconds`), so keep them off the cooperative pool.

import Glibc

public struct Cgroup: Sendable, Hashable {
    /// A group whose last member was just killed stays busy until it is reaped.
    static let removalDeadlineMilliseconds = 5_000

    public let host: CgroupHost
    public let name: String
    /// Where a task joins, in this order.
    public let directories: [CgroupDirectory]

    public var exists: Bool { host.everyDirectory(name).contains { CgroupFile.exists($0.path) } }

    /// Makes the group and sets its limits; a group that exists already gets the limits. Throws before anything is made when the machine
    /// cannot enforce one of them, unless `allowUnenforced`: then the others are set.
    public func create(limits: CgroupLimits, allowUnenforced: Bool = false) throws(CgroupError) {
        if !allowUnenforced { try refuseUnenforceable(limits) }
        let limits = host.enforceable(limits)
        // On v1 also the directories that only a level above has limits in.
        let joined = Set(directories.map(\.path))
        let version1 = CgroupController.allCases.filter {
            host.hierarchies[$0]?.version == 1 && host.directory(name, $0).map(joined.contains) == true
        }
        let plan = host.plan([CgroupLevel(name, limits)], controllers: Set(version1))
        try Self.apply(plan.operations.filter { !$0.isLimit(of: plan.removals) })
        try set(limits)
    }

    private func refuseUnenforceable(_ limits: CgroupLimits) throws(CgroupError) {
        guard let first = host.unenforceable(limits).first else { return }
        throw CgroupError(stage: "unenforceable", path: "\(first.field): \(first.reason)", errno: ENOTSUP, hint: first.fix)
    }

    /// Changes the limits of a group that exists; a nil leaves what is.
    public func set(_ limits: CgroupLimits) throws(CgroupError) {
        var settings = host.settings(limits)
        // v1 keeps memory <= memory+swap at all times: when the limit rises above the present sum, the sum has to go first.
        let sum = "memory.memsw.limit_in_bytes"
        if let bytes = limits.memoryBytes, let last = settings.firstIndex(where: { $0.file == sum }),
            let path = path(.memory, sum),
            let present = CgroupFile.number(path), bytes < 0 || bytes > present
        {
            settings.insert(settings.remove(at: last), at: 0)
        }
        for setting in settings {
            guard let directory = host.directory(name, setting.controller) else { continue }
            try CgroupFile.write(setting.value, to: "\(directory)/\(setting.file)")
        }
    }

    /// Carries out what `CgroupHost.plan` says.
    public static func apply(_ plan: CgroupPlan) throws(CgroupError) {
        try apply(plan.operations)
    }

    /// What every new v1 group has (Documentation/scheduler/sched-bwc.rst, sched-design-CFS.rst). Each write of a bandwidth makes the
    /// kernel go through all groups around it.
    private static let defaults = ["cpu.cfs_period_us": "100000", "cpu.shares": "1024"]

    private static func apply(_ operations: [CgroupOperation]) throws(CgroupError) {
        var prepared: [String: Set<String>] = [:]
        var new: Set<String> = []
        for operation in operations {
            switch operation {
            case .make(_, let directory):
                if mkdir(directory, 0o755) == 0 {
                    new.insert(directory)
                    continue
                }
                guard errno == EEXIST else { throw CgroupError(stage: "mkdir", path: directory, errno: errno) }
                // A v1 cpuset that has CPUs already keeps them: making a group in it must not give it the whole machine again.
                let preparation = CgroupOperation.set(directory: directory, file: "cgroup.clone_children", value: "1")
                if operations.contains(preparation),
                    (CgroupFile.read("\(directory)/cpuset.cpus") ?? "").contains(where: \.isNumber)
                {
                    prepared[directory] = ["cpuset.cpus", "cpuset.mems", "cgroup.clone_children"]
                }
            case .set(let directory, let file, let value):
                // The first setting of these files is the preparation, a second one a limit.
                if prepared[directory]?.remove(file) != nil { continue }
                if new.contains(directory), defaults[file] == value { continue }
                try CgroupFile.write(value, to: "\(directory)/\(file)")
            }
        }
    }

    func path(_ controller: CgroupController, _ file: String) -> String? {
        host.directory(name, controller).map { "\($0)/\(file)" }
    }

    /// Process ids of the members, as this process' pid namespace sees them.
    public func processes() -> [Int32] { Self.processes(of: host.everyDirectory(name)) }

    /// Also those in groups below this one.
    public func allProcesses() -> [Int32] {
        var found = Set(processes())
        for child in host.children(of: name) { found.formUnion(host.group("\(name)/\(child)").allProcesses()) }
        return found.sorted()
    }

    private static func processes(of directories: [CgroupDirectory]) -> [Int32] {
        Set(
            directories.flatMap { directory in
                (CgroupFile.read("\(directory.path)/cgroup.procs") ?? "").split(separator: "\n").compactMap { Int32($0) }
            }
        ).sorted()
    }

    /// SIGKILL to every member, also of the groups below, once. Returns how many there were; repeat until none.
    @discardableResult
    public func kill() -> Int {
        for directory in host.everyDirectory(name) where directory.version == 2 {
            // One step for the whole tree (Linux 5.14). Where it is missing, the signals below do it.
            if CgroupFile.exists("\(directory.path)/cgroup.kill") {
                try? CgroupFile.write("1", to: "\(directory.path)/cgroup.kill")
            }
        }
        let members = allProcesses()
        for pid in members where pid > 0 { _ = Glibc.kill(pid, SIGKILL) }
        // A frozen v1 group does not even die.
        if host.hierarchies[.freezer] != nil { try? thaw() }
        return members.count
    }

    /// Kills what is left and removes the directories, with the groups below; nothing to do when they are gone.
    public func remove() throws(CgroupError) {
        var hasLooked = false
        for directory in host.everyDirectory(name) {
            var waited = 0
            while rmdir(directory.path) != 0, errno != ENOENT {
                let failure = errno
                guard failure == EBUSY, waited < Self.removalDeadlineMilliseconds else {
                    throw CgroupError(stage: "rmdir", path: directory.path, errno: failure)
                }
                if !hasLooked {
                    for child in host.children(of: name) { try host.group("\(name)/\(child)").remove() }
                    hasLooked = true
                }
                kill()
                let pause = min(1 + waited / 4, 50)
                usleep(UInt32(pause) * 1000)
                waited += pause
            }
        }
    }
}

extension CgroupOperation {
    /// A setting of the group itself: `Cgroup.set` writes these, in the order that an existing group needs.
    fileprivate func isLimit(of group: [String]) -> Bool {
        guard case .set(let directory, let file, _) = self else { return false }
        return group.contains(directory) && !file.hasPrefix("cgroup.") && !file.hasPrefix("cpuset.")
    }
}
