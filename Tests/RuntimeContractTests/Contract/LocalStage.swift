// What the stages of this machine's runtimes have in common: programs are shell scripts that write into a log, a container is a
// directory of records, and a restart of the machine is another boot id in them.

import CLinux
import Glibc
import RuntimeInterface
import Testing

protocol LocalStage: ContractStage {
    /// Of a container's records.
    func record(_ id: ContainerID) -> String
    func logPath(_ id: ContainerID) -> String
}

extension ContractProgram {
    var script: String {
        switch self {
        case .exits(let code): "echo begin; exit \(code)"
        case .silent(let code): "exit \(code)"
        case .dies(let signal): "echo begin; kill -\(signal) $$; sleep 60"
        // What came back would come within the sleep.
        case .signalsOthers(let code): "echo begin; kill -s TERM -- -1; sleep 0.5; exit \(code)"
        case .waits(let code): "echo begin; while [ ! -e /tmp/go ]; do sleep 0.02; done; exit \(code)"
        case .obeysTerm(let code): "trap 'exit \(code)' TERM; echo begin; while :; do sleep 0.02; done"
        // A daemon of its own beside it: the whole tree is meant.
        case .ignoresTerm: "trap '' TERM; (setsid sleep 600 &); echo begin; while :; do sleep 0.05; done"
        case .missing: ""
        case .eatsMemory: "echo begin; exec tail /dev/zero"
        }
    }
}

extension ContractCommand {
    var words: [String] {
        switch self {
        case .prints(let stdout, let stderr, let code):
            ["/bin/sh", "-c", "printf %s '\(stdout)'; printf %s '\(stderr)' >&2; exit \(code)"]
        case .hangs: ["/bin/sh", "-c", "trap '' TERM; sleep 600 & while :; do sleep 1; done"]
        }
    }
}

extension LocalStage {
    func command(_ command: ContractCommand) -> [String] { command.words }

    func waitUntilBegun(_ id: ContainerID) async throws {
        for _ in 0..<6_000 {
            if starts(id) > 0 { return }
            // A process of another namespace says nothing when it begins: its file is looked for, within a bound.
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("\(id) did not begin")
    }

    func release(_ id: ContainerID) async throws {
        let descriptor = clinux_open("\(record(id))/tmp/go", O_CREAT | O_WRONLY | O_CLOEXEC, 0o644)
        try #require(descriptor >= 0)
        Glibc.close(descriptor)
    }

    func graceElapses(_ id: ContainerID) async {}

    var hasLogs: Bool { true }

    func lines(_ id: ContainerID) -> [String] {
        // A terminal ends its lines with both.
        Lab.text(logPath(id)).replacing("\r\n", with: "\n").split(separator: "\n").map {
            $0.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).dropFirst(3).joined()
        }
    }

    func starts(_ id: ContainerID) -> Int { lines(id).count { $0 == "begin" } }

    /// After a restart the records say what they said, nothing runs, and the boot id is another.
    func reboot(_ running: [ContainerID]) async throws -> [ContainerStatusReport] {
        await crash()
        let former = runtime
        for id in running {
            let before = Lab.text("\(record(id))/state.json")
            let boot = try #require(before.firstRange(of: "\"bootId\":\"").map { before[$0.upperBound...].prefix(36) })
            try await former.stopContainer(id, graceSeconds: 0)
            let descriptor = clinux_open("\(record(id))/state.json", O_WRONLY | O_TRUNC | O_CLOEXEC, 0)
            try #require(descriptor >= 0)
            let text = before.replacing(boot, with: "00000000-0000-0000-0000-000000000000")
            #expect(write(descriptor, text, text.utf8.count) == text.utf8.count)
            Glibc.close(descriptor)
        }
        return try await recover()
    }
}
