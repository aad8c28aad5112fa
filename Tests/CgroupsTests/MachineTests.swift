// Every limit against the kernel of this machine, as a task meets it: a shell that enters the group by itself and then becomes the program.

import Glibc
import Testing

@testable import Cgroups

@Suite("Limits of this machine's kernel", .enabled(if: geteuid() == 0 && CgroupHost().layout != .none, "needs root and cgroups"))
struct MachineTests {
    static let host = CgroupHost()

    static func has(_ controller: CgroupController, _ feature: CgroupFeature? = nil) -> Bool {
        host.controllers.contains(controller) && (feature.map { host.features.contains($0) } ?? true)
    }

    /// The disk that holds /var/tmp, for throttling; nil on a file system without one.
    static let disk = BlockDevice(holding: "/var/tmp")

    @Test("a group is made with its limits, changed, emptied and removed, twice")
    func roundTrip() throws {
        let lab = try MachineGroup("round", CgroupLimits(memoryBytes: 64 << 20, cpuMillis: 500, pids: 10))
        defer { lab.remove() }
        #expect(lab.group.exists)
        try lab.group.create(limits: CgroupLimits(memoryBytes: 128 << 20))
        try lab.group.set(CgroupLimits(memoryBytes: 32 << 20))
        try lab.group.set(CgroupLimits(memoryBytes: CgroupLimits.unlimited))
        #expect(lab.group.processes() == [] && lab.group.kill() == 0 && lab.group.usage().oomKills == 0)
        try lab.group.remove()
        try lab.group.remove()
        #expect(!lab.group.exists)
    }

    @Test("a task over its memory limit is killed, and the group tells so, with its peak", .enabled(if: has(.memory)))
    func memory() throws {
        let lab = try MachineGroup("memory", CgroupLimits(memoryBytes: 32 << 20))
        defer { lab.remove() }
        let outcome = try lab.run("exec tail /dev/zero")
        #expect(outcome.exitCode == 137)
        let usage = lab.group.usage()
        #expect(usage.oomKills == 1)
        #expect(usage.memoryPeakBytes <= 32 << 20 && usage.memoryPeakBytes > 24 << 20)
    }

    @Test("a pod's limit holds its containers together: each below its own, both above the pod's", .enabled(if: has(.memory)))
    func podMemory() throws {
        let lab = try MachineGroup("pod", CgroupLimits(memoryBytes: 48 << 20))
        defer { lab.remove() }
        let containers = ["a", "b"].map { lab.host.group("\(lab.name)/\($0)") }
        for container in containers { try container.create(limits: CgroupLimits(memoryBytes: 40 << 20)) }
        // A tmpfs page is charged to who wrote it and stays.
        let hold = "head -c 30000000 /dev/zero > /dev/shm/\(lab.name)"
        defer { unlink("/dev/shm/\(lab.name)") }
        #expect(try lab.run(hold, in: containers[0]).exitCode == 0)
        #expect(try lab.run("exec tail /dev/zero", in: containers[1]).exitCode == 137)
        #expect(containers[1].usage().oomKills == 1 && containers[0].usage().oomKills == 0)
        #expect(containers[1].usage().memoryPeakBytes < 30 << 20, "ended by the pod's limit, not its own")
    }

    @Test("a fork over the limit is refused and counted", .enabled(if: has(.pids)))
    func pids() throws {
        let lab = try MachineGroup("pids", CgroupLimits(pids: 5))
        defer { lab.remove() }
        let outcome = try lab.run("for i in 1 2 3 4 5 6 7 8; do sleep 3 & done 2>&1; wait")
        #expect(outcome.output.contains("ork"), "Cannot fork")
        #expect(lab.group.usage().pidsLimitHits > 0)
    }

    @Test("a group that was there before gets every setting, also those that a new one has by itself", .enabled(if: has(.cpu)))
    func defaults() throws {
        let lab = try MachineGroup("defaults", CgroupLimits())
        defer { lab.remove() }
        var limits = CgroupLimits(cpuMillis: 500)
        limits.cpuShares = 1024
        let plan = Self.host.plan([CgroupLevel("inner", limits)], below: lab.name)
        defer { plan.removals.forEach { rmdir($0) } }
        let files = plan.operations.compactMap { operation -> (path: String, value: String)? in
            guard case .set(let directory, let file, let value) = operation, file.hasPrefix("cpu.") else { return nil }
            return ("\(directory)/\(file)", value)
        }
        try #require(!files.isEmpty)
        for round in 0..<2 {
            try Cgroup.apply(plan)
            for file in files {
                let found = CgroupFile.read(file.path)?.split(separator: "\n").first.map(String.init)
                #expect(found == file.value, "\(round): \(file)")
            }
            for file in files {
                let other = file.path.hasSuffix("quota_us") ? "-1" : file.path.hasSuffix("cpu.max") ? "max 50000" : "50000"
                if !file.path.hasSuffix("cpu.weight") { try CgroupFile.write(other, to: file.path) }
            }
        }
    }

    @Test("a quota holds a busy task to its share of a CPU, and throttling is counted", .enabled(if: has(.cpu)))
    func quota() throws {
        let lab = try MachineGroup("quota", CgroupLimits(cpuMillis: 100))
        defer { lab.remove() }
        let outcome = try lab.run("exec timeout 1.5 sh -c 'while :; do :; done'")
        let usage = lab.group.usage()
        #expect(usage.throttledPeriods > 3 && usage.throttledNanoseconds > 0)
        #expect(Double(usage.cpuNanoseconds) / 1e9 < 0.1 * outcome.seconds + 0.1)
        #expect(usage.cpuUserNanoseconds + usage.cpuSystemNanoseconds > 0)
    }

    @Test(
        "of two busy tasks on one CPU the one with four times the shares gets the most", .enabled(if: has(.cpu) && has(.cpuset)))
    func shares() throws {
        var limits = CgroupLimits()
        limits.cpusetCPUs = "0"
        limits.cpusetMemoryNodes = Self.host.memoryNodes
        let lab = try MachineGroup("shares", limits)
        defer { lab.remove() }
        let groups = [2048, 512].map { (shares: Int64) -> (Cgroup, CgroupLimits) in
            var own = CgroupLimits()
            own.cpuShares = shares
            return (lab.host.group("\(lab.name)/\(shares)", for: limits, own), own)
        }
        for (group, own) in groups { try group.create(limits: own) }
        let running = try groups.map { try lab.start("while :; do :; done", in: $0.0, deadline: 120) }
        let used = { groups.map { Double($0.0.usage().cpuNanoseconds) } }
        // Measured only while both run: on a busy machine one may be over before the other begins.
        let deadline = MachineGroup.now() + 60
        while used().contains(where: { $0 < 5e7 }), MachineGroup.now() < deadline { usleep(5_000) }
        let before = used()
        var spent = [0.0, 0.0]
        while spent[0] + spent[1] < 1.5e9, MachineGroup.now() < deadline {
            usleep(5_000)
            spent = zip(used(), before).map { $0 - $1 }
        }
        for (group, _) in groups { group.kill() }
        for task in running { _ = try lab.finish(task) }
        #expect(spent[0] > 2 * spent[1], "\(spent)")
    }

    @Test("a cpuset leaves a task its CPUs alone", .enabled(if: has(.cpuset)))
    func cpuset() throws {
        var limits = CgroupLimits()
        limits.cpusetCPUs = "0"
        let lab = try MachineGroup("cpuset", limits)
        defer { lab.remove() }
        #expect(try lab.run("exec nproc").output == "1\n")
    }

    @Test(
        "a device's write bound slows a task down to it, and its bytes are counted",
        .enabled(if: has(.io, .ioThrottle) && disk != nil))
    func io() throws {
        let disk = try #require(Self.disk)
        var limits = CgroupLimits()
        limits.ioDevices = [IODeviceLimit(major: disk.major, minor: disk.minor, writeBytesPerSecond: 2 << 20)]
        let lab = try MachineGroup("io", limits)
        defer { lab.remove() }
        let file = "/var/tmp/\(lab.name)"
        defer { unlink(file) }
        let outcome = try lab.run("exec dd if=/dev/zero of=\(file) bs=1M count=4 oflag=direct 2>&1")
        #expect(outcome.exitCode == 0, "\(outcome.output)")
        #expect(outcome.seconds > 1.2, "4 MiB at 2 MiB/s")
        #expect(lab.group.usage().writtenBytes >= 4 << 20)
    }

    @Test(
        "a frozen group stands still, even for SIGKILL on v1, and goes on or dies afterwards",
        .enabled(if: host.unenforceable(MachineTests.freezer).isEmpty))
    func freeze() throws {
        let lab = try MachineGroup("freeze", Self.freezer)
        defer { lab.remove() }
        let running = try lab.start("exec sh -c 'while :; do :; done'")
        #expect(MachineGroup.wait { lab.group.usage().cpuNanoseconds > 1_000_000 })
        try lab.group.freeze()
        #expect(lab.group.isFrozen)
        let before = lab.group.usage().cpuNanoseconds
        usleep(100_000)
        #expect(lab.group.usage().cpuNanoseconds - before < 5_000_000)
        try lab.group.thaw()
        #expect(MachineGroup.wait { lab.group.usage().cpuNanoseconds > before + 5_000_000 })
        try lab.group.freeze()
        #expect(lab.group.kill() > 0)
        #expect(MachineGroup.wait { lab.group.kill() == 0 })
        #expect(try lab.finish(running).exitCode == 137)
    }

    static var freezer: CgroupLimits {
        var limits = CgroupLimits()
        limits.freezable = true
        return limits
    }

    @Test("a device list lets through what it names and nothing else", .enabled(if: has(.devices)))
    func devices() throws {
        var limits = CgroupLimits()
        limits.devices = [
            DeviceRule(allow: false), DeviceRule(allow: true, kind: .character, major: 1, minor: 3, access: [.read, .write]),
        ]
        let lab = try MachineGroup("devices", limits)
        defer { lab.remove() }
        #expect(try lab.run("cat /dev/null").exitCode == 0)
        #expect(try lab.run("head -c 1 /dev/zero 2>/dev/null").exitCode == 1)
        #expect(try lab.run("mknod /tmp/\(lab.name) c 1 3 2>/dev/null").exitCode == 1)
    }

    @Test("huge pages are bounded", .enabled(if: has(.hugetlb) && host.hugePageSizes.contains("2MB")))
    func hugePages() throws {
        var limits = CgroupLimits()
        limits.hugePages = [HugePageLimit(pageSize: "2MB", bytes: 4 << 20)]
        let lab = try MachineGroup("huge", limits)
        defer { lab.remove() }
        let version = lab.host.hierarchies[.hugetlb]?.version
        #expect(
            lab.group.path(.hugetlb, version == 2 ? "hugetlb.2MB.max" : "hugetlb.2MB.limit_in_bytes").flatMap(CgroupFile.number)
                == 4 << 20)
    }

    @Test("a limit that the machine lacks is refused before anything is made, or left out when that is permitted")
    func unenforceable() throws {
        var limits = CgroupLimits(pids: 7)
        limits.hugePages = [HugePageLimit(pageSize: "3MB", bytes: 0)]
        let group = Self.host.group("swiftlet-test.\(getpid()).gap", for: limits)
        #expect(throws: CgroupError.self) { try group.create(limits: limits) }
        #expect(!group.exists)
        try group.create(limits: limits, allowUnenforced: true)
        #expect(group.path(.pids, "pids.max").flatMap(CgroupFile.number) == 7)
        try group.remove()
    }

    @Test("killing takes every descendant, also those in groups below")
    func killTree() throws {
        let lab = try MachineGroup("kill", CgroupLimits(pids: 20))
        defer { lab.remove() }
        let below = lab.host.group("\(lab.name)/below")
        try below.create(limits: CgroupLimits())
        let first = try lab.start("trap '' TERM; setsid sleep 19 & exec sleep 19")
        let second = try lab.start("exec sleep 19", in: below)
        #expect(MachineGroup.wait { lab.group.allProcesses().count >= 3 })
        #expect(lab.group.kill() >= 3)
        #expect(MachineGroup.wait { lab.group.kill() == 0 })
        #expect(try lab.finish(first).exitCode == 137)
        #expect(try lab.finish(second).exitCode == 137)
    }
}
