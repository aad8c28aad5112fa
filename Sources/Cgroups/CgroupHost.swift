// What cgroups this machine has: v1 (a hierarchy per controller), v2 (one hierarchy), or both beside each other.

import Glibc

public enum CgroupController: String, Sendable, Hashable, CaseIterable, Codable {
    case memory, cpu, cpuacct, pids, cpuset, io, hugetlb, devices, freezer

    /// v2 accounts CPU time, freezes and filters devices in every group, without a controller.
    static let ofVersion2: [CgroupController] = [.memory, .cpu, .pids, .cpuset, .io, .hugetlb]
    /// What every task joins: its usage is read from here.
    public static let accounting: Set<CgroupController> = [.memory, .cpu, .cpuacct, .pids]

    /// The name of its v1 hierarchy and in /proc/self/cgroup.
    public var version1Name: String { self == .io ? "blkio" : rawValue }
}

/// One directory that a task joins: what the launch plan's `cgroup` operation says.
public struct CgroupDirectory: Sendable, Hashable, Codable {
    public var version: Int
    /// A controller's name on v1, "unified" on v2.
    public var controller: String
    /// Absolute path.
    public var path: String

    public init(version: Int, controller: String, path: String) {
        self.version = version
        self.controller = controller
        self.path = path
    }
}

/// Where a controller's groups are made: the hierarchy's mount point, or the group in it that was delegated to us.
public struct CgroupHierarchy: Sendable, Hashable {
    public var version: Int
    public var path: String

    public init(version: Int, path: String) {
        self.version = version
        self.path = path
    }
}

/// What a kernel may lack although it has the controller.
public enum CgroupFeature: String, Sendable, Hashable, CaseIterable {
    /// `ioWeight`: a weight acts on some device; `bfqWeight`: it is the bfq scheduler that looks at it.
    case swap, oomGroup, cpuBurst, cpuIdle, ioThrottle, ioWeight, bfqWeight, kill, pressure
}

/// A value: the rules of limits are functions of it, so that they can be tested for machines that are not here.
public struct CgroupHost: Sendable, Hashable {
    public enum Layout: Sendable, Hashable {
        /// At least one controller that we use sits on v1 (hybrid: a v2 hierarchy exists beside).
        case version1(hybrid: Bool)
        case version2
        case none
    }

    public let root: String
    public let hierarchies: [CgroupController: CgroupHierarchy]
    /// The v2 hierarchy, with or without controllers.
    public let unified: String?
    public let features: Set<CgroupFeature>
    /// The CPUs and memory nodes of the hierarchies' roots: a v1 cpuset is empty, and refuses members, until it is told some.
    public let cpus: String
    public let memoryNodes: String
    /// "2MB", "1GB"
    public let hugePageSizes: Set<String>

    public init(
        root: String = "/sys/fs/cgroup", hierarchies: [CgroupController: CgroupHierarchy], unified: String? = nil,
        features: Set<CgroupFeature> = [], cpus: String = "0", memoryNodes: String = "0", hugePageSizes: Set<String> = []
    ) {
        self.root = root
        self.hierarchies = hierarchies
        self.unified = unified
        self.features = features
        self.cpus = cpus
        self.memoryNodes = memoryNodes
        self.hugePageSizes = hugePageSizes
    }

    public var layout: Layout {
        if hierarchies.values.contains(where: { $0.version == 1 }) { return .version1(hybrid: unified != nil) }
        return unified == nil ? .none : .version2
    }

    public var controllers: Set<CgroupController> { Set(hierarchies.keys) }

    /// The group of this name; nothing is made yet. `name` is relative to the hierarchies' roots: "swiftlet.alice/pod_main_0".
    /// `controllers`: those whose limits the group or one above it has, besides the accounting ones.
    public func group(_ name: String, controllers: Set<CgroupController> = []) -> Cgroup {
        Cgroup(host: self, name: name, directories: directories(name, CgroupController.accounting.union(controllers)))
    }

    /// The group that can carry all of `limits`: a container's own and its pod's.
    public func group(_ name: String, for limits: CgroupLimits...) -> Cgroup {
        group(name, controllers: limits.reduce(into: []) { $0.formUnion(controllers(of: $1)) })
    }

    /// One directory per hierarchy that serves any of `controllers`. cpu and cpuacct may be one hierarchy under two names: it is named once.
    func directories(_ name: String, _ controllers: Set<CgroupController>) -> [CgroupDirectory] {
        var seen: Set<String> = []
        var directories: [CgroupDirectory] = []
        func add(_ version: Int, _ controller: String, _ base: String) {
            let path = name.isEmpty ? base : "\(base)/\(name)"
            if seen.insert(path).inserted {
                directories.append(CgroupDirectory(version: version, controller: controller, path: path))
            }
        }
        // On v2 alone there is a group even where no controller is offered: it still counts, freezes and kills.
        if layout == .version2, let unified { add(2, "unified", unified) }
        for controller in CgroupController.allCases where controllers.contains(controller) {
            if let hierarchy = hierarchies[controller] {
                add(hierarchy.version, hierarchy.version == 2 ? "unified" : controller.version1Name, hierarchy.path)
            }
        }
        return directories
    }

    /// The names of the v1 controllers that one hierarchy serves, this one of them among them: they are mounted together or not at all.
    public func controllers(besides controller: String) -> [String] {
        guard let path = hierarchies.first(where: { $0.key.version1Name == controller })?.value.path else { return [controller] }
        return CgroupController.allCases.filter { hierarchies[$0] == CgroupHierarchy(version: 1, path: path) }.map(\.version1Name)
    }

    /// In every hierarchy, whatever a group's limits were.
    func everyDirectory(_ name: String) -> [CgroupDirectory] {
        var all = directories(name, Set(CgroupController.allCases))
        if let unified, !all.contains(where: { $0.version == 2 }) {
            all.append(CgroupDirectory(version: 2, controller: "unified", path: "\(unified)/\(name)"))
        }
        return all
    }

    /// Names of the groups directly below `parent`, in any hierarchy: what a former agent may have left behind.
    public func children(of parent: String) -> [String] {
        Set(everyDirectory(parent).flatMap { CgroupFile.subdirectories($0.path) }).sorted()
    }

    /// Which controllers these limits need; those that the machine lacks are among them.
    public func controllers(of limits: CgroupLimits) -> Set<CgroupController> {
        var needed: Set<CgroupController> = []
        for rule in LimitRule.all where rule.isAsked(limits) {
            if let controller = rule.controller { needed.insert(controller) }
        }
        return needed
    }
}
