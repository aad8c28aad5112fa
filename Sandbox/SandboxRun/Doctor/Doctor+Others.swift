// File systems, second walls, networks and the node: probes and, where nothing can be tried, what is installed.
import CLinux
import Glibc
import SandboxPolicy

extension Doctor {
    // MARK: File system

    var fileSystem: [DoctorFinding] {
        let mountFix = "Linux 5.14 or later, and the right to mount (root, or a user namespace)"
        return [
            finding(
                .fileSystem, "root of its own",
                probe.run {
                    $0.namespaces = [.mount, .pid]
                    $0.fileSystem = root + [.proc(path: "/proc"), .rootReadOnly, .pivot]
                }, detail: "tmpfs, /proc, read-only, pivot_root", fix: mountFix, essential: true),
            finding(
                .fileSystem, "read-only binds",
                probe.run {
                    $0.namespaces = [.mount]
                    $0.fileSystem =
                        root + [.bind(source: directory, path: "/x", flags: [.readOnly, .noSuid, .noDev, .recursive]), .pivot]
                }, detail: "recursively", fix: mountFix, essential: true),
            idMapped,
            overlay,
            finding(
                .fileSystem, "/proc hidepid",
                probe.run {
                    $0.namespaces = [.mount, .pid]
                    $0.fileSystem = root + [.proc(path: "/proc", options: ProcOptions(hidePID: .invisible)), .pivot]
                }, fix: "Linux 5.8 or later", otherwise: .limited),
        ]
    }

    private var root: [LaunchOperation] {
        [
            .rootTmpfs(at: machine.mountPoints.first ?? "/mnt", options: TmpfsOptions(bytes: 1 << 20, inodes: 64, mode: 0o755)),
            .device("null"),
        ]
    }

    private var idMapped: DoctorFinding {
        guard machine.rootless == nil else {
            return DoctorFinding(
                .fileSystem, "id-mapped binds", .limited, "not for ordinary users: files belong to the own id inside",
                fix: "none needed with one id; root has them")
        }
        let outcome = probe.run {
            $0.user = true
            $0.namespaces = [.mount]
            $0.fileSystem =
                root + [.bind(source: directory, path: "/x", flags: [.readOnly, .noSuid, .noDev, .idMapped]), .pivot]
        }
        return finding(
            .fileSystem, "id-mapped binds", outcome, detail: "on \(directory)",
            fix: "keep images and volumes on ext4, xfs, btrfs or tmpfs; not on an overlay", essential: true)
    }

    private var overlay: DoctorFinding {
        let parts = ["lower", "upper", "work"].map { "\(probe.scratch.path)/\($0)" }
        for part in parts { mkdir(part, 0o755) }
        let outcome = probe.run {
            $0.namespaces = [.mount]
            $0.fileSystem = [
                .rootOverlay(
                    at: machine.mountPoints.first ?? "/mnt",
                    options: OverlayOptions(
                        lower: [parts[0]], upper: parts[1], work: parts[2], userAttributes: machine.rootless != nil), flags: []),
                .device("null"), .pivot,
            ]
        }
        return finding(
            .fileSystem, "overlay", outcome, detail: "on \(probe.scratch.path)",
            fix: "a kernel with CONFIG_OVERLAY_FS (5.11 for ordinary users)")
    }

    // MARK: Second walls

    var walls: [DoctorFinding] {
        var findings = [
            finding(.walls, "no_new_privs", probe.run { _ in }, fix: "Linux 3.5 or later", essential: true),
            DoctorFinding(
                .walls, "pidfd", pidfd ? .works : .missing, pidfd ? "" : String(cString: strerror(errno)),
                fix: "Linux 5.3 or later",
                essential: true),
        ]
        if let filter = try? SeccompCompiler.program(for: .runtimeDefault()) {
            findings.append(
                finding(
                    .walls, "seccomp", probe.run { $0.seccomp = [.seccomp(filter)] },
                    detail: "RuntimeDefault, \(filter.count / 8) instructions",
                    fix: "a kernel with CONFIG_SECCOMP_FILTER", essential: true))
            findings.append(
                finding(
                    .walls, "seccomp evidence",
                    probe.run {
                        $0.supervision = [.denials(maximum: 16)]
                        $0.seccomp = [.seccomp(filter)]
                    }, detail: "refused calls are counted by name", fix: "Linux 5.0 or later", otherwise: .limited))
        } else {
            findings.append(
                DoctorFinding(
                    .walls, "seccomp", .missing, "libseccomp cannot compile the profile", fix: "apt-get install libseccomp2",
                    essential: true))
        }
        findings.append(landlock)
        return findings
    }

    private var pidfd: Bool {
        let descriptor = clinux_pidfd_open(getpid(), 0)
        if descriptor >= 0 { close(descriptor) }
        return descriptor >= 0
    }

    private var landlock: DoctorFinding {
        let fix = "a kernel with CONFIG_SECURITY_LANDLOCK and landlock in lsm=; the other walls hold without it"
        guard machine.landlockABI > 0 else { return DoctorFinding(.walls, "Landlock", .missing, "the kernel has none", fix: fix) }
        let outcome = probe.run {
            $0.walls = [.landlock(.best), .landlockPath("/", rights: [.read, .execute])]
        }
        let ports = machine.landlockABI >= 4 ? "paths and TCP ports" : "paths, no TCP ports (Linux 6.7)"
        return finding(.walls, "Landlock", outcome, detail: "ABI \(machine.landlockABI): \(ports)", fix: fix, otherwise: .limited)
    }

    // MARK: Network

    var network: [DoctorFinding] {
        [
            finding(
                .network, "loopback",
                probe.run {
                    $0.namespaces = [.net]
                    $0.system = [.loopback]
                }, fix: "a kernel with CONFIG_NET_NS", essential: true),
            veth, tun, plugins,
        ]
    }

    private var veth: DoctorFinding {
        guard machine.rootless == nil else {
            return DoctorFinding(
                .network, "veth", .limited, "needs root: ordinary users' tasks have loopback or the host's network",
                fix: "run as root")
        }
        let fix = "a kernel with CONFIG_VETH; apt-get install iproute2"
        guard let tool = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"].first(where: RunPath.isExecutable) else {
            return DoctorFinding(.network, "veth", .limited, "not tried: no ip(8)", fix: fix)
        }
        let words = [tool, "link", "add", "vA", "type", "veth", "peer", "name", "vB"]
        guard let status = probe.status(of: words, { $0.namespaces = [.net] }) else {
            return DoctorFinding(.network, "veth", .missing, "no network namespace", fix: fix)
        }
        return DoctorFinding(
            .network, "veth", status == 0 ? .works : .missing, status == 0 ? "" : "ip link add: status \(status)", fix: fix)
    }

    private var tun: DoctorFinding {
        let descriptor = open("/dev/net/tun", O_RDWR | O_CLOEXEC)
        let (error, reason) = (errno, String(cString: strerror(errno)))
        if descriptor >= 0 { close(descriptor) }
        if descriptor < 0, error == EACCES || error == EPERM {
            return DoctorFinding(
                .network, "tun", .limited, "/dev/net/tun: \(reason), which is no lack of the kernel's",
                fix: "run as root, or let this user open it: chmod 666 /dev/net/tun, as most systems have it")
        }
        return DoctorFinding(
            .network, "tun", descriptor >= 0 ? .works : .missing, descriptor >= 0 ? "/dev/net/tun" : "/dev/net/tun: \(reason)",
            fix: "mknod /dev/net/tun c 10 200; a kernel with CONFIG_TUN")
    }

    private var plugins: DoctorFinding {
        let places = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"]
        let needed = ["bridge", "host-local", "portmap", "loopback"]
        let fix = "apt-get install containernetworking-plugins, and a network below /etc/cni/net.d"
        guard let place = places.first(where: { RunPath.isExecutable("\($0)/bridge") }) else {
            return DoctorFinding(.network, "CNI plugins", .missing, "none in \(places.joined(separator: " "))", fix: fix)
        }
        let missing = needed.filter { !RunPath.isExecutable("\(place)/\($0)") }
        guard missing.isEmpty else {
            return DoctorFinding(.network, "CNI plugins", .limited, "\(place) lacks \(missing.joined(separator: " "))", fix: fix)
        }
        if machine.rootless != nil {
            return DoctorFinding(.network, "CNI plugins", .limited, "\(place); they need root", fix: "run the agent as root")
        }
        return DoctorFinding(.network, "CNI plugins", .works, place)
    }

    // MARK: Node

    var node: [DoctorFinding] {
        let names = ["runc", "crun", "youki", "runsc"]
        let found = names.compactMap { name in
            (machine.environment["PATH"] ?? RunEnvironment.path).split(separator: ":").map { "\($0)/\(name)" }.first(
                where: RunPath.isExecutable)
        }
        return [
            DoctorFinding(
                .node, "OCI runtimes", found.isEmpty ? .missing : .works,
                found.isEmpty ? "none of \(names.joined(separator: " ")) in PATH" : found.joined(separator: " "),
                fix: "apt-get install crun; `swiftlet oci` is one itself"),
            DoctorFinding(
                .node, "kernel", .works, SmallFile.line("/proc/sys/kernel/osrelease") ?? "unknown"),
        ]
    }
}
