// The plan's grammar, from both sides: whatever Swift writes the launcher accepts, and every rule of it refuses something.

import CLinux
import Glibc
import SandboxPolicy
import Testing

@Suite("Plan grammar", .enabled(if: Machine.launcher != nil))
struct PlanGrammarTests {
    /// Exit status of `check`, and what it says.
    private func check(_ text: String) throws -> (status: Int32, reason: String) {
        var template = Array("/tmp/swiftlet-grammar.XXXXXX".utf8CString)
        let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer {
            for name in ["plan", "says"] { unlink("\(directory)/\(name)") }
            rmdir(directory)
        }
        let descriptor = clinux_open("\(directory)/plan", O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        #expect(write(descriptor, text, text.utf8.count) == text.utf8.count)
        close(descriptor)
        let launcher = try #require(Machine.launcher)
        var pid: pid_t = 0
        var pointers = ([launcher, "check", "--plan", "\(directory)/plan"] as [String]).map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var environment: [UnsafeMutablePointer<CChar>?] = [nil]
        let says = clinux_open("\(directory)/says", O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        try #require(clinux_spawn(&pid, launcher, &pointers, &environment, -1, says) == 0)
        close(says)
        return (try OperationLab.status(of: pid), Lab.text("\(directory)/says"))
    }

    private static let allow: [UInt8] = [6, 0, 0, 0, 0, 0, 0xff, 0x7f]
    private static let tmpfs = TmpfsOptions(bytes: 4096, inodes: 16, mode: 0o755, uid: 1, gid: 2)

    /// Every operation that can stand beside the others, in order.
    private static let everything: [LaunchOperation] = [
        .id("x"), .log(path: "/l", maximumBytes: 1), .grace(milliseconds: 1), .stopSignal(37), .deadline(milliseconds: 5),
        .denials(maximum: 3),
        .startGate(path: "/g", looksForProgram: false), .attach(stdin: true, once: true, terminal: true), .preserveDescriptors(2),
        .ociRuntime(name: "runc", bundle: "/b", createMilliseconds: 1, verbMilliseconds: 2, program: "a b", hasInit: true),
        .ociStage(path: "/run/stage", userNamespace: "/run/stage/user"),
        .ociOverlay(at: "/r", options: OverlayOptions(lower: ["/a"], upper: "/u", work: "/w"), flags: [.idMapped]),
        .ociBind(source: "/s", path: "/t", flags: [.idMapped]), .makeCgroup(version: 2, path: "/c/a"),
        .setCgroup(path: "/c/a", file: "memory.max", value: "1 2"), .cgroup(version: 1, controller: "memory", path: "/c/a"),
        .removeCgroup(path: "/c/a"), .namespace(.user), .namespace(.mount), .namespace(.pid), .ownedNamespace(.ipc),
        .ownedNamespace(.uts),
        .ownedNamespace(.cgroup), .joinNamespace(.net, path: "/run/netns/a"), .namespace(.time),
        .timeOffset(.boottime, seconds: -5, nanoseconds: 999_999_999), .timeOffset(.monotonic, seconds: 5, nanoseconds: 0),
        .uidMap(inside: 0, host: 5, count: 1), .uidMap(inside: 1, host: 0, count: 1, mayMapHostRoot: true),
        .gidMap(inside: 0, host: 5, count: 1),
        .gidMap(inside: 1, host: 0, count: 1, mayMapHostRoot: true), .owner(uid: 5, gid: 5),
        .rootOverlay(
            at: "/r",
            options: OverlayOptions(lower: ["/a:b", "/c,d\\"], upper: "/u", work: "/w", volatile: true, userAttributes: true),
            flags: [.idMapped]), .rootPropagation(.recursiveSlave), .makeDirectory(path: "/d", mode: 0o1777),
        .symlink(target: "../a", path: "/l"),
        .file(path: "/f", mode: 0o644, contents: Array(0...255)),
        .bind(source: "/s", path: "/t", flags: MountFlags(rawValue: (1 << 26) - 1)), .bindUIDMap(inside: 0, host: 0, count: 5),
        .bindGIDMap(inside: 0, host: 9, count: 5), .readOnlyMount("/p"),
        .tmpfs(path: "/t", options: tmpfs, flags: [.copyUp]),
        .mount(type: "cgroup2", source: "", path: "/sys/fs/cgroup", flags: [.readOnly], data: ""),
        .proc(path: "/proc", options: ProcOptions(hidePID: .invisible, group: 5, onlyProcesses: true)), .device("null"),
        .deviceNode(path: "/dev/x", type: .block, major: 1, minor: 2, mode: 0o600, uid: 1, gid: 2), .mask("/proc/kcore"),
        .readOnly("/proc/sys"),
        .rootReadOnly, .pivot, .hostname("h"), .domainName("d.e"), .loopback, .sysctl(name: "kernel.shm_rmid_forced", value: "1"),
        .sysctl(name: "net/ipv4/conf/eth0.1/forwarding", value: "0"), .resourceLimit(name: "rttime", soft: 1, hard: .max),
        .oomScoreAdjustment(-1000), .umask(0o77), .nice(-20),
        .scheduler(SchedulerPolicy(policy: .deadline, flags: [.reclaim, .resetOnFork], runtime: 1, deadline: 2, period: 3)),
        .ioPriority(.realtime, level: 7), .memoryPolicy(mode: "bind", flags: ["static-nodes"], nodes: "0-3"),
        .cpuAffinity("0-3,8"), .personality(0x0004_0008), .enterUserNamespace,
        .secureBits(SecureBit.allCases), .boundingSet(Capability.allCases), .user(uid: 0, gid: 1, groups: [2, 3]),
        .capabilities(CapabilitySets(effective: [.chown], permitted: [.chown, .bpf], inheritable: [.chown], ambient: [.chown])),
        .noNewPrivileges,
        .workingDirectory("/"), .landlock(.best), .landlockPath("/", rights: LandlockRight.allCases),
        .landlockPort(.bind, port: nil),
        .landlockPort(.connect, port: 65_535), .landlockScope(LandlockScope.allCases), .environment("A=b c"), .argument("a"),
        .argument(""),
        .seccomp(allow, flags: [.log, .speculationAllowed, .threadSync, .waitKillable]), .seccomp(allow),
    ]

    private static var text: String { LaunchPlan(operations: everything).text }

    @Test("a plan with every operation is accepted") func everything() throws {
        let said = try check(Self.text)
        #expect(said.status == 0, "\(said.reason)")
    }

    @Test(
        "the alternatives of those are accepted too",
        arguments: [
            [LaunchOperation.rootTmpfs(at: "/r", options: tmpfs), .pivot],
            [.rootBind(source: "/a", at: "/r", flags: [.recursive]), .changeRoot(.move)],
            [.rootDetached(source: "/"), .changeRoot(.detached)], [],
        ])
    func alternatives(root: [LaunchOperation]) throws {
        let plan = LaunchPlan(
            operations: [
                .id("x"), .inheritStandardStreams, .learn(path: "/learned"), .namespace(.user), .namespace(.mount),
                .uidMap(inside: 0, host: 5, count: 1),
                .gidMap(inside: 0, host: 5, count: 1),
                .rootless(.helpers(newuidmap: "/usr/bin/newuidmap", newgidmap: "/usr/bin/newgidmap")),
            ] + root + [
                .dropBoundingSet, .user(uid: 0, gid: 0, groups: []), .dropCapabilities, .argument("a"),
                .seccomp(Self.allow, flags: [.beforeCapabilities]),
            ])
        let said = try check(plan.text)
        #expect(said.status == 0, "\(said.reason)")
        #expect(try check(LaunchPlan(operations: [.id("x"), .terminal(socketPath: "/s"), .argument("a")]).text).status == 0)
        let plain = LaunchPlan(operations: [.id("x"), .terminal(socketPath: "/s", keepsLineEnds: true), .argument("a")]).text
        #expect(
            try check(plain).status == 0 && check(plain.replacing("plain", with: "fancy")).reason.contains("nothing or plain"))
    }

    @Test(
        "every line that is not as the rules say is refused, with its number and a reason",
        arguments: [
            ("id x", "id x y", "too many arguments"), ("id x", "id ../x", "not of the kind"),
            ("id x", "ID x", "unknown operation"),
            ("log /l 1", "log /l", "too few"), ("log /l 1", "stdio null", "expected inherit"), ("log /l 1", "stdio", "too few"),
            ("deadline 5", "deadline -5", "not of the kind"), ("deadline 5", "deadline 999999999999999999", "out of bounds"),
            ("denials 3", "denials x", "not of the kind"), ("preserve-fds 2", "preserve-fds 99999", "too many descriptors"),
            ("attach stdin,once", "attach stdin,always", "not of the kind"), ("log /l 1", "stdio inherit", "attach needs log"),
            ("cgroup-make 2 /c/a", "cgroup-make 3 /c/a", "not of the kind"),
            ("cgroup-make 2 /c/a", "cgroup-make 2 /c/../a", "not of the kind"),
            ("cgroup-set /c/a memory.max", "cgroup-set /c/a ../memory.max", "not of the kind"),
            ("cgroup-set /c/a memory.max", "cgroup-set /c/a ..", "not the name of a cgroup file"),
            ("cgroup-remove /c/a", "cgroup-remove c", "not of the kind"),
            ("namespace time", "namespace space", "unknown namespace"),
            ("namespace ipc owned", "namespace ipc mine", "expected nothing or owned"),
            ("namespace pid", "namespace pid owned", "cannot be owned"),
            ("join-namespace net /run", "join-namespace nets /run", "unknown namespace"),
            ("join-namespace net /run", "join-namespace uts /run", "named already"),
            ("namespace time\n", "namespace uts\n", "named already"),
            ("time-offset boottime -5 999999999", "time-offset boottime -5 1000000000", "nanoseconds"),
            ("time-offset boottime", "time-offset realtime", "expected monotonic or boottime"),
            ("namespace time\n", "", "time-offset needs namespace time"),
            ("uid-map 1 0 1 host-root", "uid-map 1 0 1", "host's root"), ("uid-map 0 5 1", "uid-map 0 5 0", "out of bounds"),
            ("uid-map 0 5 1", "uid-map 0 5 4294967291", "out of bounds"),
            ("gid-map 1 0 1 host-root", "gid-map 1 0 1 yes", "host-root"),
            ("owner 5 5", "owner 5 4294967295", "id out of bounds"), ("owner 5 5", "rootless yes", "expected direct"),
            ("owner 5 5", "rootless x /y", "expected the paths"),
            ("owner 5 5", "rootless direct", "enter-user-namespace or rootless"),
            ("enter-user-namespace\n", "", "enter-user-namespace or rootless"), ("namespace user\n", "", "owned namespace needs"),
            ("user 0 1 2 3\n", "", "namespace user needs user"),
            ("root-propagation rslave", "root-propagation none", "unknown propagation"),
            ("root-overlay", "root-bind", "not of the kind"), ("pivot\n", "", "a root needs pivot"),
            ("pivot\n", "pivot\nchroot move\n", "a root needs pivot"),
            ("namespace mount\n", "", "a root needs namespace mount"), ("mkdir /d 1777", "mkdir /d 888", "not of the kind"),
            ("mkdir /d", "mkdir /d/", "not of the kind"), ("mkdir /d", "mkdir /d/./e", "not of the kind"),
            ("bind /s /t ro", "bind /s /t ro,all", "not of the kind"),
            ("bind /s /t ro", "bind s /t ro", "not of the kind"), ("tmpfs /t size=4096", "tmpfs /t size=", "not of the kind"),
            ("tmpfs /t size=4096", "tmpfs /t huge=1", "not of the kind"),
            ("mount cgroup2 \"\" /sys", "mount cgroup2 /sys", "not of the kind"),
            ("mount cgroup2 \"\" /sys", "mount ../x \"\" /sys", "not of the kind"),
            ("hidepid=invisible", "hidepid=all", "not of the kind"),
            ("hidepid=invisible", "visible", "not of the kind"), ("device null", "device .x", "not a device name"),
            ("device null", "device a/b", "not of the kind"),
            ("device-node /dev/x b", "device-node /dev/x d", "expected c, b, u or p"),
            ("device-node /dev/x b 1", "device-node /dev/x b 9999", "out of bounds"),
            ("namespace pid\n", "", "proc needs namespace pid"), ("namespace uts owned\n", "", "hostname needs namespace uts"),
            ("join-namespace net /run/netns/a\n", "", "loopback needs namespace net"),
            ("namespace ipc owned\n", "", "sysctl needs namespace ipc"),
            ("sysctl kernel.shm_rmid_forced", "sysctl kernel.core_pattern", "not a sysctl of a namespace"),
            ("sysctl kernel.shm_rmid_forced", "sysctl kernel.shmmax/../core_pattern", "not of the kind"),
            ("sysctl kernel.shm_rmid_forced", "sysctl kernel..shm", "not of the kind"),
            ("sysctl net/ipv4", "sysctl net/../kernel/ipv4", "not of the kind"),
            ("sysctl kernel.shm_rmid_forced", "sysctl fs.file-max", "not a sysctl of a namespace"),
            ("rlimit rttime", "rlimit disk", "unknown limit"),
            ("rlimit rttime 1 unlimited", "rlimit rttime 1 infinity", "not of the kind"),
            ("oom-score-adj -1000", "oom-score-adj -1001", "out of bounds"),
            ("nice -20", "nice 20", "out of bounds"), ("scheduler deadline", "scheduler fair", "unknown scheduling policy"),
            ("scheduler deadline 0", "scheduler deadline 100", "out of bounds"),
            ("reclaim,reset-on-fork", "reclaim,", "unknown scheduler flag"),
            ("reset-on-fork 1 2 3", "reset-on-fork 1 2", "expected RUNTIME"),
            (" reclaim,reset-on-fork 1 2 3", "", "needs RUNTIME"),
            ("readonly /p top", "readonly /p all", "expected nothing or top"),
            ("bind-uid-map 0 0 5", "device null\nbind-uid-map 0 0 5", "behind one that has idmap"),
            ("bind-gid-map 0 9 5", "bind-gid-map 0 9 0", "out of bounds"),
            ("memory-policy bind", "memory-policy bound", "unknown memory policy"),
            ("memory-policy bind static-nodes", "memory-policy bind fast", "unknown memory policy flag"),
            ("memory-policy bind static-nodes 0-3", "memory-policy bind static-nodes 1024", "a node's number"),
            ("start-gate /g unseen", "start-gate /g blind", "expected nothing or unseen"),
            ("io-priority rt 7", "io-priority rt 8", "out of bounds"),
            ("io-priority rt 7", "io-priority none 7", "unknown class"),
            ("cpu-affinity 0-3,8", "cpu-affinity 0-3,", "not of the kind"),
            ("cpu-affinity 0-3,8", "cpu-affinity 0-1024", "out of bounds"),
            ("personality 40008", "personality 4000g", "not of the kind"),
            ("securebits noroot,", "securebits root,", "not of the kind"),
            ("bounding-set chown,", "bounding-set CHOWN,", "not of the kind"),
            ("capabilities chown chown,bpf", "capabilities bpf,kill chown,bpf", "not permitted"),
            ("capabilities chown chown,bpf chown chown", "capabilities chown chown,bpf none chown", "ambient"),
            ("capabilities chown chown,bpf chown chown", "capabilities chown chown,bpf", "expected EFFECTIVE"),
            ("capabilities chown chown,bpf chown chown", "capabilities chown", "expected none, or four"),
            ("no-new-privs\n", "", "needs no-new-privs"),
            ("landlock best\n", "", "landlock needs rules"), ("landlock best", "landlock maybe", "expected required or best"),
            ("landlock-port bind none", "landlock-port bind 65536", "expected a port"),
            ("landlock-port bind none", "landlock-port listen 1", "expected bind or connect"),
            ("landlock-path / read,", "landlock-path / all,", "not of the kind"),
            ("landlock-scope abstract-unix", "landlock-scope unix", "not of the kind"),
            ("env A=", "env =", "NAME=VALUE"), ("arg a\narg \"\"\n", "", "id and arg"), ("seccomp 06", "seccomp 0600", "8 bytes"),
            ("seccomp 06", "seccomp 6", "not of the kind"), ("log,spec-allow", "log,listener", "not of the kind"),
            ("log,spec-allow,tsync,wait-killable", "before-capabilities", "plans without no-new-privs"),
            ("denials 3", "denials 3\nlearn /x", "exclude each other"),
            ("umask 77\n", "umask 77\numask 77\n", "only once"), ("hostname h\n", "", "\u{1}"),
            ("pivot\nhostname h\n", "hostname h\npivot\n", "too late in the order"),
        ])
    func refused(old: String, new: String, reason: String) throws {
        let text = Self.text
        let changed = text.replacing(old, with: new, maxReplacements: 1)
        try #require(changed != text, "the plan has no \(old)")
        let said = try check(changed)
        if reason == "\u{1}" { return #expect(said.status == 0, "\(said.reason)") }  // a line that may be missing
        #expect(said.status == 1 && said.reason.contains(reason), "\(said.reason)")
    }

    @Test("more than eight filters are refused")
    func filters() throws {
        let said = try check(
            String(Self.text.dropLast("end\n".count)) + String(repeating: "seccomp 060000000000FF7F\n", count: 7) + "end\n")
        #expect(said.status == 1 && said.reason.contains("too many filters"), "\(said.reason)")
    }

    @Test("what Kubernetes may hand a program fits: thousands of variables, a hundred groups, limits of 64 bits")
    func large() throws {
        let groups = (1000..<1100).map(String.init).joined(separator: " ")
        let variables = (0..<9_000).map { "env SERVICE_\($0)_HOST=10.0.0.1\n" }.joined()
        let text = Self.text
            .replacing("user 0 1 2 3\n", with: "user 0 1 \(groups)\n", maxReplacements: 1)
            .replacing("end\n", with: "end\n")
        let whole = try #require(text.firstRange(of: "arg ")).lowerBound
        let said = try check(text[..<whole] + variables + text[whole...])
        #expect(said.status == 0, "\(said.reason)")
        for (limit, fits) in [
            ("9223372036854775807", true), ("18446744073709551615", true), ("18446744073709551616", false),
            ("99999999999999999999", false), ("000000000000000000001", false),
        ] {
            let plan = "swiftlet-plan 1\nid x\nlog /l 1\nrlimit fsize \(limit) \(limit)\narg a\nend\n"
            #expect(try (check(plan).status == 0) == fits, "\(limit)")
        }
    }

    @Test("a plan that has a byte too many is refused, from a file and from standard input")
    func size() throws {
        let line = "arg " + String(repeating: "a", count: 100_000) + "\n"
        #expect(try check("swiftlet-plan 1\nid x\nlog /l 1\n" + String(repeating: line, count: 20) + "end\n").status == 0)
        let said = try check("swiftlet-plan 1\nid x\nlog /l 1\n" + String(repeating: line, count: 21))
        #expect(said.status == 1 && said.reason.contains("File too large"), "\(said.reason)")
    }
}
