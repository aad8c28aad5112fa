// config.md: process, root, mounts, hostname.

import Glibc
import JSON

@testable import OCIRuntime

extension Clause {
    private static func status(_ names: String) -> String { "grep -E '^(\(names)):' /proc/self/status" }

    static let process: [Clause] = [
        Clause("config.md#process", "args, environment and working directory are the configured ones") { runtime in
            try output(runtime, "pwd; echo \"$A|$MiXed\"; cat /proc/self/cmdline | grep -c cmdline") {
                $0.set(["process", "cwd"], to: "/tmp")
                $0.set(["process", "env"], to: ["PATH=/bin", "A=b c", "MiXed=x=y"])
            } == ["/tmp", "b c|x=y", "1"]
        },
        Clause("config.md#posix-platform-user", "uid, gid, additional groups and umask") { runtime in
            try output(runtime, "id -u; id -g; grep ^Groups /proc/self/status | grep -c '5 6'; umask") {
                $0.set(["process", "user"], to: ["uid": 1000, "gid": 1001, "additionalGids": [5, 6], "umask": 63])
            } == ["1000", "1001", "1", "0077"]
        },
        Clause("config.md#linux-process", "the five capability sets are the configured ones") { runtime in
            try output(runtime, status("CapInh|CapPrm|CapEff|CapBnd|CapAmb") + " | while read a b; do echo $b; done") {
                $0.set(
                    ["process", "capabilities"],
                    to: [
                        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"], "permitted": ["CAP_CHOWN", "CAP_KILL"],
                        "effective": ["CAP_KILL"],
                        "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"],
                    ])
                $0.set(["process", "user"], to: ["uid": 1000, "gid": 1000])
            } == ["0000000000000020", "0000000000000020", "0000000000000020", "00000000000000a1", "0000000000000020"]
        },
        Clause("config.md#linux-process", "a capability that nobody knows is passed over") { runtime in
            try output(runtime, "echo ran") {
                $0.set(["process", "capabilities", "bounding"], to: ["CAP_KILL", "CAP_UNHEARD_OF"])
            } == ["ran"]
        },
        Clause("config.md#linux-process", "no_new_privs as configured, and not otherwise") { runtime in
            let script = status("NoNewPrivs") + " | grep -o '[01]'"
            let with = try output(runtime, script) { $0.set(["process", "noNewPrivileges"], to: true) }
            return try with == ["1"] && output(runtime, script) { $0.set(["process", "noNewPrivileges"], to: false) } == ["0"]
        },
        Clause("config.md#posix-process", "resource limits, soft and hard") { runtime in
            try output(runtime, "ulimit -S -n; ulimit -H -n") {
                $0.set(["process", "rlimits"], to: [["type": "RLIMIT_NOFILE", "soft": 100, "hard": 200]])
            } == ["100", "200"]
        },
        Clause("config.md#posix-process", "a resource limit of an unknown name, or twice the same, is an error") { runtime in
            let wrong: [JSONValue] = [
                [["type": "RLIMIT_TEST", "soft": 1, "hard": 1]],
                [["type": "RLIMIT_CORE", "soft": 1, "hard": 1], ["type": "RLIMIT_CORE", "soft": 2, "hard": 2]],
            ]
            return try wrong.allSatisfy { limits in
                let bundle = try Bundle { $0.set(["process", "rlimits"], to: limits) }
                return !runtime(bundle).create(bundle, Bundle.newID()).succeeded
            }
        },
        Clause("config.md#linux-process", "oom_score_adj as configured") { runtime in
            try output(runtime, "cat /proc/self/oom_score_adj") { $0.set(["process", "oomScoreAdj"], to: 500) } == ["500"]
        },
        Clause("config.md#hostname", "the host name is the container's own") { runtime in
            try output(runtime, "hostname") { $0.set(["hostname"], to: "inside") } == ["inside"]
        },
        Clause("config.md#root", "a read-only root is read-only, another one is not") { runtime in
            let script = "if touch /x 2>/dev/null; then echo yes; else echo no; fi"
            let readOnly = try output(runtime, script) { $0.set(["root", "readonly"], to: true) }
            return try readOnly == ["no"] && output(runtime, script) == ["yes"]
        },
        Clause("config.md#mounts", "mounts are made in the listed order, over each other") { runtime in
            try output(runtime, "grep -E ' /m| /m/in| /m/in/deep' /proc/self/mounts | while read a b c; do echo $b; done") {
                document in
                let mounts = document["mounts"]?.arrayValue ?? []
                document.set(
                    ["mounts"],
                    to: .array(
                        mounts
                            + ["/m", "/m/in", "/m/in/deep"].map {
                                ["destination": .string($0), "type": "tmpfs", "source": "tmpfs"]
                            }))
            } == ["/m", "/m/in", "/m/in/deep"]
        },
        Clause("config.md#mounts", "a bind mount shows its source; read-only, nosuid, nodev and noexec hold") { runtime in
            let bundle = try Bundle()
            try HostFile.replace("\(bundle.directory)/file", with: Array("contents\n".utf8))
            bundle.configuration.set(
                ["mounts"],
                to: .array(
                    (bundle.configuration["mounts"]?.arrayValue ?? []) + [
                        ["destination": "/file", "source": "file", "options": ["bind", "ro", "nosuid", "nodev", "noexec"]]
                    ]))
            try bundle.shell(
                "cat /file; (echo x > /file) 2>/dev/null && echo written; grep ' /file ' /proc/self/mounts | grep -o 'ro,nosuid,nodev,noexec'"
            )
            return runtime(bundle).run(bundle).lines == ["contents", "ro,nosuid,nodev,noexec"]
        },
        Clause("config.md#linux-mount-options", "tmpcopyup gives a tmpfs what was there") { runtime in
            let bundle = try Bundle()
            try HostFile.replace("\(bundle.directory)/rootfs/etc/kept", with: Array("kept\n".utf8))
            bundle.configuration.set(
                ["mounts"],
                to: .array(
                    (bundle.configuration["mounts"]?.arrayValue ?? []) + [
                        ["destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]]
                    ]))
            try bundle.shell("cat /etc/kept; grep -c ' /etc tmpfs' /proc/self/mounts")
            return runtime(bundle).run(bundle).lines == ["kept", "1"]
        },
        Clause("config.md#valid-values", "an unknown property or annotation is no error, an invalid value is one") { runtime in
            let known = try output(runtime, "echo ran") {
                $0.set(["unknown"], to: ["x": 1])
                $0.set(["annotations"], to: ["unknown.example": "y"])
            }
            let bundle = try Bundle { $0.set(["ociVersion"], to: "invalid") }
            return known == ["ran"] && !runtime(bundle).create(bundle, Bundle.newID()).succeeded
        },
    ]
}
