// What has to be done, in order, for a group to exist with its limits: a pure function of the machine's layout and the limits. The same
// list is applied directly (`Cgroup.create`) or becomes the launch plan's cgroup-make and cgroup-set lines.

public enum CgroupOperation: Sendable, Hashable {
    /// A directory that may exist already.
    case make(version: Int, directory: String)
    case set(directory: String, file: String, value: String)
}

public struct CgroupPlan: Sendable, Hashable {
    public var operations: [CgroupOperation] = []
    /// What the task joins, in order; at most one directory a hierarchy.
    public var joins: [CgroupDirectory] = []
    /// The innermost level's directories, to be removed when it ended.
    public var removals: [String] = []

    public init() {}

    /// For people and golden files: one line an operation.
    public var text: String {
        var lines = operations.map { operation in
            switch operation {
            case .make(let version, let directory): "make \(version) \(directory)"
            case .set(let directory, let file, let value): "set \(directory) \(file) \(value)"
            }
        }
        lines += joins.map { "join \($0.version) \($0.controller) \($0.path)" }
        lines += removals.map { "remove \($0)" }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// A level of groups with its limits: a pod's or a container's.
public struct CgroupLevel: Sendable, Hashable {
    /// Relative to the level above; may have several parts ("swiftlet.alice/pod_1"), of which the last has the limits.
    public var name: String
    public var limits: CgroupLimits

    public init(_ name: String, _ limits: CgroupLimits = CgroupLimits()) {
        self.name = name
        self.limits = limits
    }
}

extension CgroupHost {
    /// How to make `levels`, outermost first, the last being what a task joins. Says nothing about limits that the machine lacks: ask
    /// `unenforceable` before. `prepared`: a group that exists and whose children already may have all controllers (`prepare`), so that
    /// nothing is said about it and above. `controllers`: to be joined besides those that the limits need.
    public func plan(_ levels: [CgroupLevel], below prepared: String = "", controllers more: Set<CgroupController> = [])
        -> CgroupPlan
    {
        var plan = CgroupPlan()
        let needed = levels.reduce(into: CgroupController.accounting.union(more)) { $0.formUnion(controllers(of: $1.limits)) }
        var parent = prepared
        for level in levels {
            let parts = level.name.split(separator: "/").map(String.init)
            for part in parts {
                let name = parent.isEmpty ? part : "\(parent)/\(part)"
                for directory in directories(name, needed) { appendMake(directory, parent: parent, needed: needed, to: &plan) }
                parent = name
            }
            if !parts.isEmpty { appendSettings(level.limits, group: parent, to: &plan) }
        }
        plan.joins = directories(parent, needed)
        plan.removals = plan.joins.map(\.path)
        return plan
    }

    private func appendMake(
        _ directory: CgroupDirectory, parent: String, needed: Set<CgroupController>, to plan: inout CgroupPlan
    ) {
        if directory.version == 2, let unified {
            // On v2 a group's controllers are switched on by its parent.
            let enabled = CgroupController.ofVersion2.filter { needed.contains($0) && hierarchies[$0]?.version == 2 }
            if !enabled.isEmpty {
                plan.operations.append(
                    .set(
                        directory: parent.isEmpty ? unified : "\(unified)/\(parent)", file: "cgroup.subtree_control",
                        value: enabled.map { "+\($0.rawValue)" }.joined(separator: " ")))
            }
        }
        plan.operations.append(.make(version: directory.version, directory: directory.path))
        // A new v1 cpuset is empty and would refuse its members. The first level takes the whole machine, those below copy their parent.
        if parent.isEmpty, directory.version == 1, directory.controller == CgroupController.cpuset.version1Name {
            plan.operations += [
                .set(directory: directory.path, file: "cpuset.cpus", value: cpus),
                .set(directory: directory.path, file: "cpuset.mems", value: memoryNodes),
                .set(directory: directory.path, file: "cgroup.clone_children", value: "1"),
            ]
        }
    }

    private func appendSettings(
        _ limits: CgroupLimits, group: String, to plan: inout CgroupPlan
    ) {
        for setting in settings(limits) {
            guard let directory = directory(group, setting.controller) else { continue }
            plan.operations.append(.set(directory: directory, file: setting.file, value: setting.value))
        }
    }

    /// Where a controller's files of this group are; nil where the machine lacks the controller.
    func directory(_ group: String, _ controller: CgroupController?) -> String? {
        guard let controller else { return unified.map { "\($0)/\(group)" } }
        // v2 counts a group's CPU time without a controller and freezes without one.
        if hierarchies[controller] == nil, layout == .version2, [.cpu, .cpuacct, .freezer].contains(controller) {
            return unified.map { "\($0)/\(group)" }
        }
        let hierarchy = hierarchies[controller] ?? (controller == .cpuacct ? hierarchies[.cpu] : nil)
        return hierarchy.map { "\($0.path)/\(group)" }
    }
}
