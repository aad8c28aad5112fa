// A task that does nothing at its limit but read its own pages again, as the kernel's own measure of stalls shows it.

import Cgroups
import Glibc
import Synchronization

/// What runs inside: touches a mapped file at random, for ever.
func runThrashing(_ path: String) -> Int32 {
    let descriptor = open(path, O_RDONLY)
    var info = stat()
    guard descriptor >= 0, fstat(descriptor, &info) == 0 else { return 2 }
    let size = Int(info.st_size)
    guard let mapping = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), mapping != MAP_FAILED else { return 2 }
    madvise(mapping, size, MADV_RANDOM)
    var random: UInt64 = 1
    var sum: UInt64 = 0
    while true {
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        sum &+= UInt64(mapping.load(fromByteOffset: Int(random >> 33) % size, as: UInt8.self))
        if sum == .max { return 3 }  // the reads must not be optimised away
    }
}

func testThrashing(_ host: CgroupHost, _ report: inout Report) {
    report.test("thrashing at the limit is recognised by the stall that the kernel measures, and names the limit") {
        try withGroup(host, "thrash", CgroupLimits(memoryBytes: 16 << 20)) { group in
            forgetFiles()
            var rule = MemoryThrashing.Rule()
            rule.seconds = 1.5
            let found = Mutex<MemoryThrashing.Evidence?>(nil)
            let watch = try MemoryThrashWatch(rule: rule, intervalMilliseconds: 250)
            watch.add("task", group: group, limitBytes: 16 << 20) { evidence in
                found.withLock { $0 = evidence }
                group.kill()
            }
            let outcome = try group.run("exec /bin/guest --thrash /disk/big", deadline: 20)
            guard let evidence = found.withLock({ $0 }) else {
                throw Failure(message: "not recognised: \(outcome) \(group.usage())")
            }
            try require(outcome.exitCode == 137 && evidence.description.contains("(16 MiB)"), "\(outcome) \(evidence)")
            return "\(evidence.majorFaults) major faults, full stall \(group.pressure(.memory)?.fullMicroseconds ?? 0) us"
        }
    }
}
