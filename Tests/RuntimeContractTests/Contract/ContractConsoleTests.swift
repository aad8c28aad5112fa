// The runtime contract: a container that reads what people type, over pipes or a terminal of its own.

import RuntimeInterface
import Synchronization
import Testing

@Suite("Contract: consoles")
struct ContractConsoleTests {
    @Test(
        "attach-stdin: what is typed reaches the program, what it writes reaches who looks and the log; its input ends with who typed first",
        arguments: ContractRuntime.withConsole)
    func standardInput(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(
                "echo begin; cat; echo oops >&2; exit 5", ContainerConsole(stdin: true, stdinOnce: true))
            let session = try await stage.runtime.attach(id, ExecRequest(command: [], stdin: true))
            try await session.write(Array("one\ntwo\n".utf8))
            #expect(try await session.output(until: "two\n").hasSuffix("one\ntwo\n"))
            await session.finishInput()
            #expect(try await session.output() == "oops\n")
            #expect(try await session.wait() == 0)
            await session.close()
            #expect(try await stage.exit(id).exitCode == 5)
            #expect((stage as? any LocalStage)?.lines(id) == ["begin", "one", "two", "oops"])
        }
    }

    @Test(
        "attach-again: without stdinOnce the input outlives who typed, and many may look at once",
        arguments: ContractRuntime.withConsole)
    func again(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(
                "echo begin; while read word; do echo got $word; done", ContainerConsole(stdin: true))
            let looker = try await stage.runtime.attach(id, ExecRequest(command: []))
            for word in ["first", "second"] {
                let session = try await stage.runtime.attach(id, ExecRequest(command: [], stdin: true))
                try await session.write(Array("\(word)\n".utf8))
                #expect(try await session.output(until: "got \(word)\n").contains("got \(word)\n"))
                await session.finishInput()
                await session.close()
            }
            #expect(try await looker.output(until: "second\n").hasSuffix("got first\ngot second\n"))
            await #expect(throws: RuntimeError.self) { try await looker.write(Array("not mine\n".utf8)) }
            #expect(try await stage.isRunning(id))
            try await stage.runtime.stopContainer(id, graceSeconds: 0)
            #expect(try await looker.output().isEmpty)
            await looker.close()
        }
    }

    @Test(
        "attach-tty: a terminal of the container's own, with the caller's size, echo, its keys, and a session of its own",
        arguments: ContractRuntime.withConsole)
    func terminal(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let script = """
                trap 'echo interrupted; exit 9' INT; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && : < /dev/tty && echo begin
                read go; echo $TERM; stty size; while :; do sleep 0.05; done
                """
            let id = try await stage.begin(script, ContainerConsole(stdin: true, tty: true))
            let session = try await stage.runtime.attach(id, ExecRequest(command: [], tty: true, stdin: true, stderr: false))
            await session.resize(TerminalSize(width: 123, height: 45))
            try await session.write(Array("go\n".utf8))
            let shown = try await session.output(until: "45 123\r\n")
            #expect(shown.contains("go\r\n") && shown.contains("xterm\r\n"))
            try await session.write([3])
            #expect(try await session.output().contains("interrupted\r\n"))
            await session.close()
            #expect(try await stage.exit(id).exitCode == 9)
        }
    }

    @Test(
        "attach-adopted: the console is there for the next agent too",
        arguments: ContractRuntime.withConsole)
    func adopted(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin("echo begin; read word; echo got $word; exit 3", ContainerConsole(stdin: true))
            await stage.crash()
            _ = try await stage.recover()
            let session = try await stage.runtime.attach(id, ExecRequest(command: [], stdin: true))
            try await session.write(Array("again\n".utf8))
            #expect(try await session.output() == "got again\n")
            await session.close()
            #expect(try await stage.exit(id).exitCode == 3)
        }
    }

    @Test(
        "attach-slow: who does not take what he asked for holds the container up for a while, then is hung up on; others lose nothing",
        arguments: ContractRuntime.withConsole.prefix(1))  // a matter of the supervisor, which is the same for all
    func slow(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let script = "echo begin; read go; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo done; exit 0"
            let id = try await stage.begin(script, ContainerConsole(stdin: true))
            let sleeper = try await stage.runtime.attach(id, ExecRequest(command: []))
            let session = try await stage.runtime.attach(id, ExecRequest(command: [], stdin: true))
            try await session.write(Array("go\n".utf8))
            let output = try await session.output()
            #expect(output.utf8.count == 3_000_006 && output.hasSuffix("x\ndone\n"))
            await session.close()
            #expect(try await stage.exit(id).exitCode == 0)
            // What it was sent before it was given up on, and then the end.
            #expect(try await sleeper.output().utf8.count < 3_000_000)
            await sleeper.close()
        }
    }

    @Test("attach-none: a container without a console has none, and says so", arguments: ContractRuntime.withConsole)
    func none(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(.waits(0))
            await #expect {
                _ = try await stage.runtime.attach(id, ExecRequest(command: [], stdin: true))
            } throws: { if case RuntimeError.unenforceable = $0 { true } else { false } }
        }
    }
}

extension ContractRuntime {
    /// Those whose containers' streams end on this machine.
    static let withConsole = all.filter { $0.name.hasPrefix("run") && $0.hasExec }
}

extension ContractStage {
    /// A shell script that has come as far as its line "begin".
    fileprivate func begin(_ script: String, _ console: ContainerConsole) async throws -> ContainerID {
        try await runtime.runPodSandbox(sandbox(pod))
        var config = container(.exits(0), name: "main", attempt: 0)
        config.command = ["/bin/sh", "-c", script]
        config.console = console
        let id = try await runtime.createContainer(podUID: pod, config: config)
        try await runtime.startContainer(id)
        try await waitUntilBegun(id)
        return id
    }
}

extension ExecSession {
    /// What comes until it ends with these words, or until the session's end; a console that says nothing any more is closed after a
    /// minute.
    fileprivate func output(until words: String? = nil) async throws -> String {
        let guardian = Task {
            // The bound of a test that would otherwise wait for ever.
            try await Task.sleep(for: .seconds(60))
            await close()
        }
        defer { guardian.cancel() }
        var bytes: [UInt8] = []
        while words == nil || !bytes.suffix(words?.utf8.count ?? 0).elementsEqual(words?.utf8 ?? "".utf8),
            let piece = try await nextOutput()
        {
            switch piece {
            case .stdout(let more), .stderr(let more): bytes += more
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
