// What probes, hooks, sidecars and readiness gates do to a pod on a whole agent.
import KubernetesClient
import KubernetesModel
import RuntimeInterface
import Synchronization
import Testing

@testable import Agent

@Suite("a pod with probes and hooks on an agent", .timeLimit(.minutes(1)))
struct PodProbeLifeTests {
    private let lab: AgentLab

    init() throws { lab = try AgentLab() }

    private func events(_ name: String) throws -> [Event] {
        try lab.api.objects(Event.self, namespace: "alice").filter { $0.involvedObject.name == name }
    }

    private func waitForEvent(_ name: String, _ reason: String, _ part: String) async throws {
        try await lab.eventually {
            (try? events(name))?.contains { $0.reason == reason && $0.message?.contains(part) == true } == true
        }
    }

    private func condition(_ pod: Pod?, _ type: String) -> PodCondition? { pod?.status.conditions.first { $0.type == type } }

    private func isReady(_ pod: Pod?) -> Bool { condition(pod, "Ready")?.status == .true }

    /// Names of the containers that the calls of `verb` were about, in order.
    private func order(_ verb: FakeRuntime.Verb, _ pod: Pod?) -> [String] {
        let names = (pod?.spec.initContainers ?? []).map(\.name) + ["main"]
        return lab.runtime.calls.filter { $0.verb == verb }.compactMap { call in
            names.first { name in pod.map { call.subject.hasPrefix("\(lab.containerID($0, name))") } == true }
        }
    }

    // MARK: Probes

    @Test(
        "a container has started once its startup probe says so, and serves once its readiness probe does; nothing of what was missing is left"
    )
    func startupAndReadiness() async throws {
        let up = Mutex(false)
        lab.runtime.answerExec(["started"], ExecResult(exitCode: 1, stderr: Array("booting".utf8)))
        lab.runtime.onPortForward { _, _ in
            let (ours, theirs) = FakeByteStream.pair()
            let status = up.withLock { $0 ? 200 : 503 }
            Task {
                _ = try await theirs.read()
                try await theirs.write(Array("HTTP/1.1 \(status) X\r\nContent-Length: 0\r\n\r\n".utf8))
            }
            return ours
        }
        await lab.start()
        try lab.submit("web") { pod in
            pod.spec.containers[0].startupProbe = Probe(
                exec: ExecAction(command: ["started"]), periodSeconds: 1, failureThreshold: 50)
            pod.spec.containers[0].readinessProbe = Probe(httpGet: HTTPGetAction(port: 80), periodSeconds: 1)
        }
        try await waitForEvent("web", "Unhealthy", "Startup probe failed: booting")
        let early = try await lab.waitForPhase("web", .running)
        #expect(early.status.containerStatuses[0].started == false)
        #expect(lab.runtime.count(.portForward) == 0, "no other probe before the startup probe's success")
        lab.runtime.answerExec(["started"], ExecResult(exitCode: 0))
        let started = try await lab.wait(for: "web") { $0?.status.containerStatuses.first?.started == true }
        #expect(condition(started, "Ready")?.message == "containers with unready status: [main]")
        try await waitForEvent("web", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")
        up.withLock { $0 = true }
        let ready = try await lab.wait(for: "web", until: isReady)
        for type in ["Ready", "ContainersReady"] {
            #expect(condition(ready, type)?.reason == nil && condition(ready, type)?.message == nil, "\(type)")
        }
        up.withLock { $0 = false }
        try await lab.wait(for: "web") { !isReady($0) }
        #expect(lab.runtime.count(.stopContainer) == 0, "who is not ready is not killed")
        try await lab.stop()
    }

    @Test("a failed liveness probe ends the container, which is started again as the policy says")
    func livenessRestarts() async throws {
        let attempts = Mutex(0)
        lab.runtime.onPortForward { _, port in
            guard
                attempts.withLock({
                    $0 += 1
                    return $0
                }) > 1
            else {
                throw RuntimeError.unavailable(stage: "connect(127.0.0.1:\(port))", reason: "connection refused")
            }
            return FakeByteStream.pair().0
        }
        lab.runtime.exitOnTerm(container: "main", code: 0)
        await lab.start()
        try lab.submit("hung") { pod in
            pod.spec.restartPolicy = .onFailure
            pod.spec.containers[0].livenessProbe = Probe(
                tcpSocket: TCPSocketAction(port: 80), periodSeconds: 1, failureThreshold: 1)
        }
        let pod = try await lab.wait(for: "hung") {
            $0?.status.containerStatuses.first.map { $0.restartCount == 1 && $0.state.running != nil } == true
        }
        #expect(
            pod?.status.containerStatuses[0].lastState.terminated?.exitCode == 0,
            "it was asked to end, and is started again all the same")
        try await waitForEvent("hung", "Unhealthy", "Liveness probe failed: dial tcp 10.0.0.7:80")
        try await waitForEvent("hung", "Killing", "Container main failed liveness probe, will be restarted")
        try await lab.stop()
    }

    @Test("a pod that is not to restart has failed with its liveness probe, within the probe's own grace")
    func livenessEnds() async throws {
        let frames: [UInt8] = [0, 0, 7, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 8, 2]
        lab.runtime.onPortForward { _, _ in
            let (ours, theirs) = FakeByteStream.pair()
            Task { try await theirs.write(frames) }
            return ours
        }
        await lab.start()
        try lab.submit("sick") { pod in
            pod.spec.terminationGracePeriodSeconds = 60
            pod.spec.containers[0].livenessProbe = Probe(
                grpc: GRPCAction(port: 80), failureThreshold: 1, terminationGracePeriodSeconds: 1)
        }
        let pod = try await lab.waitForPhase("sick", .failed)
        #expect(pod.status.containerStatuses[0].state.terminated?.exitCode == 143)
        #expect(lab.runtime.calls.contains { $0.verb == .stopContainer && $0.subject.hasSuffix("grace=1") })
        try await waitForEvent("sick", "Unhealthy", "service unhealthy (responded with \"NOT_SERVING\")")
        try await lab.stop()
    }

    // MARK: Hooks

    @Test("a container is being created until its postStart hook is done; no probe asks before")
    func postStart() async throws {
        lab.runtime.hold(.execSync)
        await lab.start()
        try lab.submit("hooked") { pod in
            pod.spec.containers[0].lifecycle = Lifecycle(postStart: LifecycleHandler(exec: ExecAction(command: ["greet"])))
            pod.spec.containers[0].startupProbe = Probe(exec: ExecAction(command: ["started"]), periodSeconds: 1)
            pod.spec.containers[0].readinessProbe = Probe(exec: ExecAction(command: ["ready"]), periodSeconds: 1)
        }
        await lab.runtime.wait { _, calls in calls.contains { $0.verb == .execSync } }
        let early = try await lab.wait(for: "hooked") { condition($0, "PodReadyToStartContainers")?.status == .true }
        #expect(early?.status.phase == .pending)
        #expect(early?.status.containerStatuses[0].state.waiting?.reason == "ContainerCreating")
        // Longer than a probe's period: one that were asked beside the hook would have been by then.
        try await Task.sleep(for: .milliseconds(1300))
        #expect(lab.runtime.count(.execSync) == 1)
        lab.runtime.release(.execSync)
        try await lab.wait(for: "hooked", until: isReady)
        let commands = lab.runtime.calls.filter { $0.verb == .execSync }.compactMap { $0.subject.split(separator: " ").last }
        #expect(commands.prefix(2) == ["greet", "started"])
        try await lab.stop()
    }

    @Test("a container whose postStart hook fails is killed and counts as failed") func postStartFails() async throws {
        lab.runtime.answerExec(["greet"], ExecResult(exitCode: 5, stderr: Array("nobody there".utf8)))
        await lab.start()
        try lab.submit("rude") { pod in
            pod.spec.containers[0].lifecycle = Lifecycle(postStart: LifecycleHandler(exec: ExecAction(command: ["greet"])))
        }
        let pod = try await lab.waitForPhase("rude", .failed)
        #expect(pod.status.containerStatuses[0].state.terminated?.exitCode == 143)
        try await waitForEvent("rude", "FailedPostStartHook", "nobody there")
        try await waitForEvent("rude", "Killing", "failed its postStart hook")
        try await lab.stop()
    }

    @Test(
        "a preStop hook comes before SIGTERM; one that fails is told and the container stopped all the same", arguments: [0, 6])
    func preStop(_ code: Int) async throws {
        lab.runtime.answerExec(["bye"], ExecResult(exitCode: code))
        await lab.start()
        try lab.submit("polite") { pod in
            pod.spec.containers[0].lifecycle = Lifecycle(preStop: LifecycleHandler(exec: ExecAction(command: ["bye"])))
        }
        try await lab.waitForPhase("polite", .running)
        try await lab.api.delete(Pod.self, namespace: "alice", name: "polite", options: DeleteOptions(gracePeriodSeconds: 5))
        try await lab.waitUntilGone("polite")
        let verbs = lab.runtime.calls.map(\.verb).filter { $0 == .execSync || $0 == .stopContainer }
        #expect(verbs == [.execSync, .stopContainer])
        if code != 0 { try await waitForEvent("polite", "FailedPreStopHook", "exited with 6") }
        try await lab.stop()
    }

    @Test("a preStop hook that hangs takes no more than the pod's grace") func preStopHangs() async throws {
        lab.runtime.hold(.execSync)
        await lab.start()
        try lab.submit("stuck") { pod in
            pod.spec.containers[0].lifecycle = Lifecycle(preStop: LifecycleHandler(exec: ExecAction(command: ["bye"])))
        }
        try await lab.waitForPhase("stuck", .running)
        try await lab.api.delete(Pod.self, namespace: "alice", name: "stuck", options: DeleteOptions(gracePeriodSeconds: 1))
        try await lab.waitUntilGone("stuck")
        #expect(lab.runtime.count(.stopContainer) == 1)
        lab.runtime.release(.execSync)
        try await lab.stop()
    }

    // MARK: Sidecars

    @Test(
        "sidecars start in order with the init containers, outlive the main container, end in reverse, and have no say in the end"
    )
    func sidecars() async throws {
        lab.runtime.exitOnStart(container: "setup", code: 0)
        await lab.start()
        try lab.submit("meshed") { pod in
            pod.spec.initContainers = [
                Container(
                    name: "proxy", image: "psi:1", startupProbe: Probe(exec: ExecAction(command: ["up"]), periodSeconds: 1),
                    restartPolicy: "Always"),
                Container(name: "setup", image: "psi:1"),
                Container(name: "logger", image: "psi:1", restartPolicy: "Always"),
            ]
        }
        let running = try await lab.waitForPhase("meshed", .running)
        #expect(order(.startContainer, running) == ["proxy", "setup", "logger", "main"])
        lab.runtime.exit(lab.containerID(running), code: 0)
        let pod = try await lab.waitForPhase("meshed", .succeeded)
        #expect(order(.stopContainer, pod) == ["logger", "proxy"])
        #expect(pod.status.initContainerStatuses.map { $0.state.terminated?.exitCode } == [143, 0, 143])
        #expect(pod.status.initContainerStatuses.map(\.restartCount) == [0, 0, 0])
        try await lab.stop()
    }

    // MARK: What others say

    @Test("a pod is Ready when its gate's condition is, which another client sets and which every later status leaves alone")
    func readinessGate() async throws {
        await lab.start()
        try lab.submit("gated") { $0.spec.readinessGates = [PodReadinessGate(conditionType: "example.com/open")] }
        let closed = try await lab.wait(for: "gated") { condition($0, "Ready")?.reason == "ReadinessGatesNotReady" }
        #expect(condition(closed, "ContainersReady")?.status == .true)
        #expect(condition(closed, "Ready")?.message?.contains("example.com/open") == true)
        try await say("gated", "True")
        let open = try await lab.wait(for: "gated", until: isReady)
        #expect(condition(open, "Ready")?.reason == nil && condition(open, "Ready")?.message == nil)
        try await say("gated", "False")
        try await lab.wait(for: "gated") { !isReady($0) }
        try await say("gated", "True")
        let ready = try #require(try await lab.wait(for: "gated", until: isReady))
        lab.runtime.exit(lab.containerID(ready), code: 0)
        let pod = try await lab.waitForPhase("gated", .succeeded)
        #expect(condition(pod, "example.com/open")?.status == .true)
        #expect(condition(pod, "example.com/open")?.reason == "Told")
        #expect(pod.status.conditions.count == 6, "each once")
        try await lab.stop()
    }

    private func say(_ name: String, _ status: String) async throws {
        let patch = #"{"status":{"conditions":[{"type":"example.com/open","status":"\#(status)","reason":"Told"}]}}"#
        _ = try await lab.api.patch(
            Pod.resource, namespace: "alice", name: name, subresource: "status", type: .strategicMerge, body: Array(patch.utf8))
    }

    @Test("what a container left in its termination file is the message of its end; each run's own")
    func lastWord() async throws {
        await lab.start()
        let created = try lab.submit("last") { $0.spec.restartPolicy = .onFailure }
        for (attempt, code) in [(0, 3), (1, 0)] {
            let id = ContainerID(podUID: created.metadata.uid ?? "", name: "main", attempt: attempt)
            await lab.runtime.wait { machine, _ in if case .running = machine.containers[id]?.phase { true } else { false } }
            let mounts = try #require(lab.runtime.machine.configs[id]?.mounts)
            let file = try #require(mounts.first { $0.containerPath == "/dev/termination-log" })
            appendFile(file.hostPath, "word \(attempt)")
            lab.runtime.exit(id, code: code)
        }
        let status = try await lab.waitForPhase("last", .succeeded).status.containerStatuses[0]
        #expect(status.state.terminated?.message == "word 1")
        #expect(status.lastState.terminated?.message == "word 0")
        try await lab.stop()
    }
}
