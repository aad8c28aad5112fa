// Containers whose environment needs objects that are not there yet.
import Agent
import KubernetesClient
import KubernetesModel
import RuntimeInterface
import Testing

@Suite("an environment that is awaited", .timeLimit(.minutes(1)))
struct EnvironmentWaitTests {
    private func waitsFor(_ message: String) -> (Pod?) -> Bool {
        { pod in
            let waiting = pod?.status.containerStatuses.first?.state.waiting
            return waiting?.reason == "CreateContainerConfigError" && waiting?.message == message
        }
    }

    private func value(_ name: String, _ lab: AgentLab, _ pod: Pod, _ container: String = "main") -> String? {
        lab.runtime.machine.configs[lab.containerID(pod, container)]?.environment.first { $0.name == name }?.value
    }

    @Test(
        "a missing ConfigMap, then a missing key: the container waits in CreateContainerConfigError and starts when both are there"
    )
    func configMap() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try lab.submit("late") { pod in
            pod.spec.containers[0].env = [
                EnvVar(name: "V", valueFrom: EnvVarSource(configMapKeyRef: KeySelector(name: "settings", key: "mode"))),
                EnvVar(name: "O", valueFrom: EnvVarSource(secretKeyRef: KeySelector(name: "none", key: "k", optional: true))),
            ]
        }
        try await lab.wait(for: "late", until: waitsFor("configmap \"settings\" not found"))
        #expect(try lab.pod("late")?.status.phase == .pending)
        try lab.api.put(ConfigMap(metadata: ObjectMeta(name: "settings", namespace: "alice"), data: ["other": "1"]))
        try await lab.wait(for: "late", until: waitsFor("couldn't find key mode in ConfigMap alice/settings"))
        try lab.api.put(ConfigMap(metadata: ObjectMeta(name: "settings", namespace: "alice"), data: ["mode": "fast"]))
        try await lab.waitForPhase("late", .running)
        #expect(value("V", lab, pod) == "fast" && value("O", lab, pod) == nil)
        try await lab.stop()
    }

    @Test("a whole Secret that is missing is awaited over a restart of the agent")
    func secretOverRestart() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try lab.submit("late") { $0.spec.containers[0].envFrom = [EnvFromSource(secretRef: .init(name: "token"))] }
        try await lab.wait(for: "late", until: waitsFor("secret \"token\" not found"))
        try await lab.restart()
        try lab.api.put(Secret(metadata: ObjectMeta(name: "token", namespace: "alice"), stringData: ["T": "s3"]))
        try await lab.waitForPhase("late", .running)
        #expect(value("T", lab, pod) == "s3")
        try await lab.stop()
    }

    @Test("an ephemeral container that comes later has its own envFrom fetched, and waits without touching the others")
    func ephemeral() async throws {
        let lab = try AgentLab()
        try lab.api.put(ConfigMap(metadata: ObjectMeta(name: "here", namespace: "alice"), data: ["A": "1"]))
        await lab.start()
        try lab.submit("seen")
        var pod = try await lab.waitForPhase("seen", .running)
        pod.spec.ephemeralContainers = [
            Container(
                name: "debug", image: "psi:1",
                envFrom: [
                    EnvFromSource(configMapRef: .init(name: "here", optional: true)),
                    EnvFromSource(secretRef: .init(name: "late")),
                ])
        ]
        try lab.api.put(pod)
        try await lab.wait(for: "seen") { pod in
            pod?.status.ephemeralContainerStatuses.first?.state.waiting?.message == "secret \"late\" not found"
        }
        #expect(try lab.pod("seen")?.status.containerStatuses.first?.state.running != nil)
        try lab.api.put(Secret(metadata: ObjectMeta(name: "late", namespace: "alice"), stringData: ["B": "2"]))
        try await lab.wait(for: "seen") { $0?.status.ephemeralContainerStatuses.first?.state.running != nil }
        #expect(value("A", lab, pod, "debug") == "1" && value("B", lab, pod, "debug") == "2")
        try await lab.stop()
    }

    @Test("an ephemeral container that asks for another's processes is refused in words, and the pod goes on")
    func target() async throws {
        let lab = try AgentLab()
        await lab.start()
        try lab.submit("seen")
        var pod = try await lab.waitForPhase("seen", .running)
        pod.spec.ephemeralContainers = [Container(name: "debug", image: "psi:1", targetContainerName: "main")]
        try lab.api.put(pod)
        let told = try await lab.wait(for: "seen") { $0?.status.ephemeralContainerStatuses.first?.state.terminated != nil }
        let end = try #require(told?.status.ephemeralContainerStatuses.first?.state.terminated)
        #expect(end.reason == "StartError" && end.message?.contains("processes of container main") == true)
        #expect(told?.status.phase == .running && told?.status.containerStatuses.first?.state.running != nil)
        try await lab.stop()
    }
}
