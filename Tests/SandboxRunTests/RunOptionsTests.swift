// What a command line means, and what is said about one that means nothing.

import Glibc
import Testing

@testable import SandboxRun

@Suite("Options of swiftlet run")
struct RunOptionsTests {
    private func options(_ words: String...) throws -> RunOptions {
        guard case .run(let options) = try RunOptions.parse(words) else {
            throw RunFailure(field: "", found: "help", expected: "options")
        }
        return options
    }

    @Test("the command begins at the first word that is no option, or behind two dashes")
    func command() throws {
        #expect(try options("ls", "-l", "--memory").command == ["ls", "-l", "--memory"])
        #expect(try options("--", "-odd").command == ["-odd"])
        #expect(try options("-m", "1Mi", "--", "a", "--", "b").command == ["a", "--", "b"])
        #expect(try RunOptions.parse(["--memory=1Mi", "--help"]) == .help)
    }

    @Test("a value stands behind its option or behind an equals sign, and the last one counts")
    func values() throws {
        let options = try options(
            "--memory=64Mi", "-m", "1.5Gi", "--cpus", "500m", "--pids=7", "--time-limit", "1h30m", "--umask", "077", "x")
        #expect(options.memoryBytes == 3 << 29)
        #expect(options.cpuMillis == 500)
        #expect(options.pids == 7)
        #expect(options.timeLimitMilliseconds == 5_400_000)
        #expect(options.umask == 0o077)
    }

    @Test("binds are read-only unless they say rw, and sit where they come from unless they say where")
    func binds() throws {
        let options = try options("--bind", "/usr/share", "-B", "/usr/lib:/data:rw", "--bind=/usr/bin:ro", "x")
        #expect(options.binds.map(\.path) == ["/usr/share", "/data", "/usr/bin"])
        #expect(options.binds.map(\.readOnly) == [true, false, true])
    }

    @Test("a report goes to stderr, to a descriptor or into a file")
    func report() throws {
        #expect(try options("--json", "x").report == .descriptor(2))
        #expect(try options("--json=7", "x").report == .descriptor(7))
        #expect(try options("--json=/nowhere/report", "x").report == .file("/nowhere/report"))
    }

    @Test("a file that is to be written is named by its own name, also where a link of that name lies")
    func outputs() throws {
        let scratch = try ScratchDirectory("swiftlet-run-link")
        symlink("/etc/hostname", scratch.path + "/link")
        let options = try options("--json=\(scratch.path)/link", "--log", "\(scratch.path)/link", "x")
        #expect(options.report == .file(scratch.path + "/link"))
        #expect(options.logPath == scratch.path + "/link")
        #expect(!SmallFile.create(scratch.path + "/link", [1]))
    }

    @Test("the rest of what an option can say")
    func others() throws {
        let options = try options(
            "--rlimit", "nofile=10:20", "--rlimit=core=unlimited", "--network", "cni:pods", "--seccomp", "unconfined",
            "--cap-add", "CAP_NET_RAW,chown",
            "--user", "5:6", "--uid-map", "0:100000:10", "--sysctl", "kernel.shmmax=1", "--time-offset", "-90s", "-e", "A=b=c",
            "-e", "HOME", "x")
        #expect(
            options.resourceLimits == [.init(name: "nofile", soft: 10, hard: 20), .init(name: "core", soft: .max, hard: .max)])
        #expect(options.network == .cni("pods"))
        #expect(options.seccomp == .unconfined)
        #expect(options.capabilities == [.netRaw, .chown])
        #expect((options.uid, options.gid) == (5, 6))
        #expect(options.uidMaps == [IDMap(inside: 0, host: 100_000, count: 10)])
        #expect(options.timeOffsetMilliseconds == -90_000)
        #expect(options.environment == [RunSetting(name: "A", value: "b=c")])
        #expect(options.inheritedEnvironment == ["HOME"])
    }

    @Test(
        "what cannot be meant is refused with the option's name",
        arguments: [
            (["x", "", "-m", "0"], nil as String?), (["-m", "0", "x"], "--memory"), (["-m", "12q", "x"], "--memory"),
            (["-m"], "--memory"),
            (["--cpus", "0", "x"], "--cpus"), (["--cpuset", "3-1", "x"], "--cpuset"), (["--pids", "0", "x"], "--pids"),
            (["--pids", "99999999999999999999", "x"], "--pids"), (["--rlimit", "nofile=5:4", "x"], "--rlimit"),
            (["--rlimit", "bogus=5", "x"], "--rlimit"),
            (["--rlimit", "nofile", "x"], "--rlimit"), (["--network", "bridge", "x"], "--network"),
            (["--network", "cni:", "x"], "--network"),
            (["--port", "0", "x"], "--port"), (["--port", "65536", "x"], "--port"),
            (["--cap-add", "everything", "x"], "--cap-add"),
            (["--user", "root", "x"], "--user"), (["--user", "1:2:3", "x"], "--user"), (["--user", "4294967295", "x"], "--user"),
            (["--uid-map", "0:1", "x"], "--uid-map"), (["--uid-map", "0:1:0", "x"], "--uid-map"),
            (["--bind", "", "x"], "--bind"),
            (["--bind", "/a:/b:/c", "x"], "--bind"), (["--bind", "/a:b", "x"], "--bind"),
            (["--bind", "/a:/b/../c", "x"], "--bind"),
            (["--tmpfs", "/x", "x"], "--tmpfs"), (["--umask", "8", "x"], "--umask"), (["--nice", "20", "x"], "--nice"),
            (["--env", "", "x"], "--env"),
            (["--thrash-limit", "0", "x"], "--thrash-limit"), (["--time-limit", "5x", "x"], "--time-limit"),
            (["--time-limit", "0", "x"], "--time-limit"), (["--namespace", "pid", "x"], "--namespace"),
            (["-m", "99999999999999Gi", "x"], "--memory"), (["--swap", "8Ei", "x"], "--swap"),
            (["--tmp-size", "9999999999999Gi", "x"], "--tmp-size"), (["--sysctl", "foo=1", "x"], "--sysctl"),
            (["--sysctl", "kernel.hostname=a", "x"], "--sysctl"), (["--sysctl", "vm.swappiness=1", "x"], "--sysctl"),
            (["--sysctl", "=1", "x"], "--sysctl"), (["--explain=yes", "x"], "--explain"), (["--memry", "1", "x"], "option"),
            (["-Z", "x"], "option"),
            ([], "command"), (["--pids", "3"], "command"), (["--", ""], "command"),
        ])
    func refused(words: [String], field: String?) throws {
        guard let field else {
            _ = try RunOptions.parse(words)
            return
        }
        #expect { try RunOptions.parse(words) } throws: { ($0 as? RunFailure)?.field == field }
    }

    @Test("help names every option once, and each help text fits a line beside its name")
    func help() {
        let lines = RunOptions.help.split(separator: "\n")
        for option in RunOption.all {
            #expect(lines.count { $0.contains(option.name + " ") || $0.contains(option.name + "[") } >= 1, "\(option.name)")
        }
        #expect(Set(RunOption.all.map(\.name)).count == RunOption.all.count)
    }
}
