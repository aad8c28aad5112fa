// Where the hierarchies of a machine are, read from tables and directories that are not this machine's.

import Glibc
import Testing

@testable import Cgroups

@Suite("Finding cgroups")
struct DetectionTests {
    static let hybrid = """
        31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 master:2 - cgroup cgroup rw,cpu,cpuacct
        35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
        38 31 0:35 / /somewhere\\040else/io rw - cgroup cgroup rw,blkio
        40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
        not a line
        """

    @Test("the mount table tells the hierarchies, wherever they are mounted")
    func mountTable() {
        let places = CgroupMounts.places(mountinfo: Self.hybrid)
        #expect(
            places.version1 == [
                .cpu: "/sys/fs/cgroup/cpu,cpuacct", .cpuacct: "/sys/fs/cgroup/cpu,cpuacct", .memory: "/sys/fs/cgroup/memory",
                .io: "/somewhere else/io",
            ])
        #expect(places.unified == "/sys/fs/cgroup/unified")
        #expect(CgroupMounts.places(mountinfo: "").isEmpty)
    }

    @Test("a controller that sits on v2 beside v1 is used there, with what the machine has of it")
    func hybridController() throws {
        let root = try FakeRoot(FakeCgroupTests.version1)
        defer { root.remove() }
        try root.put("unified/cgroup.controllers", "hugetlb\n")
        try root.put("pages/hugepages-2048kB/nr_hugepages", "0")
        try root.put("pages/hugepages-1048576kB/nr_hugepages", "0")
        try root.put("cpuset/cpuset.cpus", "0-5\n")
        try root.put("disks/vda/queue/scheduler", "none mq-deadline [bfq]\n")
        try root.put("blkio/cgroup.procs", "")
        let facts = CgroupHost.MachineFacts(
            blockDevices: "\(root.path)/disks", hugePages: "\(root.path)/pages", pressure: "\(root.path)/no")
        let host = CgroupHost(root: root.path, facts: facts)
        #expect(host.layout == .version1(hybrid: true))
        #expect(host.hierarchies[.hugetlb] == CgroupHierarchy(version: 2, path: "\(root.path)/unified"))
        #expect(host.hugePageSizes == ["2MB", "1GB"] && host.cpus == "0-5")
        #expect(host.features.isSuperset(of: [.ioWeight, .bfqWeight]) && !host.features.contains(.pressure))
    }

    @Test("a v2 kernel's gaps show in the files of any group below the root")
    func features() throws {
        let root = try FakeRoot(["g/memory.max", "g/memory.oom.group", "g/cgroup.procs", "g/cpu.max"])
        defer { root.remove() }
        try root.put("cgroup.controllers", "cpu memory io\n")
        let host = CgroupHost(root: root.path)
        #expect(host.features.contains(.oomGroup) && !host.features.contains(.swap) && !host.features.contains(.cpuBurst))
        #expect(host.features.contains(.ioThrottle), "no group uses io yet, so nothing speaks against it")
        #expect(!host.features.contains(.kill))
    }

    @Test("an ordinary user may use its own group where that was given to it, and nothing else")
    func delegated() throws {
        let root = try FakeRoot(["user/me/cgroup.procs", "user/me/cgroup.subtree_control"])
        defer { root.remove() }
        try root.put("cgroup.controllers", "cpu memory pids io\n")
        try root.put("user/me/cgroup.controllers", "memory pids\n")
        let machine = CgroupHost(root: root.path)
        let mine = machine.delegated(ownGroups: "0::/user/me\n") { $0.hasPrefix("\(root.path)/user/me") }
        #expect(mine.controllers == [.memory, .pids])
        #expect(mine.group("t").directories.map(\.path) == ["\(root.path)/user/me/t"])
        #expect(mine.unenforceable(CgroupLimits(cpuMillis: 1)).map(\.field) == ["cpuMillis"])
        let nothing = machine.delegated(ownGroups: "0::/user/me\n") { _ in false }
        #expect(nothing.layout == .none)
    }

    @Test("on v1 each controller's directory is delegated by itself")
    func delegatedVersion1() throws {
        let root = try FakeRoot(FakeCgroupTests.version1)
        defer { root.remove() }
        let mine = CgroupHost(root: root.path).delegated(ownGroups: "4:memory:/u\n8:pids:/\n1:cpu,cpuacct:/x\n") {
            $0.hasSuffix("memory/u")
        }
        #expect(mine.controllers == [.memory])
        #expect(mine.group("t").directories.map(\.path) == ["\(root.path)/memory/u/t"])
        #expect(mine.unenforceable(CgroupLimits(memoryBytes: 1, pids: 1)).map(\.field) == ["pids"])
    }

    @Test("a delegated group's members are moved below it, for a group with members can have no controllers for its children")
    func vacated() throws {
        let root = try FakeRoot(["cgroup.controllers", "cgroup.procs"])
        defer { root.remove() }
        let host = CgroupHost(root: root.path)
        #expect(try host.vacated(into: "self") == host)
        #expect(!CgroupFile.exists("\(root.path)/self"), "nobody is there to be moved")
    }

    @Test(
        "stalls are read in both forms of the kernel's line",
        arguments: [
            ("some avg10=1.50 avg60=0.00 avg300=0.00 total=7\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=3\n", 1.5, 7, 3),
            ("some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n", 0, 9, 0),
        ] as [(String, Double, Int64, Int64)])
    func pressure(text: String, percent: Double, some: Int64, full: Int64) throws {
        let stall = try #require(PressureStall(text: text))
        #expect(stall.somePercent == percent && stall.someMicroseconds == some && stall.fullMicroseconds == full)
        #expect(PressureStall(text: "") == nil && PressureStall(text: "nonsense") == nil)
    }
}
