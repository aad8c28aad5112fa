// A task that only thrashes at its limit is told from one that works there.

import Glibc
import Synchronization
import Testing

@testable import Cgroups

@Suite("Recognising thrashing")
struct MemoryThrashingTests {
    /// A second of a task with a limit of 100 MiB.
    struct Second {
        var memory: Int64 = 100 << 20
        var faults: Int64 = 500
        var refaults: Int64 = 5_000
        var own = 0.02
        var stall: Double?
    }

    static func verdicts(_ seconds: [Second], rule: MemoryThrashing.Rule = MemoryThrashing.Rule()) -> [MemoryThrashing.Verdict] {
        var state = MemoryThrashing(rule: rule)
        var usage = CgroupUsage()
        var stall: Int64 = 0
        return seconds.enumerated().map { index, second in
            usage.memoryBytes = second.memory
            usage.majorFaults += second.faults
            usage.refaults += second.refaults
            usage.cpuUserNanoseconds += Int64(second.own * 1e9)
            stall += Int64((second.stall ?? 0) * 1e6)
            var pressure = PressureStall()
            pressure.fullMicroseconds = stall
            let sample = MemorySample(
                nanoseconds: Int64(index) * 1_000_000_000, limitBytes: 100 << 20, usage: usage,
                pressure: second.stall == nil ? nil : pressure)
            return state.observe(sample)
        }
    }

    static func isThrashing(_ verdict: MemoryThrashing.Verdict?) -> Bool {
        if case .thrashing = verdict { return true }
        return false
    }

    @Test("a minute without headway is a verdict, not before, and the reason names the limit")
    func minute() throws {
        let verdicts = Self.verdicts(Array(repeating: Second(), count: 61))
        #expect(verdicts.dropLast().allSatisfy { !Self.isThrashing($0) })
        guard case .thrashing(let evidence) = verdicts.last else {
            Issue.record("\(String(describing: verdicts.last))")
            return
        }
        #expect(evidence.limitBytes == 100 << 20 && evidence.majorFaults == 60 * 500)
        #expect(
            evidence.description.hasPrefix(
                "thrashed at its memory limit of 104857600 bytes (100 MiB) for 60 s without being killed"))
        #expect(evidence.description.contains("resources.limits.memory"))
    }

    @Test(
        "whoever works is left alone for ever",
        arguments: [
            ("computes at its limit", Second(own: 0.6)), ("has room left", Second(memory: 50 << 20)),
            ("streams files with read(2)", Second(faults: 0)), ("reads new pages, none again", Second(refaults: 0)),
            ("has a little of both", Second(faults: 30, refaults: 300)),
            ("computes while a part of it waits for memory", Second(own: 0.6, stall: 0.2)),
        ] as [(String, Second)])
    func working(what: String, second: Second) {
        #expect(Self.verdicts(Array(repeating: second, count: 300)).allSatisfy { $0 == .working })
    }

    @Test("where the kernel measures that all of it waits for memory, spinning of its own does not hide it")
    func stall() {
        #expect(Self.isThrashing(Self.verdicts(Array(repeating: Second(own: 0.4, stall: 0.8), count: 61)).last))
    }

    @Test("a start that thrashes for half a minute and then works is forgiven; a short breath does not clear the account")
    func breath() {
        let start = Array(repeating: Second(), count: 31) + Array(repeating: Second(own: 0.5), count: 60)
        #expect(Self.verdicts(start).last == .working)
        let pattern = Array(repeating: Second(), count: 9) + [Second(own: 0.5)]
        #expect(Self.verdicts(Array(repeating: pattern, count: 10).flatMap { $0 }).contains { Self.isThrashing($0) })
    }

    @Test("nothing is concluded from a time when nobody looked")
    func gap() {
        var state = MemoryThrashing()
        var usage = CgroupUsage()
        for second in [0, 1000, 2000] as [Int64] {
            usage.memoryBytes = 100 << 20
            usage.majorFaults += 1_000_000
            usage.refaults += 100_000_000
            let sample = MemorySample(nanoseconds: second * 1_000_000_000, limitBytes: 100 << 20, usage: usage, pressure: nil)
            #expect(state.observe(sample) == .working)
        }
    }
}

@Suite(
    "Thrashing on this machine",
    .enabled(if: geteuid() == 0 && CgroupHost().controllers.contains(.memory), "needs root and cgroups"))
struct MachineThrashingTests {
    static let limit: Int64 = 40 << 20

    /// Runs `program` over a file of 96 MiB under a limit of 40 MiB, watched with short times. The evidence, if it came to that.
    private func watch(_ name: String, _ program: (String) -> String) throws -> MemoryThrashing.Evidence? {
        let lab = try MachineGroup(name, CgroupLimits(memoryBytes: Self.limit))
        defer { lab.remove() }
        let file = "/var/tmp/\(lab.name)"
        defer { unlink(file) }
        // Written outside of the group, and dropped from the cache, or its pages would be somebody else's.
        let outside = lab.host.group("\(lab.name).outside")
        try outside.create(limits: CgroupLimits(memoryBytes: 32 << 20))
        #expect(
            try lab.run(
                "dd if=/dev/zero of=\(file) bs=1M count=96 conv=fsync 2>/dev/null; dd if=\(file) iflag=nocache count=0 2>&1",
                in: outside
            ).exitCode == 0)
        try outside.remove()
        var rule = MemoryThrashing.Rule()
        rule.seconds = 1.5
        let found = Mutex<MemoryThrashing.Evidence?>(nil)
        let watch = try MemoryThrashWatch(rule: rule, intervalMilliseconds: 200)
        watch.add("task", group: lab.group, limitBytes: Self.limit) { evidence in
            found.withLock { $0 = evidence }
            lab.group.kill()
        }
        let outcome = try lab.run(program(file), deadline: 40)
        watch.remove("task")
        let evidence = found.withLock { $0 }
        #expect(evidence == nil ? outcome.exitCode == 0 : outcome.exitCode == 137, "\(outcome) \(lab.group.usage())")
        return evidence
    }

    @Test("a mapped working set larger than the limit is recognised, and the task ended")
    func mapped() throws {
        let evidence = try watch("thrash") { file in
            """
            exec timeout 30 python3 -c 'import mmap, random, os
            f = os.open("\(file)", os.O_RDONLY); m = mmap.mmap(f, 0, prot=mmap.PROT_READ); m.madvise(mmap.MADV_RANDOM); n = len(m) >> 12
            while True: m[random.randrange(n) << 12]'
            """
        }
        let found = try #require(evidence, "not recognised")
        #expect(found.limitBytes == Self.limit && found.majorFaults > 0 && found.rereadBytes > 0)
    }

    @Test("reading a large file again and again is work")
    func streaming() throws {
        #expect(try watch("stream") { "for i in 1 2 3 4 5 6 7 8; do cat \($0) > /dev/null || exit 1; done" } == nil)
    }
}
