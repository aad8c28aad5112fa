// Finding hierarchies, making groups and reading them, over a made-up root of either version.

import Glibc
import Testing

@testable import Cgroups

@Suite("Cgroups on a made-up root")
struct FakeCgroupTests {
    static let version1 = ["memory", "cpu", "cpuacct", "pids", "cpuset"].map { "\($0)/cgroup.procs" }

    @Test("a hybrid machine is recognised by its v1 controllers and the v2 hierarchy beside them")
    func hybrid() throws {
        let root = try FakeRoot(Self.version1 + ["unified/cgroup.controllers"])
        defer { root.remove() }
        let host = CgroupHost(root: root.path)
        #expect(host.layout == .version1(hybrid: true))
        #expect(host.controllers == [.memory, .cpu, .cpuacct, .pids, .cpuset])
        #expect(host.group("swiftlet.alice/a").directories.map(\.controller) == ["memory", "cpu", "cpuacct", "pids"])
    }

    @Test("on v2 there is one directory, and only controllers that the machine offers")
    func version2() throws {
        let root = try FakeRoot([])
        defer { root.remove() }
        try root.put("cgroup.controllers", "cpuset cpu io pids\n")
        let host = CgroupHost(root: root.path)
        #expect(host.layout == .version2)
        #expect(host.controllers == [.cpu, .pids, .cpuset, .io])
        let group = host.group("p/c")
        #expect(group.directories == [CgroupDirectory(version: 2, controller: "unified", path: "\(root.path)/p/c")])
        #expect(throws: CgroupError.self) { try group.create(limits: CgroupLimits(memoryBytes: 1 << 20)) }
        #expect(!group.exists, "nothing is made when a limit cannot be enforced")
    }

    @Test("cpu and cpuacct that are one hierarchy are joined once")
    func combined() throws {
        let root = try FakeRoot(["cpu,cpuacct/cgroup.procs", "memory/cgroup.procs", "pids/cgroup.procs"])
        defer { root.remove() }
        symlink("cpu,cpuacct", "\(root.path)/cpu")
        symlink("cpu,cpuacct", "\(root.path)/cpuacct")
        let directories = CgroupHost(root: root.path).group("g").directories
        #expect(directories.map(\.controller) == ["memory", "cpu", "pids"])
    }

    @Test("a machine without cgroups is said to have none")
    func none() throws {
        let root = try FakeRoot([])
        defer { root.remove() }
        #expect(CgroupHost(root: root.path).layout == .none)
    }

    @Test("v1 limits become the kernel's files", arguments: [(1000, "100000"), (250, "25000"), (1, "1000")] as [(Int64, String)])
    func limits(millis: Int64, quota: String) throws {
        let files =
            ["memory/memory.memsw.limit_in_bytes", "memory/g/memory.limit_in_bytes", "memory/g/memory.memsw.limit_in_bytes"]
            + ["cpu/g/cpu.cfs_period_us", "cpu/g/cpu.cfs_quota_us", "pids/g/pids.max"]
        let root = try FakeRoot(Self.version1 + files)
        defer { root.remove() }
        let group = CgroupHost(root: root.path).group("g")
        try group.create(limits: CgroupLimits(memoryBytes: 1_048_576, cpuMillis: millis, pids: 20))
        #expect(root.text("memory/g/memory.limit_in_bytes") == "1048576")
        #expect(root.text("memory/g/memory.memsw.limit_in_bytes") == "1048576")
        #expect(root.text("cpu/g/cpu.cfs_period_us") == "100000")
        #expect(root.text("cpu/g/cpu.cfs_quota_us") == quota)
        #expect(root.text("pids/g/pids.max") == "20")
    }

    @Test("v2 limits and usage")
    func version2Files() throws {
        let root = try FakeRoot(["g/memory.max", "g/memory.swap.max", "g/cpu.max", "g/pids.max", "cgroup.subtree_control"])
        defer { root.remove() }
        try root.put("cgroup.controllers", "cpu memory pids\n")
        try root.put("g/memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\n")
        try root.put("g/memory.peak", "4096\n")
        try root.put("g/memory.current", "2048\n")
        try root.put("g/cpu.stat", "usage_usec 12\nuser_usec 7\nsystem_usec 5\nnr_throttled 9\n")
        let group = CgroupHost(root: root.path).group("g")
        try group.create(limits: CgroupLimits(memoryBytes: 99, cpuMillis: 1500, pids: 7))
        #expect(root.text("g/memory.max") == "99")
        #expect(root.text("g/memory.swap.max") == "0")
        #expect(root.text("g/cpu.max") == "150000 100000")
        #expect(root.text("g/pids.max") == "7")
        let usage = group.usage()
        #expect(usage.oomKills == 2 && usage.memoryPeakBytes == 4096 && usage.memoryBytes == 2048)
        #expect(usage.cpuNanoseconds == 12_000 && usage.throttledPeriods == 9)
    }

    @Test("groups below a parent are found in every hierarchy")
    func children() throws {
        let root = try FakeRoot(Self.version1 + ["memory/p/a/x", "pids/p/b/x"])
        defer { root.remove() }
        #expect(CgroupHost(root: root.path).children(of: "p") == ["a", "b"])
    }
}
