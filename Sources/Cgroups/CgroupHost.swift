// What cgroups this machine has: v1 (a hierarchy per controller), v2 (one hierarchy), or both beside each other.

import Glibc

public enum CgroupController: String, Sendable, Hashable, CaseIterable, Codable {
    case memory, cpu, cpuacct, pids

    /// v2 accounts CPU time in every group, so `cpuacct` is part of `cpu` there.
    static let ofVersion2: [CgroupController] = [.memory, .cpu, .pids]
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

public struct CgroupHost: Sendable, Hashable {
    public enum Layout: Sendable, Hashable {
        /// Every controller that we use sits on v1 (a v2 hierarchy without them may exist beside: "hybrid").
        case version1(hybrid: Bool)
        case version2
        case none
    }

    public let root: String
    public let layout: Layout
    /// Mount point per controller; on v2 all are `root`.
    let hierarchies: [CgroupController: String]

    /// Looks at the directories below `root`, which are what systemd and container hosts agree on.
    public init(root: String = "/sys/fs/cgroup") {
        self.root = root
        if CgroupFile.exists("\(root)/cgroup.controllers") {
            let available = (CgroupFile.read("\(root)/cgroup.controllers") ?? "").split(whereSeparator: \.isWhitespace)
            let usable = CgroupController.ofVersion2.filter { available.contains(Substring($0.rawValue)) }
            layout = .version2
            hierarchies = Dictionary(uniqueKeysWithValues: usable.map { ($0, root) })
            return
        }
        var found: [CgroupController: String] = [:]
        for controller in CgroupController.allCases where CgroupFile.exists("\(root)/\(controller.rawValue)/cgroup.procs") {
            found[controller] = "\(root)/\(controller.rawValue)"
        }
        hierarchies = found
        let hybrid = CgroupFile.exists("\(root)/unified/cgroup.controllers")
        layout = found.isEmpty ? .none : .version1(hybrid: hybrid)
    }

    public var controllers: Set<CgroupController> { Set(hierarchies.keys) }

    /// The group of this name; nothing is made yet. `name` is relative to the hierarchies' roots: "swiftlet.alice/pod_main_0".
    public func group(_ name: String) -> Cgroup {
        switch layout {
        case .none: return Cgroup(host: self, name: name, directories: [])
        case .version2:
            return Cgroup(
                host: self, name: name,
                directories: [CgroupDirectory(version: 2, controller: "unified", path: "\(root)/\(name)")])
        case .version1:
            // cpu and cpuacct may be one hierarchy under two names: the same directory is joined once.
            var seen: Set<String> = []
            var directories: [CgroupDirectory] = []
            for controller in CgroupController.allCases {
                guard let mount = hierarchies[controller] else { continue }
                let path = "\(Self.resolved(mount))/\(name)"
                if seen.insert(path).inserted {
                    directories.append(CgroupDirectory(version: 1, controller: controller.rawValue, path: path))
                }
            }
            return Cgroup(host: self, name: name, directories: directories)
        }
    }

    /// Names of the groups directly below `parent`, in any hierarchy: what a former agent may have left behind.
    public func children(of parent: String) -> [String] {
        let parents = group(parent).directories.map(\.path)
        return Set(parents.flatMap { CgroupFile.subdirectories($0) }).sorted()
    }

    private static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}
