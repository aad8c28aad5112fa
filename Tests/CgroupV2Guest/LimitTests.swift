// Each limit of cgroup v2 against a real kernel.

import Cgroups
import Glibc

private let mebibyte: Int64 = 1 << 20

func testLimits(_ host: CgroupHost, _ report: inout Report) {
    report.test("the machine is recognised as pure v2, with its controllers") {
        try require(host.layout == .version2, "\(host.layout)")
        let controllers: Set<CgroupController> = [.memory, .cpu, .pids, .cpuset, .io]
        try require(host.controllers.isSuperset(of: controllers), "\(host.controllers)")
        let features: Set<CgroupFeature> = [.swap, .oomGroup, .cpuBurst, .kill, .pressure, .ioThrottle]
        try require(host.features.isSuperset(of: features), "\(host.features)")
        return host.controllers.map(\.rawValue).sorted().joined(separator: " ")
    }
    testMemory(host, &report)
    testCPU(host, &report)
    testOthers(host, &report)
    testControl(host, &report)
}

/// What is in the page cache already is charged to whom read it first.
func forgetFiles() {
    sync()
    let descriptor = open("/proc/sys/vm/drop_caches", O_WRONLY)
    if descriptor >= 0 {
        _ = write(descriptor, "3", 1)
        close(descriptor)
    }
}

private func testMemory(_ host: CgroupHost, _ report: inout Report) {
    report.test("memory.max: over it the task is killed, counted, and the peak is the limit") {
        try withGroup(host, "max", CgroupLimits(memoryBytes: 16 * mebibyte)) { group in
            let outcome = try group.run("exec tail /dev/zero")
            let usage = group.usage()
            try require(outcome.exitCode == 137, "exit \(outcome.exitCode): \(outcome.output)")
            try require(usage.oomKills == 1 && usage.memoryLimitHits > 0, "\(usage)")
            return "peak \(usage.memoryPeakBytes)"
        }
    }
    report.test("memory.oom.group: one process over the limit takes the whole group, and it is told apart") {
        var limits = CgroupLimits(memoryBytes: 16 * mebibyte)
        limits.oomGroup = true
        return try withGroup(host, "oomgroup", limits) { group in
            let outcome = try group.run("sleep 20 & tail /dev/zero; exit 0")
            let usage = group.usage()
            try require(outcome.exitCode == 137, "the shell lived on: exit \(outcome.exitCode)")
            try require(usage.oomGroupKills == 1 && usage.oomKills >= 2, "\(usage)")
            return "\(usage.oomKills) processes"
        }
    }
    report.test("without oom.group the shell lives on and exits 0, but the kill is counted") {
        try withGroup(host, "oomchild", CgroupLimits(memoryBytes: 16 * mebibyte)) { group in
            let outcome = try group.run("tail /dev/zero; exit 0")
            try require(outcome.exitCode == 0 && group.usage().oomKills == 1, "exit \(outcome.exitCode), \(group.usage())")
            return ""
        }
    }
    report.test("memory.high: a reader of files is held there, reclaiming, and not killed") {
        var limits = CgroupLimits(memoryBytes: 32 * mebibyte)
        limits.memoryHighBytes = 8 * mebibyte
        return try withGroup(host, "high", limits) { group in
            forgetFiles()
            let outcome = try group.run("cat /disk/big > /dev/null")
            let usage = group.usage()
            try require(outcome.exitCode == 0 && usage.memoryHighHits > 0 && usage.oomKills == 0, "\(outcome) \(usage)")
            try require(usage.memoryPeakBytes < 12 * mebibyte, "peak \(usage.memoryPeakBytes)")
            return "peak \(usage.memoryPeakBytes), \(usage.memoryHighHits) hits"
        }
    }
    report.test("memory.swap.max: what does not fit goes to swap where allowed, and is killed where not") {
        var limits = CgroupLimits(memoryBytes: 12 * mebibyte)
        let program = "exec dd if=/dev/zero of=/dev/null bs=16M count=1"
        let killed = try withGroup(host, "noswap", limits) { group in "\(try group.run(program).exitCode)" }
        try require(killed == "137", "without swap: exit \(killed)")
        limits.swapBytes = 24 * mebibyte
        return try withGroup(host, "swap", limits) { group in
            let outcome = try group.run(program)
            try require(outcome.exitCode == 0 && group.usage().oomKills == 0, "\(outcome)")
            return ""
        }
    }
    report.test("a pod's limit holds its containers together") {
        try withGroup(host, "pod", CgroupLimits(memoryBytes: 24 * mebibyte)) { pod in
            let containers = ["a", "b"].map { host.group("pod/\($0)") }
            for container in containers { try container.create(limits: CgroupLimits(memoryBytes: 20 * mebibyte)) }
            let held = try containers[0].run("dd if=/dev/zero of=/tmp/held bs=1M count=14")
            defer { unlink("/tmp/held") }
            let outcome = try containers[1].run("exec tail /dev/zero")
            try require(held.exitCode == 0 && outcome.exitCode == 137, "\(held) \(outcome)")
            let peak = containers[1].usage().memoryPeakBytes
            try require(peak < 12 * mebibyte, "its own limit, not the pod's, ended it: peak \(peak)")
            try require(pod.usage().oomKills == 1, "the pod's group counts its containers' kills")
            return "peak \(peak)"
        }
    }
}

private func testCPU(_ host: CgroupHost, _ report: inout Report) {
    report.test("cpu.max: a busy task gets its quota, and throttling is counted") {
        try withGroup(host, "quota", CgroupLimits(cpuMillis: 200)) { group in
            let outcome = try group.run("exec timeout 1.5 sh -c 'while :; do :; done'")
            let usage = group.usage()
            let share = Double(usage.cpuNanoseconds) / 1e9 / outcome.seconds
            try require(share > 0.05 && share < 0.3 && usage.throttledPeriods > 3, "share \(share), \(usage)")
            return "share \(Int(share * 100)) %, \(usage.throttledPeriods) of \(usage.periods) periods"
        }
    }
    report.test("cpu.weight: of two busy tasks on one CPU, four times the weight gets the most") {
        var one = CgroupLimits()
        one.cpusetCPUs = "0"
        return try withGroup(host, "weights", one) { _ in
            let groups = try [400, 100].map { (weight: Int64) -> Cgroup in
                var own = CgroupLimits()
                own.cpuWeight = weight
                let group = host.group("weights/\(weight)", for: one, own)
                try group.create(limits: own)
                return group
            }
            let started = now()
            let running = try groups.map { try $0.start("exec timeout 1.5 sh -c 'while :; do :; done'") }
            for task in running { _ = try finish(task, started: started) }
            let used = groups.map { Double($0.usage().cpuNanoseconds) }
            try require(used[0] > 2 * used[1], "\(used)")
            return "ratio \((used[0] / used[1] * 10).rounded() / 10)"
        }
    }
    report.test("cpuset.cpus: a task has the CPUs of its set alone") {
        var limits = CgroupLimits()
        limits.cpusetCPUs = "1"
        return try withGroup(host, "cpuset", limits) { group in
            let outcome = try group.run("exec nproc")
            try require(outcome.output == "1\n", outcome.output)
            return ""
        }
    }
}

private func testOthers(_ host: CgroupHost, _ report: inout Report) {
    report.test("pids.max: a fork over the limit is refused and counted") {
        try withGroup(host, "pids", CgroupLimits(pids: 5)) { group in
            let outcome = try group.run("for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait")
            try require(outcome.output.contains("fork") && group.usage().pidsLimitHits > 0, outcome.output)
            return ""
        }
    }
    report.test("io.max: direct writes are slowed to the bound, and bytes are counted") {
        // The RAM disk: block drivers of Linux have fixed majors, this one is 1.
        var limits = CgroupLimits()
        limits.ioDevices = [IODeviceLimit(major: 1, minor: 2, writeBytesPerSecond: 4 * mebibyte)]
        return try withGroup(host, "io", limits) { group in
            let outcome = try group.run("exec dd if=/dev/zero of=/dev/ram2 bs=1M count=6 oflag=direct")
            let usage = group.usage()
            try require(outcome.exitCode == 0 && outcome.seconds > 1, "\(outcome)")
            return "\(Int(outcome.seconds * 1000)) ms for 6 MiB at 4 MiB/s, \(usage.writtenBytes) bytes counted"
        }
    }
    report.test("hugetlb: the limit is taken", skip: host.hugePageSizes.contains("2MB") ? nil : "no pages of 2 MB") {
        var limits = CgroupLimits()
        limits.hugePages = [HugePageLimit(pageSize: "2MB", bytes: 4 * mebibyte)]
        return try withGroup(host, "huge", limits) { _ in "" }
    }
    report.test("a pressure stall is measured per group") {
        try withGroup(host, "psi", CgroupLimits(memoryBytes: 8 * mebibyte)) { group in
            forgetFiles()
            _ = try group.run("for i in 1 2 3; do cat /disk/big > /dev/null; done")
            let stall = group.pressure(.memory)
            try require(stall != nil, "no memory.pressure")
            return "some \(stall?.someMicroseconds ?? 0) us, \(group.usage().refaults) refaults"
        }
    }
}

private func testControl(_ host: CgroupHost, _ report: inout Report) {
    report.test("freeze: members stand still until thawed, and SIGKILL reaches them frozen") {
        try withGroup(host, "freeze", CgroupLimits()) { group in
            let started = now()
            let running = try group.start("exec sh -c 'while :; do :; done'")
            try require(wait { group.usage().cpuNanoseconds > 50_000_000 }, "it does not run")
            try group.freeze()
            try require(group.isFrozen, "not frozen")
            let before = group.usage().cpuNanoseconds
            usleep(200_000)
            try require(group.usage().cpuNanoseconds - before < 20_000_000, "it runs while frozen")
            try group.thaw()
            try require(wait { group.usage().cpuNanoseconds > before + 50_000_000 }, "it does not go on")
            try group.freeze()
            group.kill()
            let outcome = try finish(running, started: started)
            try require(outcome.exitCode == 137, "\(outcome)")
            return ""
        }
    }
    report.test("cgroup.kill: the whole tree in one step, also what ignores signals and has left its session") {
        try withGroup(host, "kill", CgroupLimits()) { group in
            // On v2 only groups without groups below have members.
            let members = ["a", "b"].map { host.group("kill/\($0)") }
            for member in members { try member.create(limits: CgroupLimits()) }
            let started = now()
            let running = try members.map { try $0.start("trap '' TERM; (setsid sleep 30 &); sleep 30; true") }
            try require(wait { group.allProcesses().count >= 6 }, "\(group.allProcesses())")
            let asked = now()
            group.kill()
            try require(wait { group.allProcesses().isEmpty }, "left: \(group.allProcesses())")
            let took = Int((now() - asked) * 1000)
            for task in running { try require(try finish(task, started: started).exitCode == 137, "not killed") }
            return "6 processes in 2 groups, \(took) ms"
        }
    }
    report.test("a delegated group: its owner, an ordinary user, makes groups with limits in it") {
        try withGroup(host, "delegated", CgroupLimits(memoryBytes: 64 * mebibyte)) { group in
            let path = group.directories[0].path
            for name in ["", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"] { chown(path + name, 1000, 1000) }
            let outcome = try group.run("exec su guest -c 'exec /bin/guest --delegated'", deadline: 20)
            try require(outcome.exitCode == 0, outcome.output)
            return outcome.output.split(separator: "\n").joined(separator: ", ")
        }
    }
}
