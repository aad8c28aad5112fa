// Carries out the probes and lifecycle hooks that a pod's machine orders, each within its time.
import AgentCore
import KubernetesModel
import RuntimeInterface

struct Prober: Sendable {
    /// Bytes of a command's or server's words that an event repeats.
    static let outputLimit = 1024
    /// As Kubernetes counts them: requests of one probe.
    static let requestsLimit = 10
    private static let redirects: Set = [301, 302, 303, 307, 308]

    private static let loopback = "127.0.0.1"

    let runtime: any ContainerRuntime
    let connector: PodConnector
    let clock: any AgentClock

    /// Whom it is about. `address`: nil when the node cannot reach the pod by one.
    struct Target: Sendable {
        var pod: Pod
        var container: Container
        var run: ContainerRun
        var address: String?

        var id: ContainerID { ContainerID(podUID: pod.metadata.uid ?? "", name: run.name, attempt: run.attempt) }
    }

    // MARK: Probes

    func probe(_ kind: ProbeKind, _ target: Target) async -> ProbeOutcome {
        guard let probe = target.container.probe(kind) else { return .error("container \(target.run.name) has no such probe") }
        do {
            let outcome = try await withDeadline(seconds: probe.timeout, clock: clock) { try await look(probe, target) }
            return outcome ?? .failure("timed out after \(probe.timeout)s")
        } catch {
            return .error(Self.cut("\(error)"))
        }
    }

    private func look(_ probe: Probe, _ target: Target) async throws -> ProbeOutcome {
        if let exec = probe.exec { return try await run(exec, probe.timeout, target) }
        if let action = probe.httpGet { return await get(action, target) }
        if let action = probe.tcpSocket {
            guard let port = Self.port(action.port, target.container) else { return Self.missing(action.port) }
            return await reach(target, action.host, port, tls: false) { _, _ in .success() }
        }
        if let action = probe.grpc { return await check(action, target) }
        return .error("missing probe handler for \(target.run.name)")
    }

    private func run(_ action: ExecAction, _ seconds: Int, _ target: Target) async throws -> ProbeOutcome {
        let result = try await runtime.execSync(
            target.id, command: action.command, timeoutSeconds: seconds, maximumOutputBytes: Self.outputLimit)
        if result.timedOut { return .failure("command timed out: \(action.command) timed out after \(seconds)s") }
        return result.exitCode == 0 ? .success() : .failure(Self.words(result))
    }

    private func check(_ action: GRPCAction, _ target: Target) async -> ProbeOutcome {
        guard let port = UInt16(exactly: action.port) else { return .error("no port \(action.port)") }
        return await reach(target, nil, port, tls: false) { stream, authority in
            switch try await GRPCHealthProbe.check(stream, authority: authority, service: action.service ?? "") {
            case .serving: .success()
            case .notServing(let status): .failure("service unhealthy (responded with \"\(status)\")")
            }
        }
    }

    /// A redirect within the host is followed, one that leaves it counts as success with a warning.
    private func get(_ action: HTTPGetAction, _ target: Target) async -> ProbeOutcome {
        guard let port = Self.port(action.port, target.container) else { return Self.missing(action.port) }
        let headers = action.httpHeaders.map { (name: $0.name, value: $0.value) }
        let host = action.host.flatMap { $0.isEmpty ? nil : $0 }
        var url = ProbeURL(
            isTLS: action.scheme?.uppercased() == "HTTPS", host: host ?? target.address ?? Self.loopback, port: port,
            path: action.path.flatMap { $0.isEmpty ? nil : $0 } ?? "/")
        for _ in 0..<Self.requestsLimit {
            let (answer, outcome) = await ask(url, target, host, headers)
            guard let answer, Self.redirects.contains(answer.status), let location = answer.location else { return outcome }
            guard let next = url.following(location) else {
                return .success(warning: Self.cut("Probe terminated redirects: \(location)"))
            }
            url = next
        }
        return .failure("Get \"\(url)\": stopped after \(Self.requestsLimit) redirects")
    }

    private func ask(
        _ url: ProbeURL, _ target: Target, _ host: String?, _ headers: [(name: String, value: String)]
    ) async -> (HTTPProbeAnswer?, ProbeOutcome) {
        do {
            let (stream, authority) = try await connect(target, host, url.port, url.isTLS)
            let answer = try await Self.closing(stream) {
                try await HTTPProbe.get(stream, host: authority, path: url.path, headers: headers)
            }
            if (200..<400).contains(answer.status) { return (answer, .success()) }
            return (answer, .failure("HTTP probe failed with statuscode: \(answer.status)"))
        } catch {
            return (nil, .failure(Self.cut("Get \"\(url)\": \(error)")))
        }
    }

    /// What cannot be connected to, or breaks off, has failed.
    private func reach(
        _ target: Target, _ host: String?, _ port: UInt16, tls: Bool,
        _ body: @Sendable (any ByteStream, String) async throws -> ProbeOutcome
    ) async -> ProbeOutcome {
        do {
            let (stream, authority) = try await connect(target, host, port, tls)
            return try await Self.closing(stream) { try await body(stream, authority) }
        } catch {
            let host = host ?? target.address ?? Self.loopback
            return .failure(Self.cut("dial tcp \(host):\(port): \(error)"))
        }
    }

    private func connect(_ target: Target, _ host: String?, _ port: UInt16, _ tls: Bool) async throws -> (any ByteStream, String)
    {
        let host = host.flatMap { $0.isEmpty ? nil : $0 }
        let stream = try await connector.connect(
            target.pod.metadata.uid ?? "", address: target.address, host: host, port: port, tls: tls)
        if Task.isCancelled {
            // It came too late: nobody else will close it.
            await stream.close()
            throw CancellationError()
        }
        let name = host ?? target.address ?? Self.loopback
        return (stream, name.contains(":") ? "[\(name)]:\(port)" : "\(name):\(port)")
    }

    /// Ends the connection in every case, a cancelled task's too: that is what wakes a read that waits.
    private static func closing<T: Sendable>(
        _ stream: any ByteStream, _ body: @Sendable () async throws -> T
    ) async throws -> T {
        try await withTaskCancellationHandler {
            do {
                let value = try await body()
                await stream.close()
                return value
            } catch {
                await stream.close()
                throw error
            }
        } onCancel: {
            Task { await stream.close() }
        }
    }

    // MARK: Hooks

    /// nil when the hook worked, else why it did not.
    func run(_ hook: LifecycleHook, _ target: Target, timeoutSeconds: Int) async -> String? {
        guard let handler = target.container.handler(hook) else { return nil }
        do {
            let done = try await withDeadline(seconds: timeoutSeconds, clock: clock) {
                try await carryOut(handler, timeoutSeconds, target)
            }
            guard let done else {
                return "\(hook.rawValue) hook of container \(target.run.name) timed out after \(timeoutSeconds)s"
            }
            return done.first.map { "\(hook.rawValue) hook of container \(target.run.name) failed: \($0)" }
        } catch {
            return Self.cut("\(hook.rawValue) hook of container \(target.run.name) failed: \(error)")
        }
    }

    /// What went wrong; empty: nothing.
    private func carryOut(_ handler: LifecycleHandler, _ seconds: Int, _ target: Target) async throws -> [String] {
        if let exec = handler.exec {
            let result = try await runtime.execSync(
                target.id, command: exec.command, timeoutSeconds: seconds, maximumOutputBytes: Self.outputLimit)
            return result.exitCode == 0 ? [] : ["command \(exec.command) exited with \(result.exitCode): \(Self.words(result))"]
        }
        if let action = handler.httpGet {
            switch await get(action, target) {
            case .success: return []
            case .failure(let why), .error(let why): return [why]
            }
        }
        if let sleep = handler.sleep { try await clock.sleep(nanoseconds: Int64(sleep.seconds).saturatingMultiplied(by: 1_000_000_000)) }
        // tcpSocket: kept for old objects, without effect.
        return []
    }

    // MARK: Words

    static func port(_ port: IntOrString, _ container: Container) -> UInt16? {
        switch port {
        case .int(let number): UInt16(exactly: number).flatMap { $0 > 0 ? $0 : nil }
        case .string(let name):
            container.ports.first { $0.name == name }.flatMap { UInt16(exactly: $0.containerPort) }
                ?? UInt16(name).flatMap { $0 > 0 ? $0 : nil }
        }
    }

    private static func missing(_ port: IntOrString) -> ProbeOutcome {
        switch port {
        case .int(let number): .error("no port \(number)")
        case .string(let name): .error("no port \"\(name)\"")
        }
    }

    private static func words(_ result: ExecResult) -> String {
        cut(String(decoding: result.stdout + result.stderr, as: UTF8.self))
    }

    private static func cut(_ text: String) -> String { String(decoding: text.utf8.prefix(outputLimit), as: UTF8.self) }
}
