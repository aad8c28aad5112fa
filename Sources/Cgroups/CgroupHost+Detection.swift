// Looks at the machine: the directories that systemd and container hosts agree on, else wherever /proc/self/mountinfo has cgroups.

import Glibc

extension CgroupHost {
    /// Looks at the directories below `root`; where there are none, and `root` is the usual one, at the mount table.
    public init(root: String = "/sys/fs/cgroup") {
        self.init(root: root, facts: MachineFacts())
    }

    init(root: String, facts: MachineFacts) {
        var places = Self.usualPlaces(root)
        if places.isEmpty, root == "/sys/fs/cgroup", let table = CgroupFile.read("/proc/self/mountinfo", maximumBytes: 1 << 20) {
            places = CgroupMounts.places(mountinfo: table)
        }
        self.init(root: root, places: places, facts: facts)
    }

    /// The machine beyond the cgroup file system; tests give their own.
    struct MachineFacts {
        var blockDevices = "/sys/block"
        var hugePages = "/sys/kernel/mm/hugepages"
        var pressure = "/proc/pressure"
    }

    /// Where hierarchies are: v1 by controller, and v2.
    struct Places: Equatable {
        var version1: [CgroupController: String] = [:]
        var unified: String?
        var isEmpty: Bool { version1.isEmpty && unified == nil }
    }

    static func usualPlaces(_ root: String) -> Places {
        var places = Places()
        if CgroupFile.exists("\(root)/cgroup.controllers") {
            places.unified = root
            return places
        }
        for controller in CgroupController.allCases {
            let path = "\(root)/\(controller.version1Name)"
            if CgroupFile.exists("\(path)/cgroup.procs") { places.version1[controller] = resolved(path) }
        }
        if CgroupFile.exists("\(root)/unified/cgroup.controllers") { places.unified = "\(root)/unified" }
        return places
    }

    init(root: String, places: Places, facts: MachineFacts) {
        var hierarchies = places.version1.mapValues { CgroupHierarchy(version: 1, path: $0) }
        if let unified = places.unified {
            let offered = (CgroupFile.read("\(unified)/cgroup.controllers") ?? "").split(whereSeparator: \.isWhitespace)
            for controller in CgroupController.ofVersion2 where offered.contains(Substring(controller.rawValue)) {
                hierarchies[controller] = CgroupHierarchy(version: 2, path: unified)
            }
        }
        let cpuset = hierarchies[.cpuset]
        func members(_ file: String) -> String {
            let names = cpuset?.version == 2 ? ["\(file).effective", file] : [file, "effective_\(file)"]
            for name in names {
                guard let text = cpuset.flatMap({ CgroupFile.read("\($0.path)/cpuset.\(name)") }) else { continue }
                let trimmed = String(text.prefix { $0 != "\n" })
                if !trimmed.isEmpty { return trimmed }
            }
            return "0"
        }
        self.init(
            root: root, hierarchies: hierarchies, unified: places.unified,
            features: Self.features(hierarchies, unified: places.unified, facts: facts), cpus: members("cpus"),
            memoryNodes: members("mems"), hugePageSizes: Self.hugePageSizes(facts.hugePages))
    }

    private static func features(
        _ hierarchies: [CgroupController: CgroupHierarchy], unified: String?, facts: MachineFacts
    ) -> Set<CgroupFeature> {
        var features: Set<CgroupFeature> = []
        func add(_ feature: CgroupFeature, _ present: Bool) { if present { features.insert(feature) } }
        // A v2 root has none of the limits' files; any group below it shows what this kernel has.
        let below = unified.map(filesOfGroups) ?? []
        func version2(_ file: String, of controller: CgroupController) -> Bool {
            guard hierarchies[controller]?.version == 2 else { return false }
            // No group uses the controller yet: every kernel that can start us (5.14) has these files.
            return below.contains(file) || !below.contains { $0.hasPrefix("\(controller.rawValue).") && $0.hasSuffix(".max") }
        }
        func version1(_ file: String, of controller: CgroupController) -> Bool {
            hierarchies[controller].map { $0.version == 1 && CgroupFile.exists("\($0.path)/\(file)") } ?? false
        }
        add(.swap, version2("memory.swap.max", of: .memory) || version1("memory.memsw.limit_in_bytes", of: .memory))
        add(.oomGroup, version2("memory.oom.group", of: .memory))
        add(.cpuBurst, version2("cpu.max.burst", of: .cpu) || version1("cpu.cfs_burst_us", of: .cpu))
        add(.cpuIdle, version2("cpu.idle", of: .cpu) || version1("cpu.idle", of: .cpu))
        add(.ioThrottle, version2("io.max", of: .io) || version1("blkio.throttle.read_bps_device", of: .io))
        add(.bfqWeight, hierarchies[.io] != nil && hasFairQueueing(facts))
        add(.ioWeight, features.contains(.bfqWeight) || (hierarchies[.io].map(weighs) ?? false))
        add(.kill, unified != nil && (below.isEmpty || below.contains("cgroup.kill")))
        add(.pressure, unified != nil && CgroupFile.exists("\(facts.pressure)/memory"))
        return features
    }

    /// A weight acts only where a device's scheduler (bfq) or cost model (`io.cost.qos`) looks at it.
    private static func weighs(_ hierarchy: CgroupHierarchy) -> Bool {
        if hierarchy.version == 1 { return CgroupFile.exists("\(hierarchy.path)/blkio.weight") }  // CFQ, before Linux 5.0
        return (CgroupFile.read("\(hierarchy.path)/io.cost.qos") ?? "").contains("enable=1")
    }

    private static func hasFairQueueing(_ facts: MachineFacts) -> Bool {
        CgroupFile.entries(facts.blockDevices).contains {
            (CgroupFile.read("\(facts.blockDevices)/\($0)/queue/scheduler") ?? "").contains("[bfq]")
        }
    }

    /// File names of the first few groups below `root`, together.
    private static func filesOfGroups(_ root: String) -> Set<String> {
        CgroupFile.subdirectories(root).prefix(8).reduce(into: []) { $0.formUnion(CgroupFile.entries("\(root)/\($1)")) }
    }

    /// "hugepages-2048kB" is "2MB" in the controller's files.
    private static func hugePageSizes(_ directory: String) -> Set<String> {
        Set(
            CgroupFile.entries(directory).compactMap { name in
                guard name.hasPrefix("hugepages-"), let kibibytes = Int64(name.dropFirst(10).prefix { $0.isNumber }) else {
                    return nil
                }
                if kibibytes >= 1 << 20 { return "\(kibibytes >> 20)GB" }
                return kibibytes >= 1 << 10 ? "\(kibibytes >> 10)MB" : "\(kibibytes)KB"
            })
    }

    private static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}

/// The mount table's rows about cgroups (proc_pid_mountinfo(5)).
enum CgroupMounts {
    static func places(mountinfo: String) -> CgroupHost.Places {
        var places = CgroupHost.Places()
        for line in mountinfo.split(separator: "\n") {
            let words = line.split(separator: " ")
            // Six fields, optional ones, "-", then type, source and options of the file system.
            guard let separator = words.indices.first(where: { $0 >= 6 && words[$0] == "-" }), words.count > separator + 3 else {
                continue
            }
            let right = words[(separator + 1)...].map { $0 }
            let mountPoint = unescaped(words[4])
            // A later mount hides an earlier one at the same place; at another place the first is as good.
            if right[0] == "cgroup2", places.unified == nil { places.unified = mountPoint }
            if right[0] == "cgroup" {
                for option in right[2].split(separator: ",") {
                    guard let controller = CgroupController.allCases.first(where: { $0.version1Name == option }) else { continue }
                    if places.version1[controller] == nil { places.version1[controller] = mountPoint }
                }
            }
        }
        return places
    }

    /// Space, tab, newline and backslash are written as `\040` and so on.
    static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let code = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
