// Where a mount goes in a root of the launcher's own: it keeps the last directory at hand, which must stay the one that the path means.

import CLinux
import Glibc
import SandboxPolicy
import Testing

@Suite("Operations: places in a new root", .enabled(if: Machine.canRun))
struct OperationPlacesTests {
    @Test("what covers a directory, by its own name or by a link's, is where the next mount in it goes")
    func covered() throws {
        try withOperationLab { lab in
            let file = lab.write("file", "mine\n")
            var jail = Jail()
            jail.files = [
                .bind(source: file, path: "/plain/below", flags: [.readOnly]),
                .tmpfs(path: "/plain", options: TmpfsOptions(bytes: 1 << 16, inodes: 16, mode: 0o755), flags: []),
                .bind(source: file, path: "/plain/above", flags: [.readOnly]),
                .symlink(target: "linked", path: "/link"),
                .bind(source: file, path: "/linked/below", flags: [.readOnly]),
                .mount(type: "tmpfs", source: "t", path: "/link", flags: [], data: "size=4096,mode=755"),
                .bind(source: file, path: "/linked/above", flags: [.readOnly]),
                .makeDirectory(path: "/linked/directory", mode: 0o700),
            ]
            let result = try lab.run(
                jail, "ls -x /plain; ls -x /linked; cat /plain/above /linked/above; stat -c %a /linked/directory")
            #expect(result.output == ["above", "above  directory", "mine", "mine", "700"], "\(result)")
        }
    }

    @Test("below a bind the place is made in what is bound, and is there for its owner to see")
    func belowBind() throws {
        try withOperationLab { lab in
            let (shared, file) = (lab.make("shared"), lab.write("file", "mine\n"))
            var jail = Jail()
            jail.files = [
                .bind(source: shared, path: "/data", flags: []), .bind(source: file, path: "/data/sub/one", flags: [.readOnly]),
                .bind(source: file, path: "/data/sub/two", flags: [.readOnly]), .symlink(target: "two", path: "/data/sub/three"),
            ]
            let result = try lab.run(jail, "cat /data/sub/one /data/sub/three")
            #expect(result.output == ["mine", "mine"], "\(result)")
            for name in ["one", "two"] { #expect(access("\(shared)/sub/\(name)", F_OK) == 0) }
            // The link itself, not what it leads to: three bytes.
            var info = stat()
            #expect(lstat("\(shared)/sub/three", &info) == 0 && info.st_size == 3 && info.st_mode & S_IFMT == S_IFLNK)
        }
    }

    @Test("a link that leads nowhere yet is followed to where its target will be; a second mount on a place covers the first")
    func danglingAndTwice() throws {
        try withOperationLab { lab in
            let (first, second) = (lab.write("first", "1\n"), lab.write("second", "2\n"))
            var jail = Jail()
            jail.files = [
                .symlink(target: "there/file", path: "/etc/link"), .bind(source: first, path: "/etc/link", flags: [.readOnly]),
                .symlink(target: "there/directory", path: "/etc/way"),
                .bind(source: lab.directory, path: "/etc/way", flags: [.readOnly]),
                .bind(source: first, path: "/etc/twice", flags: [.readOnly]),
                .bind(source: second, path: "/etc/twice", flags: [.readOnly]),
            ]
            let result = try lab.run(jail, "cat /etc/there/file /etc/there/directory/second /etc/twice")
            #expect(result.output == ["1", "2", "2"], "\(result)")
        }
    }

    @Test("the directories above a mount are its task's own root's, and nobody else may write in them")
    func owned() throws {
        try withOperationLab { lab in
            let file = lab.write("file", "mine\n")
            var jail = Jail.mapped()
            jail.files = [
                .bind(source: file, path: "/one/two/file", flags: [.readOnly]),
                .bind(source: file, path: "/one/file", flags: [.readOnly]),
                .bind(source: "/usr", path: "/one/three/usr", flags: [.readOnly]), .makeDirectory(path: "/one/four", mode: 0o750),
            ]
            let result = try lab.run(jail, "stat -c '%n %u %g %a' /one /one/two /one/three /one/four")
            #expect(
                result.output == ["/one 0 0 755", "/one/two 0 0 755", "/one/three 0 0 755", "/one/four 0 0 750"], "\(result)")
        }
    }

    @Test("directories of /proc that are masked are empty and stay so, and the others are there")
    func maskedDirectories() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.proc = nil
            jail.files = [.proc(path: "/proc"), .mask("/proc/bus"), .mask("/proc/fs"), .mask("/proc/fs/ext4"), .mask("/proc/1")]
            let result = try lab.run(
                jail,
                """
                ls -A /proc/bus /proc/1 /proc/fs | wc -w
                for place in bus fs 1; do touch /proc/$place/x 2>/dev/null || echo refused; done
                grep -cE ' /proc/(bus|fs|1) ro,nosuid,nodev,noexec' /proc/self/mountinfo
                grep -qi ^processor /proc/cpuinfo && echo there
                """)
            // The names of the three, which `ls` writes above what they hold.
            #expect(result.output == ["3", "refused", "refused", "refused", "3", "there"], "\(result)")
        }
    }
}
