// The same operations in the hands of an ordinary user: everything that a user namespace gives works there too.

import CLinux
import Glibc
import SandboxPolicy
import Testing

@Suite("Operations: an ordinary user", .enabled(if: Machine.canRun && access("/usr/bin/setpriv", X_OK) == 0))
struct OperationRootlessTests {
    private static let user: UInt32 = 54_321

    @Test("root, files, names, clocks, limits, capabilities and the second wall, with one id and no privilege")
    func everything() throws {
        try withOperationLab { lab in
            let base = lab.makeImage("base")
            for name in ["upper/data", "work"] { lab.make(name) }
            _ = try OperationLab.status(of: OperationLab.spawn("/bin/chown", ["-R", "\(Self.user):\(Self.user)", lab.directory]))
            var jail = Jail()
            jail.namespaces = [
                .namespace(.user), .namespace(.ipc), .namespace(.uts), .namespace(.net), .namespace(.cgroup), .namespace(.time),
                .timeOffset(.boottime, seconds: 5_000_000, nanoseconds: 0), .uidMap(inside: 0, host: Self.user, count: 1),
                .gidMap(inside: 0, host: Self.user, count: 1), .rootless(.direct),
            ]
            let layers = OverlayOptions(
                lower: [base], upper: "\(lab.directory)/upper", work: "\(lab.directory)/work", userAttributes: true)
            jail.root = [.rootOverlay(at: lab.place, options: layers, flags: [.noSuid, .noDev])]
            jail.files = [
                .tmpfs(path: "/dev", options: TmpfsOptions(bytes: 65_536, inodes: 64, mode: 0o755), flags: [.noSuid, .noExec]),
                .deviceNode(path: "/dev/zero", type: .character, major: 1, minor: 5, mode: 0o666, uid: 0, gid: 0),
                .deviceNode(path: "/dev/fifo", type: .pipe, major: 0, minor: 0, mode: 0o600, uid: 0, gid: 0),
                .mount(
                    type: "devpts", source: "devpts", path: "/dev/pts", flags: [.noSuid, .noExec],
                    data: "newinstance,ptmxmode=0666"),
                .mount(type: "mqueue", source: "mqueue", path: "/dev/mqueue", flags: [.noSuid, .noDev, .noExec], data: ""),
                .mount(type: "sysfs", source: "sysfs", path: "/sys", flags: [.readOnly, .noSuid], data: ""),
            ]
            jail.proc = .proc(path: "/proc", options: ProcOptions(hidePID: .invisible))
            jail.system = [
                .hostname("rootless"), .loopback, .sysctl(name: "kernel.shmmax", value: "4444"),
                .sysctl(name: "net.ipv4.ip_unprivileged_port_start", value: "5"),
            ]
            jail.process = [
                .resourceLimit(name: "nofile", soft: 100, hard: 200), .oomScoreAdjustment(500), .nice(3),
                .boundingSet([.netBindService]),
                .user(uid: 0, gid: 0, groups: []),
                .capabilities(CapabilitySets(effective: [.netBindService], permitted: [.netBindService])), .noNewPrivileges,
            ]
            jail.wall = [
                .landlock(.best), .landlockPath("/", rights: [.read, .execute, .write]),
                .landlockPath("/data", rights: [.read, .write, .make]),
            ]
            let script = """
                id -u; hostname; cat /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_unprivileged_port_start; grep CapEff /proc/self/status
                ulimit -n; nice; cat /proc/self/oom_score_adj; test $(cut -d. -f1 /proc/uptime) -gt 5000000 && echo later
                head -c2 /dev/zero | od -An -tx1; test -p /dev/fifo && echo fifo; ls /dev/pts; ls -d /sys/kernel
                touch /data/x && echo written; touch /x 2>/dev/null || echo refused; umount /proc 2>/dev/null || echo held
                """
            lab.write("plan", lab.plan(jail, script).text)
            let launcher = try #require(Machine.launcher)
            let pid = try OperationLab.spawn(
                "/usr/bin/setpriv",
                [
                    "--reuid", "\(Self.user)", "--regid", "\(Self.user)", "--clear-groups", launcher, "supervise", "--foreground",
                    "--plan",
                    "\(lab.directory)/plan", "--state-dir", "\(lab.directory)/state",
                ])
            let status = try OperationLab.status(of: pid)
            let output = Lab.text("\(lab.directory)/log").split(separator: "\n").map {
                $0.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).dropFirst(3).joined()
            }
            #expect(
                output == [
                    "0", "rootless", "4444", "5", "CapEff:\t0000000000000400", "100", "3", "500", "later", " 00 00", "fifo",
                    "ptmx", "/sys/kernel",
                    "written", "refused", "held",
                ], "status \(status) \(Lab.text("\(lab.directory)/state/state.json"))")
            #expect(access("\(lab.directory)/upper/data/x", F_OK) == 0)
        }
    }
}
