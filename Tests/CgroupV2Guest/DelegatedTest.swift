// Run as an ordinary user inside a group that is its own.

import Cgroups
import Glibc

/// Prints what it saw; 0 when the limits held.
func runDelegated() -> Int32 {
    do {
        let host = try CgroupHost.delegated().vacated(into: "self")
        try require(geteuid() != 0 && host.layout == .version2, "\(geteuid()) \(host.layout)")
        var limits = CgroupLimits(memoryBytes: 12 << 20, pids: 8)
        limits.oomGroup = true
        let group = host.group("task", for: limits)
        try group.create(limits: limits)
        let outcome = try group.run("exec tail /dev/zero")
        let usage = group.usage()
        try group.remove()
        try require(outcome.exitCode == 137 && usage.oomGroupKills == 1, "\(outcome) \(usage)")
        print("uid \(geteuid())")
        return 0
    } catch {
        print((error as? Failure)?.message ?? "\(error)")
        return 1
    }
}
