// Plans against golden files: a change of the jail shows as a change of a file that a person reads.
// SWIFTLET_RECORD_GOLDEN=1 writes them anew.

import Glibc
import Testing

@testable import SandboxPolicy

enum Golden {
    /// Tests/Golden/SandboxPolicy: beside the targets, as a package manager wants every file inside a target declared.
    static var directory: String {
        "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/") + "/Golden/SandboxPolicy"
    }

    static func read(_ path: String) -> String? { bytes(path).map { String(decoding: $0, as: UTF8.self) } }

    static func bytes(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, count in
            count = max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
        }
    }

    static func expect(_ plan: LaunchPlan, _ name: String) throws {
        let path = "\(directory)/\(name).plan"
        if getenv("SWIFTLET_RECORD_GOLDEN") != nil {
            let descriptor = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0o644)
            try #require(write(descriptor, plan.text, plan.text.utf8.count) == plan.text.utf8.count)
            close(descriptor)
        }
        #expect(plan.text == read(path), "differs from \(path)")
    }
}

@Suite("Launch plans")
struct LaunchPlanTests {
    static func spec(_ change: (inout SandboxSpec) -> Void = { _ in }) -> SandboxSpec {
        var spec = SandboxSpec(
            id: "uid_main_0", arguments: ["python3", "-c", "print('a b')"], environment: ["PATH=/usr/bin", "Mixed=ä%"],
            hostname: "alice", rootMountPoint: "/s/rootfs", temporary: .directory("/s/tmp"),
            output: .log(path: "/l/main.log", maximumBytes: 10 << 20))
        spec.idRangeStart = 0x4000_0000
        spec.cgroups = [.init(version: 1, controller: "memory", path: "/sys/fs/cgroup/memory/g")]
        spec.files = AccountFiles.files(
            hostname: "alice", uid: 0, gid: 0, hosts: [.init(address: "10.0.0.2", names: ["bob.svc"])],
            nameservers: ["10.0.0.10"],
            searches: [])
        spec.seccomp = [1, 2, 3, 4, 5, 6, 7, 0xff]
        change(&spec)
        return spec
    }

    @Test("the default pod") func standard() throws { try Golden.expect(Self.spec().plan(), "default") }

    @Test("a pod with mounts, another user and a tmpfs as /tmp")
    func mounts() throws {
        let plan = try Self.spec {
            $0.mounts = [
                .init(source: "/v/inner", path: "/data/inner", readOnly: false),
                .init(source: "/v/data", path: "/data", readOnly: true),
            ]
            $0.uid = 1000
            $0.gid = 1000
            $0.groups = [2000]
            $0.temporary = .memory(bytes: 1 << 20)
            $0.workingDirectory = "/data"
        }.plan()
        try Golden.expect(plan, "mounts")
    }

    @Test("no network") func noNetwork() throws { try Golden.expect(Self.spec { $0.network = .none }.plan(), "network-none") }

    @Test("an image's root file system, writable")
    func image() throws {
        let plan = try Self.spec {
            $0.root = .directory("/images/x")
            $0.files = []
            $0.readOnlyRoot = false
        }.plan()
        try Golden.expect(plan, "image")
    }

    @Test("no user namespace, unconfined")
    func hostIDs() throws {
        let plan = try Self.spec {
            $0.idRangeStart = nil
            $0.seccomp = nil
        }.plan()
        try Golden.expect(plan, "host-ids")
    }

    @Test("a pod's own network: a namespace that was made before, by a network plugin for instance")
    func joinedNetwork() throws {
        try Golden.expect(Self.spec { $0.network = .joined(path: "/s/pods/uid/netns") }.plan(), "network-cni")
    }

    @Test("a privileged pod has every capability, no filter and all of /proc, still in its own ids")
    func privileged() throws {
        let plan = try Self.spec {
            $0.privileged = true
            $0.seccomp = nil
            $0.readOnlyRoot = false
        }.plan()
        try Golden.expect(plan, "privileged")
    }

    @Test("capabilities that a pod adds, in namespaces of its own user namespace")
    func capabilities() throws {
        let plan = try Self.spec {
            $0.capabilities = [.netBindService, .chown]
            $0.network = .none
            $0.uid = 1000
        }.plan()
        try Golden.expect(plan, "capabilities")
    }

    @Test("an ordinary user's sandbox, with one id and with a granted range")
    func rootless() throws {
        let single = Self.spec {
            $0.idRangeStart = nil
            $0.rootless = .singleID(hostUID: 1000, hostGID: 1000)
            $0.network = .none
            $0.cgroups = []
        }
        try Golden.expect(single.plan(), "rootless")
        let range = Self.spec {
            $0.idRangeStart = nil
            $0.rootless = .subordinateIDs(
                hostUID: 1000, hostGID: 1000, uidStart: 100_000, uidCount: 65_536, gidStart: 100_000, gidCount: 65_536,
                newuidmap: "/usr/bin/newuidmap", newgidmap: "/usr/bin/newgidmap")
            $0.network = .none
            $0.cgroups = []
        }
        try Golden.expect(range.plan(), "rootless-range")
    }

    @Test("deadline, kernel parameters, clock offsets, niceness, further tmpfs, cgroups made by the launcher, counted denials")
    func everything() throws {
        let plan = try Self.spec {
            $0.deadlineMilliseconds = 60_000
            $0.sysctls = [.init(name: "kernel.shm_rmid_forced", value: "1")]
            $0.timeOffsets = [.init(clock: .boottime, seconds: 3600)]
            $0.niceness = 5
            $0.domainName = "example"
            $0.temporaryFileSystems = [.init(path: "/run", bytes: 1 << 20)]
            $0.madeCgroups = [.init(version: 1, controller: "memory", path: "/sys/fs/cgroup/memory/g")]
            $0.cgroupSettings = [.init(directory: "/sys/fs/cgroup/memory/g", file: "memory.limit_in_bytes", value: "1048576")]
            $0.countedDenials = 1000
            $0.output = .inherit
        }.plan()
        try Golden.expect(plan, "everything")
    }

    @Test("a task that sees its own control groups: each hierarchy that tells of memory and processor time, or the one of version 2")
    func cgroupView() throws {
        let first = Self.spec {
            $0.showsCgroups = true
            $0.cgroups.append(.init(version: 1, controller: "cpu", controllers: ["cpu", "cpuacct"], path: "/sys/fs/cgroup/cpu,cpuacct/g"))
            $0.cgroups.append(.init(version: 1, controller: "pids", path: "/sys/fs/cgroup/pids/g"))
        }
        try Golden.expect(first.plan(), "cgroup-view")
        let second = Self.spec {
            $0.showsCgroups = true
            $0.cgroups = [.init(version: 2, controller: "unified", path: "/sys/fs/cgroup/g")]
        }
        try Golden.expect(second.plan(), "cgroup-view-v2")
        // An image's root is no place for it, and what else was asked for there stays in sight.
        let image = Self.spec {
            $0.showsCgroups = true
            $0.root = .layers(lower: ["/layer"], upper: "/u", work: "/w")
            $0.files = []
            $0.readOnlyRoot = false
        }
        try Golden.expect(image.plan(), "cgroup-view-image")
        let covered = Self.spec {
            $0.showsCgroups = true
            $0.root = .hostView(additionalReadOnlyPaths: ["/sys/fs"])
        }
        #expect(try !covered.plan().text.contains("/sys/fs/cgroup/memory ro"))
    }

    @Test("a pod that people type into, over a terminal")
    func console() throws {
        try Golden.expect(Self.spec { $0.attach = .init(stdin: true, once: true, terminal: true) }.plan(), "console")
    }

    @Test("TCP ports on the node's network")
    func hostPorts() throws {
        try Golden.expect(Self.spec { $0.tcpPorts = .init(bind: [7000], connect: [7000, 7001]) }.plan(), "network-host")
    }

    @Test("an outer mount stands before what is mounted inside it, in whatever order the pod names them")
    func mountOrder() throws {
        let plan = try Self.spec {
            $0.mounts = [.init(source: "/b", path: "/a/b", readOnly: true), .init(source: "/a", path: "/a", readOnly: true)]
        }.plan()
        let paths = plan.operations.compactMap { operation -> String? in
            if case .bind(_, let path, _) = operation, path.hasPrefix("/a") { return path }
            return nil
        }
        #expect(paths == ["/a", "/a/b"])
    }

    @Test("the filter is the last thing, no_new_privs before it, capabilities after the user namespace")
    func order() throws {
        let names = try Self.spec().plan().operations.map { $0.words[0] }
        let wanted = [
            "root-readonly", "pivot", "enter-user-namespace", "securebits", "bounding-set", "user", "capabilities",
            "no-new-privs", "seccomp",
        ]
        #expect(names.filter(wanted.contains) == wanted)
        #expect(names.last == "seccomp")
    }

    @Test("any bytes survive as printable words")
    func encoding() {
        var bytes: [UInt8] = []
        Array<UInt8>(0...255).withUnsafeBufferPointer { PlanWord.append($0, to: &bytes) }
        #expect(bytes.allSatisfy { $0 > 0x20 && $0 < 0x7f })
        bytes = []
        PlanWord.append("", to: &bytes)
        #expect(bytes == Array("\"\"".utf8))
    }

    @Test("what cannot become a plan is refused with its field")
    func refusals() {
        let cases: [(String, (inout SandboxSpec) -> Void)] = [
            ("command", { $0.arguments = [] }), ("command", { $0.arguments = ["a\0b"] }),
            ("command", { $0.arguments = ["x", String(repeating: "a", count: 131_072)] }),
            ("env", { $0.environment = ["novalue"] }), ("env", { $0.environment = ["=x"] }),
            ("hostname", { $0.hostname = "a b" }),
            ("workingDir", { $0.workingDirectory = "a" }), ("workingDir", { $0.workingDirectory = "/a/../b" }),
            ("mounts[0].mountPath", { $0.mounts = [.init(source: "/x", path: "/proc/1", readOnly: true)] }),
            ("mounts[0].mountPath", { $0.mounts = [.init(source: "/x", path: "/", readOnly: true)] }),
            ("mounts[0].hostPath", { $0.mounts = [.init(source: "x", path: "/x", readOnly: true)] }),
            ("idRangeStart", { $0.idRangeStart = 0 }), ("runAsUser", { $0.uid = 70_000 }), ("id", { $0.id = "a/b" }),
            ("files", { $0.root = .directory("/image") }),
            ("command and environment", { $0.environment = (0..<20).map { "A\($0)=" + String(repeating: "x", count: 130_000) } }),
        ]
        for (field, change) in cases {
            #expect {
                _ = try Self.spec(change).plan()
            } throws: { error in
                guard case .invalid(let found, _, _) = error as? SandboxPolicyError else { return false }
                return found == field
            }
        }
    }
}
