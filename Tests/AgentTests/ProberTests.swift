// What a probe or hook makes of commands and servers, well-behaved and not.
import AgentCore
import KubernetesModel
import RuntimeInterface
import Synchronization
import Testing

@testable import Agent

/// Answers every HTTP request, and remembers whom it was asked for.
private final class ProbeDialer: ProbeDialing {
    let asked = Mutex<[String]>([])

    func connect(host: String, port: UInt16, tls: Bool) async throws -> any ByteStream {
        asked.withLock { $0.append("\(host) \(port) \(tls)") }
        let (ours, theirs) = FakeByteStream.pair()
        try await theirs.write(Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8))
        return ours
    }
}

@Suite("a probe", .timeLimit(.minutes(1)))
struct ProberTests {
    private func text(_ outcome: ProbeOutcome) -> String {
        switch outcome {
        case .success(let warning): warning ?? ""
        case .failure(let text), .error(let text): text
        }
    }

    private func failed(_ outcome: ProbeOutcome) -> Bool { if case .failure = outcome { true } else { false } }

    // MARK: Commands

    @Test("a command's exit code decides, its words are told; one that cannot be run does not count")
    func exec() async throws {
        let lab = try await ProbeLab()
        let probe = Probe(exec: ExecAction(command: ["check"]))
        #expect(await lab.outcome(probe) == .success())
        lab.runtime.answerExec(["check"], ExecResult(exitCode: 3, stdout: Array("not ".utf8), stderr: Array("yet".utf8)))
        #expect(await lab.outcome(probe) == .failure("not yet"))
        lab.runtime.answerExec(["check"], ExecResult(exitCode: 137, timedOut: true))
        #expect(text(await lab.outcome(probe)).contains("timed out after 1s"))
        lab.runtime.failNext(.execSync, .unavailable(stage: "exec", reason: "no memory"))
        guard case .error = await lab.outcome(probe) else { return #expect(Bool(false), "not carried out is not a failure") }
        guard case .error = await lab.outcome(Probe()) else { return #expect(Bool(false), "a probe of no kind") }
    }

    @Test("a command that never ends has failed when the probe's time is over") func execHangs() async throws {
        let lab = try await ProbeLab()
        lab.runtime.hold(.execSync)
        async let outcome = lab.outcome(Probe(exec: ExecAction(command: ["check"]), timeoutSeconds: 7))
        await lab.clock.waitForSleepers()
        lab.clock.pass(seconds: 7)
        #expect(await outcome == .failure("timed out after 7s"))
        lab.runtime.release(.execSync)
    }

    // MARK: HTTP

    @Test(
        "statuses from 200 to 399 are a success, all others a failure that names them",
        arguments: [
            (200, true), (204, true), (304, true), (399, true), (101, false), (400, false), (404, false), (500, false),
            (599, false),
        ])
    func statuses(_ status: Int, _ succeeds: Bool) async throws {
        let lab = try await ProbeLab()
        lab.answer("HTTP/1.1 \(status) X\r\nContent-Length: 0\r\n\r\n", ends: false)
        #expect(await lab.get() == (succeeds ? .success() : .failure("HTTP probe failed with statuscode: \(status)")))
    }

    @Test(
        "an answer is whole by its length, its last chunk or its connection's end, in pieces of any size",
        arguments: [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false), ("HTTP/1.0 200 OK\n\nok", true),
            ("HTTP/1.1 200\r\n\r\n", true), ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3;x=y\r\nyes\r\n0\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 2000), false),
        ])
    func whole(_ answer: String, _ ends: Bool) async throws {
        let lab = try await ProbeLab()
        lab.serve { stream in
            _ = try await stream.read()
            // What comes after the answer was understood meets a closed connection.
            for byte in answer.utf8 { try? await stream.write([byte]) }
            if ends { await stream.finishWriting() }
        }
        #expect(await lab.get() == .success())
    }

    @Test(
        "what is no HTTP answer is a failure, told at once",
        arguments: [
            "", "SSH-2.0-OpenSSH\r\n\r\n", "\r\n\r\n", "\n\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n",
            "HTTP/1.1 999 X\r\n\r\n",
            "HTTP/1.1 20", "HTTP/2 200\r\n\r\n", "Content-Length: 0\r\n\r\n",
        ])
    func noAnswer(_ answer: String) async throws {
        let lab = try await ProbeLab()
        lab.answer(answer, ends: true)
        let outcome = await lab.get()
        #expect(failed(outcome) && text(outcome).contains("Get \"http://127.0.0.1:8080/healthz\""), "\(outcome)")
    }

    @Test(
        "a header, or a row of informational answers, that never ends is not listened to for ever",
        arguments: ["X-More: of the same\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "x", "\0"])
    func endless(_ piece: String) async throws {
        let lab = try await ProbeLab()
        let sent = Mutex(0)
        lab.serve { stream in
            _ = try await stream.read()
            try await stream.write(Array("HTTP/1.1 100 Continue\r\n".utf8))
            let block = Array(String(repeating: piece, count: 512).utf8)
            // Until the probe hangs up.
            while true {
                try await stream.write(block)
                sent.withLock { $0 += block.count }
                await Task.yield()
            }
        }
        #expect(failed(await lab.get()))
    }

    @Test("the request holds what the spec says, and nothing in the spec can add a line to it")
    func request() async throws {
        let lab = try await ProbeLab()
        let collector = Collector()
        lab.serve { stream in
            if let request = try await stream.read() { await collector.append(request) }
            try await stream.write(Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8))
        }
        let headers = [
            HTTPHeader(name: "Host", value: "web.example"), HTTPHeader(name: "X-One", value: "1"),
            HTTPHeader(name: "X-Evil", value: "1\r\nX-Two: 2"), HTTPHeader(name: "Connection", value: "keep-alive"),
        ]
        #expect(await lab.get("/a b?q=\u{e9}#part\r\nX-Three: 3", headers) == .success())
        let lines = await collector.text.split(separator: "\r\n")
        #expect(lines.first == "GET /a%20b?q=%C3%A9 HTTP/1.1")
        #expect(
            lines.dropFirst().sorted() == [
                "Accept: */*", "Connection: close", "Host: web.example", "User-Agent: kube-probe/1.33", "X-One: 1",
            ])
    }

    @Test(
        "a redirect within the host is followed, however it is written",
        arguments: ["/next", "next", "http://127.0.0.1:8080/next", "//127.0.0.1:8080/next", "HTTP://127.0.0.1:8080/next#part"])
    func redirects(_ location: String) async throws {
        let lab = try await ProbeLab()
        lab.serve { stream in
            let request = String(decoding: try await stream.read() ?? [], as: UTF8.self)
            let answer = request.hasPrefix("GET /next ") ? "500 Broken\r\n" : "302 Found\r\nLocation: \(location)\r\n"
            try await stream.write(Array("HTTP/1.1 \(answer)Content-Length: 0\r\n\r\n".utf8))
        }
        #expect(await lab.get() == .failure("HTTP probe failed with statuscode: 500"))
    }

    @Test("a redirect that leaves the host counts as a success with a warning; one without a place is none")
    func redirectsAway() async throws {
        let lab = try await ProbeLab()
        for location in ["http://elsewhere/x", "//elsewhere:8080/", "ftp://127.0.0.1/", "http://127.0.0.1:99999/", "mailto:x"] {
            lab.answer("HTTP/1.1 301 Moved\r\nLocation: \(location)\r\nContent-Length: 0\r\n\r\n")
            #expect(await lab.get() == .success(warning: "Probe terminated redirects: \(location)"))
        }
        lab.answer("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")
        #expect(await lab.get() == .success())
        lab.answer("HTTP/1.1 304 Not Modified\r\nLocation: http://elsewhere/\r\n\r\n")
        #expect(await lab.get() == .success())
    }

    @Test("redirects in a circle fail after ten requests") func redirectsForEver() async throws {
        let lab = try await ProbeLab()
        lab.answer("HTTP/1.1 307 Again\r\nLocation: /healthz\r\nContent-Length: 0\r\n\r\n")
        #expect(text(await lab.get()).contains("stopped after 10 redirects"))
        #expect(lab.runtime.count(.portForward) == 10)
    }

    // MARK: Ports

    @Test("a port that takes a connection is a success, one that refuses it a failure; a name that no port has does not count")
    func ports() async throws {
        let lab = try await ProbeLab()
        #expect(failed(await lab.outcome(Probe(tcpSocket: TCPSocketAction(port: 9)))))
        lab.serve { _ in }
        #expect(await lab.outcome(Probe(tcpSocket: TCPSocketAction(port: "http"))) == .success())
        #expect(lab.runtime.calls.last?.subject == "u1 8080")
        for (port, words): (IntOrString, String) in [("none", "\"none\""), (0, "0"), ("0", "\"0\""), (70_000, "70000")] {
            #expect(await lab.outcome(Probe(tcpSocket: TCPSocketAction(port: port))) == .error("no port \(words)"))
        }
    }

    @Test(
        "a peer that never answers has failed when the probe's time is over, and is hung up on",
        arguments: ["http", "grpc", "half an answer"])
    func silence(_ kind: String) async throws {
        let lab = try await ProbeLab()
        let (called, begun) = AsyncStream<Void>.makeStream()
        let (hungUp, ended) = AsyncStream<Void>.makeStream()
        lab.serve { stream in
            // Who has hung up cannot be written to either.
            defer { ended.finish() }
            begun.finish()
            if kind == "half an answer" { try await stream.write(Array("HTTP/1.1 200 OK\r\n".utf8)) }
            while try await stream.read() != nil {}
        }
        let probe =
            kind == "grpc"
            ? Probe(grpc: GRPCAction(port: 8080), timeoutSeconds: 3)
            : Probe(httpGet: HTTPGetAction(port: 8080), timeoutSeconds: 3)
        async let outcome = lab.outcome(probe)
        await lab.clock.waitForSleepers()
        for await _ in called {}
        lab.clock.pass(seconds: 3)
        #expect(await outcome == .failure("timed out after 3s"))
        for await _ in hungUp {}
    }

    @Test("a pod with an address is dialled there; without one another host or TLS cannot be reached")
    func places() async throws {
        var lab = try await ProbeLab()
        let secret = Probe(httpGet: HTTPGetAction(port: 8080, scheme: "https"))
        let elsewhere = Probe(httpGet: HTTPGetAction(port: 8080, host: "10.9.9.9"))
        for probe in [secret, elsewhere] { #expect(failed(await lab.outcome(probe))) }
        let dialer = ProbeDialer()
        lab.dialer = dialer
        lab.address = "fd00::1"
        for probe in [secret, elsewhere] { #expect(await lab.outcome(probe) == .success()) }
        #expect(dialer.asked.withLock { $0 } == ["fd00::1 8080 true", "10.9.9.9 8080 false"])
        #expect(lab.runtime.count(.portForward) == 0)
    }

    // MARK: Hooks

    @Test("a hook that works says nothing; one that fails says why") func hooks() async throws {
        let lab = try await ProbeLab()
        #expect(await lab.prober.run(.postStart, lab.target(lab.container), timeoutSeconds: 1) == nil)
        #expect(await lab.hook(LifecycleHandler(exec: ExecAction(command: ["bye"]))) == nil)
        lab.runtime.answerExec(["bye"], ExecResult(exitCode: 4, stderr: Array("no".utf8)))
        let exec = await lab.hook(LifecycleHandler(exec: ExecAction(command: ["bye"])))
        #expect(exec == "preStop hook of container main failed: command [\"bye\"] exited with 4: no")
        lab.answer("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        #expect(await lab.hook(LifecycleHandler(httpGet: HTTPGetAction(port: 8080)))?.contains("503") == true)
        #expect(await lab.hook(LifecycleHandler(httpGet: HTTPGetAction(port: "none")))?.contains("no port \"none\"") == true)
        #expect(await lab.hook(LifecycleHandler(tcpSocket: TCPSocketAction(port: 1))) == nil)
    }

    @Test("a hook that sleeps is done by the clock; one that hangs is given up at its time's end") func hookTimes() async throws {
        let lab = try await ProbeLab()
        async let slept = lab.hook(LifecycleHandler(sleep: SleepAction(seconds: 2)), seconds: 9)
        await lab.clock.waitForSleepers(2)
        lab.clock.pass(seconds: 2)
        #expect(await slept == nil)
        lab.serve { stream in while try await stream.read() != nil {} }
        async let hung = lab.hook(LifecycleHandler(httpGet: HTTPGetAction(port: 8080)), seconds: 4)
        await lab.clock.waitForSleepers()
        lab.clock.pass(seconds: 4)
        #expect(await hung == "preStop hook of container main timed out after 4s")
    }
}
