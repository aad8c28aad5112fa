// The operations that make a group, for machines that are not here: no root, no file system.

import Testing

@testable import Cgroups

enum Machine {
    static func version1(_ more: [CgroupController] = [.cpuset, .io, .hugetlb, .devices, .freezer]) -> CgroupHost {
        let controllers: [CgroupController] = [.memory, .cpu, .cpuacct, .pids] + more
        return CgroupHost(
            hierarchies: Dictionary(
                uniqueKeysWithValues: controllers.map { ($0, CgroupHierarchy(version: 1, path: "/cg/\($0.version1Name)")) }),
            features: [.swap, .cpuBurst, .cpuIdle, .ioThrottle, .ioWeight, .bfqWeight], cpus: "0-7", memoryNodes: "0-1",
            hugePageSizes: ["2MB", "1GB"])
    }

    static func version2(features: Set<CgroupFeature> = Set(CgroupFeature.allCases).subtracting([.bfqWeight])) -> CgroupHost {
        CgroupHost(
            hierarchies: Dictionary(
                uniqueKeysWithValues: CgroupController.ofVersion2.map { ($0, CgroupHierarchy(version: 2, path: "/cg")) }),
            unified: "/cg", features: features, cpus: "0-7", memoryNodes: "0-1", hugePageSizes: ["2MB"])
    }

    /// As on the machine where all of this was first measured: only hugetlb on v2.
    static var hybrid: CgroupHost {
        var hierarchies = version1([.cpuset, .io, .devices, .freezer]).hierarchies
        hierarchies[.hugetlb] = CgroupHierarchy(version: 2, path: "/cg/unified")
        return CgroupHost(
            hierarchies: hierarchies, unified: "/cg/unified", features: [.swap, .cpuBurst, .ioThrottle, .kill],
            hugePageSizes: ["2MB"])
    }
}

@Suite("Plans of groups")
struct PlanTests {
    static var pod: CgroupLimits { CgroupLimits(memoryBytes: 2048, cpuMillis: 1500, pids: 20) }

    static var full: CgroupLimits {
        var limits = CgroupLimits(memoryBytes: 1024, cpuMillis: 500, pids: 10)
        limits.memoryHighBytes = 900
        limits.memoryReservationBytes = 100
        limits.swapBytes = 24
        limits.cpuShares = 512
        limits.cpuBurstMicroseconds = 1000
        limits.cpusetCPUs = "0-1"
        limits.cpusetMemoryNodes = "0"
        limits.ioWeight = 50
        limits.ioDevices = [IODeviceLimit(major: 8, minor: 0, readBytesPerSecond: 7, writeOperationsPerSecond: 9)]
        limits.hugePages = [HugePageLimit(pageSize: "2MB", bytes: 4)]
        return limits
    }

    @Test("the default limits on v1 make the accounting groups of pod and container, outermost first, and join the innermost")
    func version1() {
        let plan = Machine.version1().plan([
            CgroupLevel("swiftlet.alice/pod", Self.pod), CgroupLevel("main_0", CgroupLimits(memoryBytes: 1024)),
        ])
        #expect(
            plan.text == """
                make 1 /cg/memory/swiftlet.alice
                make 1 /cg/cpu/swiftlet.alice
                make 1 /cg/cpuacct/swiftlet.alice
                make 1 /cg/pids/swiftlet.alice
                make 1 /cg/memory/swiftlet.alice/pod
                make 1 /cg/cpu/swiftlet.alice/pod
                make 1 /cg/cpuacct/swiftlet.alice/pod
                make 1 /cg/pids/swiftlet.alice/pod
                set /cg/memory/swiftlet.alice/pod memory.limit_in_bytes 2048
                set /cg/memory/swiftlet.alice/pod memory.memsw.limit_in_bytes 2048
                set /cg/cpu/swiftlet.alice/pod cpu.cfs_period_us 100000
                set /cg/cpu/swiftlet.alice/pod cpu.cfs_quota_us 150000
                set /cg/pids/swiftlet.alice/pod pids.max 20
                make 1 /cg/memory/swiftlet.alice/pod/main_0
                make 1 /cg/cpu/swiftlet.alice/pod/main_0
                make 1 /cg/cpuacct/swiftlet.alice/pod/main_0
                make 1 /cg/pids/swiftlet.alice/pod/main_0
                set /cg/memory/swiftlet.alice/pod/main_0 memory.limit_in_bytes 1024
                set /cg/memory/swiftlet.alice/pod/main_0 memory.memsw.limit_in_bytes 1024
                join 1 memory /cg/memory/swiftlet.alice/pod/main_0
                join 1 cpu /cg/cpu/swiftlet.alice/pod/main_0
                join 1 cpuacct /cg/cpuacct/swiftlet.alice/pod/main_0
                join 1 pids /cg/pids/swiftlet.alice/pod/main_0
                remove /cg/memory/swiftlet.alice/pod/main_0
                remove /cg/cpu/swiftlet.alice/pod/main_0
                remove /cg/cpuacct/swiftlet.alice/pod/main_0
                remove /cg/pids/swiftlet.alice/pod/main_0

                """)
    }

    @Test("every limit on v1: a cpuset's first level takes the machine's CPUs, and its children copy them")
    func version1Full() {
        var limits = Self.full
        limits.freezable = true
        limits.devices = [
            DeviceRule(allow: false), DeviceRule(allow: true, kind: .character, major: 1, minor: 3, access: [.read, .write]),
            DeviceRule(allow: true, kind: .block, major: 8),
        ]
        #expect(
            Machine.version1().plan([CgroupLevel("t", limits)]).text == """
                make 1 /cg/memory/t
                make 1 /cg/cpu/t
                make 1 /cg/cpuacct/t
                make 1 /cg/pids/t
                make 1 /cg/cpuset/t
                set /cg/cpuset/t cpuset.cpus 0-7
                set /cg/cpuset/t cpuset.mems 0-1
                set /cg/cpuset/t cgroup.clone_children 1
                make 1 /cg/blkio/t
                make 1 /cg/hugetlb/t
                make 1 /cg/devices/t
                make 1 /cg/freezer/t
                set /cg/memory/t memory.soft_limit_in_bytes 900
                set /cg/memory/t memory.limit_in_bytes 1024
                set /cg/memory/t memory.memsw.limit_in_bytes 1048
                set /cg/cpu/t cpu.shares 512
                set /cg/cpu/t cpu.cfs_period_us 100000
                set /cg/cpu/t cpu.cfs_quota_us 50000
                set /cg/cpu/t cpu.cfs_burst_us 1000
                set /cg/cpuset/t cpuset.cpus 0-1
                set /cg/cpuset/t cpuset.mems 0
                set /cg/pids/t pids.max 10
                set /cg/blkio/t blkio.bfq.weight 50
                set /cg/blkio/t blkio.throttle.read_bps_device 8:0 7
                set /cg/blkio/t blkio.throttle.write_iops_device 8:0 9
                set /cg/hugetlb/t hugetlb.2MB.limit_in_bytes 4
                set /cg/devices/t devices.deny a *:* rwm
                set /cg/devices/t devices.allow c 1:3 rw
                set /cg/devices/t devices.allow b 8:* rwm
                join 1 memory /cg/memory/t
                join 1 cpu /cg/cpu/t
                join 1 cpuacct /cg/cpuacct/t
                join 1 pids /cg/pids/t
                join 1 cpuset /cg/cpuset/t
                join 1 blkio /cg/blkio/t
                join 1 hugetlb /cg/hugetlb/t
                join 1 devices /cg/devices/t
                join 1 freezer /cg/freezer/t
                remove /cg/memory/t
                remove /cg/cpu/t
                remove /cg/cpuacct/t
                remove /cg/pids/t
                remove /cg/cpuset/t
                remove /cg/blkio/t
                remove /cg/hugetlb/t
                remove /cg/devices/t
                remove /cg/freezer/t

                """)
    }

    @Test("every limit on v2: each level's parent enables the controllers, and one directory is joined")
    func version2() {
        var limits = Self.full
        limits.oomGroup = true
        limits.freezable = true
        limits.unified = ["memory.min": "5"]
        let plan = Machine.version2().plan([CgroupLevel("swiftlet.alice/pod", Self.pod), CgroupLevel("main_0", limits)])
        #expect(
            plan.text == """
                set /cg cgroup.subtree_control +memory +cpu +pids +cpuset +io +hugetlb
                make 2 /cg/swiftlet.alice
                set /cg/swiftlet.alice cgroup.subtree_control +memory +cpu +pids +cpuset +io +hugetlb
                make 2 /cg/swiftlet.alice/pod
                set /cg/swiftlet.alice/pod memory.swap.max 0
                set /cg/swiftlet.alice/pod memory.max 2048
                set /cg/swiftlet.alice/pod cpu.max 150000 100000
                set /cg/swiftlet.alice/pod pids.max 20
                set /cg/swiftlet.alice/pod cgroup.subtree_control +memory +cpu +pids +cpuset +io +hugetlb
                make 2 /cg/swiftlet.alice/pod/main_0
                set /cg/swiftlet.alice/pod/main_0 memory.low 100
                set /cg/swiftlet.alice/pod/main_0 memory.high 900
                set /cg/swiftlet.alice/pod/main_0 memory.oom.group 1
                set /cg/swiftlet.alice/pod/main_0 memory.swap.max 24
                set /cg/swiftlet.alice/pod/main_0 memory.max 1024
                set /cg/swiftlet.alice/pod/main_0 cpu.weight 20
                set /cg/swiftlet.alice/pod/main_0 cpu.max 50000 100000
                set /cg/swiftlet.alice/pod/main_0 cpu.max.burst 1000
                set /cg/swiftlet.alice/pod/main_0 cpuset.cpus 0-1
                set /cg/swiftlet.alice/pod/main_0 cpuset.mems 0
                set /cg/swiftlet.alice/pod/main_0 pids.max 10
                set /cg/swiftlet.alice/pod/main_0 io.weight default 50
                set /cg/swiftlet.alice/pod/main_0 io.max 8:0 rbps=7 wiops=9
                set /cg/swiftlet.alice/pod/main_0 hugetlb.2MB.max 4
                set /cg/swiftlet.alice/pod/main_0 memory.min 5
                join 2 unified /cg/swiftlet.alice/pod/main_0
                remove /cg/swiftlet.alice/pod/main_0

                """)
    }

    @Test("a hybrid machine joins v1 groups, and the v2 group only for a controller that sits there")
    func hybrid() {
        let host = Machine.hybrid
        let plain = host.plan([CgroupLevel("t", CgroupLimits(pids: 3))])
        #expect(plain.joins.map(\.version) == [1, 1, 1, 1])
        var limits = CgroupLimits()
        limits.hugePages = [HugePageLimit(pageSize: "2MB", bytes: 0)]
        let huge = host.plan([CgroupLevel("t", limits)])
        #expect(huge.joins.map(\.controller) == ["memory", "cpu", "cpuacct", "pids", "unified"])
        #expect(huge.operations.contains(.set(directory: "/cg/unified", file: "cgroup.subtree_control", value: "+hugetlb")))
        #expect(huge.operations.contains(.set(directory: "/cg/unified/t", file: "hugetlb.2MB.max", value: "0")))
    }

    @Test("a container joins every controller that its pod has a limit in")
    func podControllers() {
        var pod = CgroupLimits()
        pod.cpusetCPUs = "0"
        let plan = Machine.version1().plan([CgroupLevel("pod", pod), CgroupLevel("c")])
        #expect(plan.joins.map(\.path).contains("/cg/cpuset/pod/c"))
        #expect(!plan.text.contains("\nset /cg/cpuset/pod/c"), "it copies its parent's")
        #expect(Machine.version1().group("pod/c", for: pod, CgroupLimits()).directories == plan.joins)
    }

    @Test("below a prepared group nothing is said about it and above")
    func prepared() {
        let plan = Machine.version2().plan([CgroupLevel("c", CgroupLimits(pids: 1))], below: "swiftlet.alice")
        #expect(
            plan.text == """
                set /cg/swiftlet.alice cgroup.subtree_control +memory +cpu +pids
                make 2 /cg/swiftlet.alice/c
                set /cg/swiftlet.alice/c pids.max 1
                join 2 unified /cg/swiftlet.alice/c
                remove /cg/swiftlet.alice/c

                """)
    }

    @Test("taking a limit away is written as the version says it")
    func unlimited() {
        let none = CgroupLimits.unlimited
        var limits = CgroupLimits(memoryBytes: none, cpuMillis: none, pids: none)
        limits.ioDevices = [IODeviceLimit(major: 8, minor: 0, writeBytesPerSecond: none)]
        let one = Machine.version1().settings(limits).map { "\($0.file) \($0.value)" }
        #expect(
            one == [
                "memory.limit_in_bytes -1", "memory.memsw.limit_in_bytes -1", "cpu.cfs_period_us 100000", "cpu.cfs_quota_us -1",
                "pids.max max",
                "blkio.throttle.write_bps_device 8:0 0",
            ])
        let two = Machine.version2().settings(limits).map { "\($0.file) \($0.value)" }
        #expect(two == ["memory.swap.max max", "memory.max max", "cpu.max max 100000", "pids.max max", "io.max 8:0 wbps=max"])
    }

    @Test(
        "a quota is kept to the microsecond, and never below what the kernel takes",
        arguments: [
            (nil, 12_345, nil, "12345 100000"), (250, nil, 50_000, "12500 50000"), (1, nil, nil, "1000 100000"),
        ] as [(Int64?, Int64?, Int64?, String)])
    func quota(millis: Int64?, quota: Int64?, period: Int64?, expected: String) {
        var limits = CgroupLimits(cpuMillis: millis)
        limits.cpuQuotaMicroseconds = quota
        limits.cpuPeriodMicroseconds = period
        #expect(Machine.version2().settings(limits).map(\.value) == [expected])
    }

    @Test(
        "shares and weights map onto each other at their ends and defaults",
        arguments: [(2, 1), (1024, 39), (262_144, 10_000)] as [(Int64, Int64)])
    func weights(shares: Int64, weight: Int64) {
        #expect(CgroupHost.weight(shares: shares) == weight)
        #expect(CgroupHost.weight(shares: CgroupHost.shares(weight: weight)) >= weight - 1)
        #expect(CgroupHost.shares(weight: 1) == 2 && CgroupHost.shares(weight: 10_000) == 262_144)
    }

    @Test("a pod's group gets the containers' sums, and no limit where one container has none")
    func sums() {
        let a = CgroupLimits(memoryBytes: 10, cpuMillis: 100, pids: 5)
        let b = CgroupLimits(memoryBytes: 20, cpuMillis: 200)
        let sum = CgroupLimits.podSum([a, b])
        #expect(sum.memoryBytes == 30 && sum.cpuMillis == 300 && sum.pids == nil)
        #expect(CgroupLimits.podSum([a, b], pod: CgroupLimits(memoryBytes: 25)).memoryBytes == 25)
        #expect(CgroupLimits.podSum([CgroupLimits(memoryBytes: .max), a]).memoryBytes == nil)
        #expect(CgroupLimits.podSum([]) == CgroupLimits())
    }
}

@Suite("Limits that a machine cannot enforce")
struct UnenforceableTests {
    @Test("nothing is missed on a machine that has all", arguments: [1, 2])
    func complete(version: Int) {
        let host = version == 1 ? Machine.version1() : Machine.version2()
        #expect(host.unenforceable(PlanTests.full) == [])
        #expect(host.enforceable(PlanTests.full) == PlanTests.full)
    }

    @Test("each gap is named with its field, its reason and a fix, and is what `enforceable` leaves out")
    func gaps() throws {
        let host = Machine.version1([])
        var limits = PlanTests.full
        limits.oomGroup = true
        limits.unified = ["memory.min": "1"]
        let gaps = host.unenforceable(limits)
        #expect(
            gaps.map(\.field) == ["oomGroup", "cpusetCPUs", "cpusetMemoryNodes", "ioWeight", "ioDevices", "hugePages", "unified"])
        #expect(gaps.allSatisfy { !$0.reason.isEmpty && !$0.fix.isEmpty })
        #expect(gaps[3].description.contains("the blkio controller is not offered here; mount the blkio hierarchy"))
        let rest = host.enforceable(limits)
        #expect(host.unenforceable(rest) == [])
        #expect(rest.memoryBytes == 1024 && rest.cpuShares == 512)
    }

    @Test("switching off what a machine has not is no gap")
    func off() {
        var limits = CgroupLimits()
        limits.oomGroup = false
        #expect(Machine.version1().unenforceable(limits) == [])
    }

    @Test("v2 has no swappiness, no OOM without a kill and no device list")
    func version2() {
        var limits = CgroupLimits()
        limits.swappiness = 1
        limits.oomKillDisabled = true
        limits.devices = [DeviceRule(allow: false)]
        #expect(Machine.version2().unenforceable(limits).map(\.field) == ["swappiness", "oomKillDisabled", "devices"])
    }

    @Test("a weight that no device's scheduler looks at, and a kernel without a file, are gaps")
    func features() {
        let host = Machine.version2(features: [.swap])
        #expect(host.unenforceable(PlanTests.full).map(\.field) == ["cpuBurstMicroseconds", "ioWeight", "ioDevices"])
    }

    @Test("a page size that the machine lacks is a gap of its own")
    func pageSize() {
        var limits = CgroupLimits()
        limits.hugePages = [HugePageLimit(pageSize: "1GB", bytes: 0), HugePageLimit(pageSize: "2MB", bytes: 0)]
        let gaps = Machine.version2().unenforceable(limits)
        #expect(gaps.map(\.reason) == ["the machine has no pages of 1GB, only 2MB"])
        #expect(Machine.version2().enforceable(limits).hugePages.map(\.pageSize) == ["2MB"])
    }

    @Test("a machine without cgroups enforces nothing, and says so for each limit")
    func none() {
        let gaps = CgroupHost(hierarchies: [:]).unenforceable(CgroupLimits(memoryBytes: 1, cpuMillis: 1, pids: 1))
        #expect(gaps.map(\.field) == ["memoryBytes", "cpuMillis", "pids"])
    }
}
