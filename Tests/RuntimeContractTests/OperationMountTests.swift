// Each operation of the plan's root and files against the kernel: what it says is what a task then sees.

import CLinux
import Glibc
import SandboxPolicy
import Testing

@Suite("Operations: root and files", .enabled(if: Machine.canRun))
struct OperationMountTests {
    @Test("any file system is mounted with its options and flags")
    func mount() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.namespaces = [.namespace(.ipc), .namespace(.net)]
            jail.files = [
                .mount(
                    type: "tmpfs", source: "mine", path: "/mnt", flags: [.noSuid, .noExec, .noAccessTime],
                    data: "size=1048576,mode=700"),
                .mount(type: "mqueue", source: "mqueue", path: "/dev/mqueue", flags: [.noSuid, .noDev, .noExec], data: ""),
                .mount(type: "sysfs", source: "sysfs", path: "/sys", flags: [.readOnly, .noSuid], data: ""),
                .mount(
                    type: "devpts", source: "devpts", path: "/dev/pts", flags: [.noSuid, .noExec],
                    data: "newinstance,ptmxmode=0666,mode=0620"),
            ]
            let result = try lab.run(jail, "grep -E ' (/mnt|/dev/mqueue|/sys|/dev/pts) ' /proc/mounts")
            #expect(
                result.output == [
                    "mine /mnt tmpfs rw,nosuid,noexec,noatime,size=1024k,mode=700 0 0",
                    "mqueue /dev/mqueue mqueue rw,nosuid,nodev,noexec,relatime 0 0", "sysfs /sys sysfs ro,nosuid,relatime 0 0",
                    "devpts /dev/pts devpts rw,nosuid,noexec,relatime,mode=620,ptmxmode=666 0 0",
                ], "\(result)")
        }
    }

    @Test("a place behind a link that goes up is found however much is renamed on the machine meanwhile")
    func renamesMeanwhile() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.files = [
                .makeDirectory(path: "/x", mode: 0o755),
                .symlink(target: String(repeating: "x/../", count: 100) + "x", path: "/up"),
            ]
            jail.files += (0..<40).map { .makeDirectory(path: "/up/\($0)", mode: 0o755) }
            try lab.whileOthersRename {
                for _ in 0..<5 {
                    let result = try lab.run(jail, "ls /x | wc -l")
                    #expect(result.output == ["40"], "\(result)")
                }
            }
        }
    }

    @Test("a tmpfs whose options name no mode has that of the directory which it covers, copied up or not")
    func modeOfPlace() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.files = [.makeDirectory(path: "/closed", mode: 0o700), .makeDirectory(path: "/filled", mode: 0o750)]
            jail.files += [
                .mount(type: "tmpfs", source: "t", path: "/closed", flags: [], data: "size=4096"),
                .mount(type: "tmpfs", source: "t", path: "/filled", flags: [.copyUp], data: "size=4096"),
                .mount(type: "tmpfs", source: "t", path: "/said", flags: [], data: "size=4096,mode=711"),
                .mount(type: "tmpfs", source: "t", path: "/new", flags: [], data: "size=4096"),
            ]
            let result = try lab.run(jail, "stat -c '%a' /closed /filled /said /new")
            #expect(result.output == ["700", "750", "711", "1777"], "\(result)")
        }
    }

    @Test("an option that the kernel refuses is named, with the kernel's own words")
    func mountRefused() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.files = [.mount(type: "tmpfs", source: "", path: "/mnt", flags: [], data: "size=many")]
            let result = try lab.run(jail, "true")
            #expect(result.stage == "mount(size /mnt: tmpfs: Bad value for 'size')", "\(result)")
        }
    }

    @Test("a read-only recursive bind is read-only all the way down; noatime and nosymfollow hold")
    func bindFlags() throws {
        try withOperationLab { lab in
            lab.make("outer/inner")
            symlink("inner", "\(lab.directory)/outer/link")
            var jail = Jail()
            jail.files = [
                .bind(source: "/sys", path: "/data", flags: [.readOnly, .recursive, .recursiveReadOnly, .noAccessTime]),
                .bind(source: "\(lab.directory)/outer", path: "/links", flags: [.noSymlinkFollow, .noDirectoryAccessTime]),
            ]
            let result = try lab.run(
                jail,
                """
                grep -c ' /data/[^ ]* ' /proc/self/mountinfo
                grep ' /data' /proc/self/mountinfo | grep -cv ' ro,.*noatime'
                ls /links/link/ 2>&1 | grep -o 'symbolic links'
                grep ' /links ' /proc/mounts | grep -o nodiratime
                """)
            // The machine has file systems mounted beneath /sys; of the copies none is writable.
            #expect(Int(result.output.first ?? "0") ?? 0 > 0, "\(result)")
            #expect(result.output.dropFirst() == ["0", "symbolic links", "nodiratime"], "\(result)")
        }
    }

    @Test("a source is what its path said when it was checked: with nofollow, a link put in its way since is refused")
    func noFollow() throws {
        try withOperationLab { lab in
            lab.make("volume/sub")
            lab.write("volume/sub/file", "mine\n")
            let sub = "\(lab.directory)/volume/sub"
            var jail = Jail()
            jail.files = [.bind(source: sub, path: "/data", flags: [.readOnly, .noFollow])]
            try #expect(lab.run(jail, "cat /data/file").output == ["mine"])
            rename(sub, "\(sub).old")
            symlink("/etc", sub)
            try #expect(lab.run(jail, "true").stage == "mount(bind \(sub))")
            jail.files = [.bind(source: "\(sub)/ssl", path: "/data", flags: [.readOnly, .recursive, .noFollow, .recursiveSlave])]
            try #expect(lab.run(jail, "true").stage == "mount(bind \(sub)/ssl)")
        }
    }

    @Test("a copied-up tmpfs begins with what its place holds, links as links, no FIFO opened, and keeps its flags")
    func copyUp() throws {
        try withOperationLab { lab in
            let image = lab.makeImage("image")
            lab.make("image/data/sub", mode: 0o750)
            lab.write("image/data/file", "hello\n", mode: 0o640)
            chown("\(image)/data/file", 7, 8)
            symlink("/etc/shadow", "\(image)/data/link")
            mkfifo("\(image)/data/fifo", 0o600)
            var jail = Jail()
            jail.root = [.rootBind(source: image, at: lab.place, flags: [.noSuid, .noDev])]
            let options = TmpfsOptions(bytes: 1 << 20, inodes: 64, mode: 0o755)
            jail.files = [
                .tmpfs(path: "/data", options: options, flags: [.readOnly, .noSuid, .copyUp]),
                .mount(type: "tmpfs", source: "t", path: "/tmp", flags: [.copyUp], data: "size=4096"),
            ]
            let result = try lab.run(
                jail,
                "cd /data; stat -c '%n %F %a %u %g' *; cat file; readlink link; touch x 2>/dev/null || echo refused; touch /tmp/x && echo written"
            )
            #expect(
                result.output == [
                    "file regular file 640 7 8", "link symbolic link 777 0 0", "sub directory 750 0 0", "hello", "/etc/shadow",
                    "refused", "written",
                ], "\(result)")
        }
    }

    @Test("propagation: slave binds see what the host mounts later, shared ones are seen by it, others do neither")
    func propagation() throws {
        try withOperationLab { lab in
            lab.make("shared")
            let shared = "\(lab.directory)/shared"
            var jail = Jail()
            jail.files = [
                .bind(source: shared, path: "/slave", flags: [.recursive, .recursiveSlave]),
                .bind(source: shared, path: "/shared", flags: [.recursive, .recursiveShared]),
                .bind(source: shared, path: "/private", flags: [.recursive]),
                .bind(source: shared, path: "/unbindable", flags: [.unbindable]),
            ]
            lab.write(
                "plan",
                lab.plan(
                    jail,
                    "awk '$5 ~ /^.(slave|shared|private|unbindable)$/ {print $5, $7}' /proc/self/mountinfo | sed 's/:.*//'; mount -t tmpfs x /shared/sub"
                ).text)
            // A mount namespace plays the host, so that this machine's own mounts stay as they are.
            let host =
                "mount -t tmpfs x \(shared) && mount --make-shared \(shared) && mkdir \(shared)/sub && $0 supervise --foreground --plan \(lab.directory)/plan "
                + "--state-dir \(lab.directory)/state; grep -c \(shared)/sub /proc/self/mounts > \(lab.directory)/seen"
            let shell = try OperationLab.spawn(
                "/usr/bin/unshare", ["-m", "--propagation", "private", "/bin/sh", "-c", host, try #require(Machine.launcher)])
            _ = try OperationLab.status(of: shell)
            let output = Lab.text("\(lab.directory)/log").split(separator: "\n").map {
                $0.split(separator: " ").dropFirst(3).joined(separator: " ")
            }
            #expect(output == ["/slave master", "/shared shared", "/private -", "/unbindable unbindable"])
            #expect(Lab.text("\(lab.directory)/seen") == "1\n", "what the task mounted in the shared directory")
        }
    }

    @Test(
        "the root's propagation",
        arguments: [
            (MountPropagation.shared, "shared"), (.unbindable, "unbindable"), (.private, "-"), (.recursiveShared, "shared"),
        ])
    func rootPropagation(propagation: MountPropagation, expected: String) throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.root = [
                .rootTmpfs(at: lab.place, options: TmpfsOptions(bytes: 1 << 20, inodes: 64, mode: 0o755)),
                .rootPropagation(propagation),
            ]
            let result = try lab.run(jail, "awk '$5 == \"/\" {print $7}' /proc/self/mountinfo | sed 's/:.*//'")
            #expect(result.output == [expected], "\(result)")
        }
    }

    @Test("an overlay: writes go to the upper layer, layers' paths may hold colons, commas and more bytes than an option takes")
    func overlay() throws {
        try withOperationLab { lab in
            let base = lab.makeImage("base")
            let long = String(repeating: "x", count: 200) + "/a:b,c\\" + String(repeating: "y", count: 100)
            let top = lab.make(long)
            lab.write("\(long)/file", "layer\n")
            lab.make("upper")
            lab.make("work")
            var jail = Jail()
            let options = OverlayOptions(
                lower: [top, base], upper: "\(lab.directory)/upper", work: "\(lab.directory)/work", volatile: true)
            jail.root = [.rootOverlay(at: lab.place, options: options, flags: [.noSuid, .noDev])]
            let result = try lab.run(jail, "cat /file && rm /file && echo new > /tmp/new && ls /tmp")
            #expect(result.output == ["layer", "new"], "\(result)")
            #expect(Lab.text("\(top)/file") == "layer\n" && Lab.text("\(lab.directory)/upper/tmp/new") == "new\n")
        }
    }

    @Test(
        "an overlay's id-mapped layers: the host's root's files are the task's root's, and what it writes lies with its host ids")
    func overlayMapped() throws {
        try withOperationLab { lab in
            let base = lab.makeImage("base")
            lab.write("base/secret", "mine\n", mode: 0o600)
            lab.make("upper")
            lab.make("work")
            chown("\(lab.directory)/upper", 0x4001_0000, 0x4001_0000)
            var jail = Jail.mapped()
            let options = OverlayOptions(lower: [base], upper: "\(lab.directory)/upper", work: "\(lab.directory)/work")
            jail.root = [.rootOverlay(at: lab.place, options: options, flags: [.noSuid, .noDev, .idMapped])]
            let result = try lab.run(jail, "stat -c %u / /secret && cat /secret && echo more >> /secret && echo new > /tmp/new")
            #expect(result.output == ["0", "0", "mine"], "\(result)")
            var info = stat()
            #expect(lstat("\(lab.directory)/upper/secret", &info) == 0 && info.st_uid == 0x4001_0000)
            #expect(lstat("\(base)/secret", &info) == 0 && info.st_uid == 0 && info.st_size == 5)
        }
    }

    @Test("on an id-mapped image the launcher's own directories, files and links belong to the task's root")
    func mappedNodes() throws {
        try withOperationLab { lab in
            let image = lab.makeImage("image")
            var jail = Jail.mapped()
            jail.root = [.rootBind(source: image, at: lab.place, flags: [.noSuid, .noDev, .idMapped])]
            jail.files = [
                .makeDirectory(path: "/a/b", mode: 0o750), .file(path: "/a/f", mode: 0o640, contents: [104, 105, 10]),
                .symlink(target: "f", path: "/a/l"),
            ]
            let result = try lab.run(jail, "stat -c '%n %a %u' /a /a/b /a/f && cat /a/l")
            #expect(result.output == ["/a 755 0", "/a/b 750 0", "/a/f 640 0", "hi"], "\(result)")
        }
    }

    @Test("device nodes are made with mode and owner; an image's own node is taken only when it is the same")
    func deviceNodes() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.files = [
                .tmpfs(path: "/dev", options: TmpfsOptions(bytes: 65_536, inodes: 64, mode: 0o755), flags: [.noSuid, .noExec]),
                .deviceNode(path: "/dev/zero", type: .character, major: 1, minor: 5, mode: 0o644, uid: 5, gid: 6),
                .deviceNode(path: "/dev/pipe", type: .pipe, major: 0, minor: 0, mode: 0o600, uid: 0, gid: 0),
                .deviceNode(path: "/dev/full", type: .unbuffered, major: 1, minor: 7, mode: 0o666, uid: 0, gid: 0),
                .deviceNode(path: "/dev/zero", type: .character, major: 1, minor: 5, mode: 0o644, uid: 5, gid: 6),
            ]
            let result = try lab.run(
                jail, "stat -c '%n %F %t,%T %a %u %g' /dev/zero /dev/pipe /dev/full; head -c 2 /dev/zero | od -An -tx1")
            #expect(
                result.output == [
                    "/dev/zero character special file 1,5 644 5 6", "/dev/pipe fifo 0,0 600 0 0",
                    "/dev/full character special file 1,7 666 0 0",
                    " 00 00",
                ], "\(result)")
            jail.files.append(.deviceNode(path: "/dev/zero", type: .character, major: 1, minor: 3, mode: 0o644, uid: 0, gid: 0))
            try #expect(lab.run(jail, "true").stage == "device-node(/dev/zero)")
        }
    }

    @Test("hidepid and subset of /proc")
    func proc() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.proc = .proc(path: "/proc", options: ProcOptions(hidePID: .invisible, group: 42, onlyProcesses: true))
            jail.process = [.user(uid: 1000, gid: 1000, groups: []), .dropCapabilities]
            let result = try lab.run(jail, "ls -d /proc/1 /proc/meminfo 2>&1; ls -d /proc/self/stat")
            #expect(
                result.output.last == "/proc/self/stat" && result.output.filter { $0.contains("No such file") }.count == 2,
                "\(result)")
        }
    }

    @Test("masked paths are empty, read-only ones refuse writing and keep what they are")
    func maskAndReadOnly() throws {
        try withOperationLab { lab in
            lab.make("data/dir")
            lab.write("data/dir/f", "x")
            lab.write("data/file", "secret")
            var jail = Jail()
            jail.files = [
                .bind(source: "\(lab.directory)/data", path: "/data", flags: []), .mask("/data/file"), .mask("/data/dir"),
                .mask("/data/none"),
                .bind(source: "\(lab.directory)/data", path: "/other", flags: []), .readOnly("/other"), .readOnly("/other/none"),
            ]
            let result = try lab.run(
                jail,
                "wc -c < /data/file; ls /data/dir | wc -l; touch /data/dir/x 2>/dev/null || echo refused; touch /other/x 2>/dev/null || echo refused; cat /other/file"
            )
            #expect(result.output == ["0", "0", "refused", "refused", "secret"], "\(result)")
        }
    }

    @Test("/proc and its masks are never led aside by an image's links")
    func hostileProc() throws {
        try withOperationLab { lab in
            let image = lab.makeImage("image")
            rmdir("\(image)/proc")
            lab.make("image/elsewhere")
            symlink("elsewhere", "\(image)/proc")
            var jail = Jail()
            jail.root = [.rootBind(source: image, at: lab.place, flags: [.noSuid, .noDev])]
            try #expect(lab.run(jail, "true").stage == "mountpoint(/proc must be mounted on ordinary directory)")
            jail.proc = .mount(type: "proc", source: "proc", path: "/proc", flags: [], data: "")
            try #expect(lab.run(jail, "true").stage == "mountpoint(/proc must be mounted on ordinary directory)")
            // Without a proc file system the image's own directory is not one to mask.
            jail.proc = .mask("/proc/kcore")
            lab.write("image/elsewhere/kcore", "")
            try #expect(lab.run(jail, "true").stage == "mask(/proc/kcore is not of the proc file system)")
        }
    }

    @Test("a FIFO, a link or a file where a mount goes is mounted over or refused, and never opened")
    func hostileDestinations() throws {
        try withOperationLab { lab in
            let image = lab.makeImage("image")
            mkfifo("\(image)/etc/hosts", 0o644)
            symlink("/\(String(repeating: "../", count: 20))\(lab.directory)/outside", "\(image)/etc/resolv.conf")
            lab.write("image/etc/file", "")
            lab.write("given", "given\n")
            var jail = Jail()
            jail.root = [.rootBind(source: image, at: lab.place, flags: [.noSuid, .noDev])]
            jail.files = [.bind(source: "\(lab.directory)/given", path: "/etc/hosts", flags: [.readOnly])]
            try #expect(lab.run(jail, "cat /etc/hosts").output == ["given"])
            jail.files = [.bind(source: "\(lab.directory)/given", path: "/etc/resolv.conf", flags: [.readOnly])]
            try #expect(lab.run(jail, "cat /etc/resolv.conf").output == ["given"], "followed within the root, and made there")
            #expect(access("\(image)\(lab.directory)/outside", F_OK) == 0)
            jail.files = [.tmpfs(path: "/etc/file", options: TmpfsOptions(bytes: 4096, inodes: 4, mode: 0o755), flags: [])]
            try #expect(lab.run(jail, "true").stage?.hasPrefix("mountpoint(/etc/file)") == true)
            jail.files = [.file(path: "/etc/hosts", mode: 0o644, contents: [])]
            try #expect(lab.run(jail, "true").stage?.hasPrefix("file(/etc/hosts)") == true)
            #expect(access("\(lab.directory)/outside", F_OK) != 0, "made outside of the root")
        }
    }

    @Test("an image's FIFO as /dev/null does not hold up the start")
    func hostileNull() throws {
        try withOperationLab { lab in
            let image = lab.makeImage("image")
            mkfifo("\(image)/dev/null", 0o666)
            var jail = Jail()
            jail.root = [.rootBind(source: image, at: lab.place, flags: [.noSuid, .noDev])]
            let plan = LaunchPlan(operations: lab.plan(jail, "cat; echo done").operations.filter { $0 != .device("null") })
            try #expect(lab.run(plan).output == ["done"])
        }
    }

    @Test("without pivot_root: a root moved over the old one, and a detached one in the caller's own mount namespace")
    func changeRoot() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.enter = .changeRoot(.move)
            let moved = try lab.run(
                jail, "ls -d /usr /work /var/tmp 2>/dev/null; awk '$5 == \"/\"' /proc/self/mountinfo | tail -1 | grep -c tmpfs")
            #expect(moved.output == ["/usr", "1"], "\(moved)")
            let image = lab.makeImage("image")
            lab.write("image/file", "inside\n")
            let plan = LaunchPlan(operations: [
                .id("d"), .log(path: "\(lab.directory)/log", maximumBytes: 1 << 20), .namespace(.pid), .rootDetached(source: "/"),
                .changeRoot(.detached), .workingDirectory("/"), .argument("/bin/cat"), .argument("\(image)/file"),
            ])
            try #expect(lab.run(plan).output == ["inside"])
        }
    }
}
