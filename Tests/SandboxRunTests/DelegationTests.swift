// Where a task's cgroup goes, for groups that exist as directories of a test.

import Cgroups
import Glibc
import Testing

@testable import SandboxRun

@Suite("Delegated cgroups")
struct DelegationTests {
    @Test("on v1 our own group of each hierarchy that we may write; others are not offered")
    func version1() throws {
        let scratch = try ScratchDirectory("delegation")
        for path in ["/memory", "/memory/mine", "/pids", "/pids/mine"] { mkdir(scratch.path + path, 0o755) }
        let host = CgroupHost(
            hierarchies: [
                .memory: .init(version: 1, path: scratch.path + "/memory"),
                .pids: .init(version: 1, path: scratch.path + "/pids"),
            ])
        let own = CgroupPaths("4:memory:/mine\n3:pids:/mine\n2:cpu,cpuacct:/elsewhere\n0::/\n")
        let seen = host.delegated(own) { $0 == scratch.path + "/memory/mine" }
        #expect(seen.hierarchies == [.memory: .init(version: 1, path: scratch.path + "/memory/mine")])
    }

    @Test("on v2 the highest group on our path that we may write, and the controllers that it has")
    func version2() throws {
        let scratch = try ScratchDirectory("delegation")
        for path in ["/user", "/user/service", "/user/service/scope"] { mkdir(scratch.path + path, 0o755) }
        _ = SmallFile.create(scratch.path + "/user/service/cgroup.controllers", Array("memory pids\n".utf8))
        let host = CgroupHost(
            hierarchies: [
                .memory: .init(version: 2, path: scratch.path), .cpu: .init(version: 2, path: scratch.path),
                .pids: .init(version: 2, path: scratch.path),
            ], unified: scratch.path)
        let seen = host.delegated(CgroupPaths("0::/user/service/scope\n")) { $0.hasPrefix(scratch.path + "/user/service") }
        #expect(seen.unified == scratch.path + "/user/service")
        #expect(seen.controllers == [.memory, .pids])
    }

    @Test("nothing writable: no cgroup")
    func nothing() throws {
        let host = CgroupHost(hierarchies: [.memory: .init(version: 1, path: "/cg/memory")])
        #expect(host.delegated(CgroupPaths("4:memory:/mine\n")) { _ in false }.layout == .none)
    }

    @Test("what a killed launcher left is removed by a later run, once it is old enough; what lives or is somebody else's stays")
    func stale() throws {
        let scratch = try ScratchDirectory("stale")
        // No process has this number: pid_max is at most 2^22.
        let (gone, own, foreign) = ("swiftlet-run-9999999", "swiftlet-run-\(getpid())", "other-9999999")
        for name in [gone, own, foreign] { mkdir("\(scratch.path)/\(name)", 0o755) }
        let host = CgroupHost(
            hierarchies: [
                .cpu: .init(version: 1, path: scratch.path + "/none-here"), .pids: .init(version: 1, path: scratch.path),
            ])
        StaleGroups.sweep(host)
        #expect(RunPath.exists("\(scratch.path)/\(gone)"), "it is young")
        StaleGroups.sweep(host, minimumAgeSeconds: 0)
        #expect(!RunPath.exists("\(scratch.path)/\(gone)"))
        #expect(RunPath.exists("\(scratch.path)/\(own)") && RunPath.exists("\(scratch.path)/\(foreign)"))
    }
}
