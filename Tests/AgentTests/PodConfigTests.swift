// What the containers of a pod get to see: rendered configuration, hosts, environment, volumes.
import Agent
import Glibc
import KubernetesClient
import KubernetesModel
import RuntimeInterface
import Testing

@Suite("a pod's configuration", .timeLimit(.minutes(1)))
struct PodConfigTests {
    private func submitWithTemplate(_ lab: AgentLab, _ name: String) throws -> Pod {
        try lab.api.put(
            ConfigMap(
                metadata: ObjectMeta(name: "\(name)-kuscia-gen-conf", namespace: "alice"),
                data: ["TASK_ID": "job", "TASK_CLUSTER_DEFINE": #"{"selfPartyIdx":0,"name":"\#(name)"}"#]))
        return try lab.submit(name) { pod in
            pod.metadata.annotations = [
                "kuscia.secretflow/config-template-volumes": "config-template",
                "kuscia.secretflow/config-template-value-cm-name": "\(name)-kuscia-gen-conf",
            ]
            pod.spec.volumes = [Volume(name: "config-template", configMap: ConfigMapVolumeSource(name: "job-configtemplate"))]
            pod.spec.containers[0].volumeMounts = [
                VolumeMount(name: "config-template", mountPath: "/etc/kuscia/task.conf", subPath: "task.conf")
            ]
        }
    }

    @Test("the same template is rendered for each pod with the pod's own values")
    func renderedPerPod() async throws {
        let lab = try AgentLab()
        let template =
            #"{"id":"{{.TASK_ID}}","define":"{{.TASK_CLUSTER_DEFINE}}","me":"{{{.TASK_CLUSTER_DEFINE.name}}}","no":"{{.X}}"}"#
        try lab.api.put(
            ConfigMap(metadata: ObjectMeta(name: "job-configtemplate", namespace: "alice"), data: ["task.conf": template]))
        await lab.start()
        for name in ["p0", "p1"] {
            let pod = try submitWithTemplate(lab, name)
            try await lab.waitForPhase(name, .running)
            let mount = try #require(lab.runtime.machine.configs[lab.containerID(pod)]?.mounts.first)
            #expect(mount.readOnly)
            #expect(mount.containerPath == "/etc/kuscia/task.conf")
            let define = #"{\"selfPartyIdx\":0,\"name\":\"\#(name)\"}"#
            #expect(readFile(mount.hostPath) == #"{"id":"job","define":"\#(define)","me":"\#(name)","no":""}"#)
        }
        try await lab.stop()
    }

    @Test("a broken template fails the pod with file, line and expression")
    func brokenTemplate() async throws {
        let lab = try AgentLab()
        try lab.api.put(
            ConfigMap(
                metadata: ObjectMeta(name: "job-configtemplate", namespace: "alice"), data: ["task.conf": "{\n{{TASK_ID}}\n}"]))
        await lab.start()
        _ = try submitWithTemplate(lab, "broken")
        let status = try await lab.waitForPhase("broken", .failed).status
        #expect(status.reason == "FailedMount")
        #expect(status.message?.contains("task.conf:2: {{TASK_ID}}") == true)
        try await lab.stop()
    }

    @Test("a pod of a gang waits in ContainerCreating for its hosts, then starts with them")
    func hostsAwaited() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try lab.submit("member") { $0.metadata.annotations = ["kuscia.secretflow/hosts-cm-name": "job-hosts"] }
        try await lab.wait(for: "member") { pod in
            pod?.status.containerStatuses.first?.state.waiting?.message?.contains("job-hosts") == true
        }
        #expect(lab.runtime.count(.runPodSandbox) == 0)
        try lab.api.put(
            ConfigMap(
                metadata: ObjectMeta(name: "job-hosts", namespace: "alice"),
                data: ["hosts": "10.0.0.7 member-spu.alice.svc\n10.0.0.8 other-spu.bob.svc other\n"]))
        try await lab.waitForPhase("member", .running)
        #expect(
            lab.runtime.machine.sandboxes[pod.metadata.uid ?? ""]?.hostAliases == [
                HostAlias(ip: "10.0.0.7", hostnames: ["member-spu.alice.svc"]),
                HostAlias(ip: "10.0.0.8", hostnames: ["other-spu.bob.svc", "other"]),
            ])
        try await lab.stop()
    }

    @Test("claims are the node's directories: domain-data the configured one, others per namespace, kept after the pod")
    func claims() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try lab.submit("reader") { pod in
            pod.spec.volumes = [
                Volume(name: "data", persistentVolumeClaim: .init(claimName: "domain-data", readOnly: true)),
                Volume(name: "job", persistentVolumeClaim: .init(claimName: "job-1")),
            ]
            pod.spec.containers[0].volumeMounts = [
                VolumeMount(name: "data", mountPath: "/data"), VolumeMount(name: "job", mountPath: "/job"),
            ]
        }
        try await lab.waitForPhase("reader", .running)
        #expect(
            lab.runtime.machine.configs[lab.containerID(pod)]?.mounts.filter { $0.containerPath != "/dev/termination-log" } == [
                ContainerMount(hostPath: lab.directory + "/data", containerPath: "/data", readOnly: true),
                ContainerMount(hostPath: lab.path("volumes/alice/job-1"), containerPath: "/job", readOnly: false),
            ])
        lab.runtime.exit(lab.containerID(pod), code: 0)
        try await lab.waitForPhase("reader", .succeeded)
        await lab.runtime.wait { machine, _ in machine.sandboxes.isEmpty }
        try await lab.stop()
        #expect(lab.exists("volumes/alice/job-1"))
    }

    @Test("environment, arguments and limits reach the runtime resolved")
    func environment() async throws {
        let lab = try AgentLab()
        try lab.api.put(ConfigMap(metadata: ObjectMeta(name: "settings", namespace: "alice"), data: ["mode": "fast"]))
        await lab.start()
        let pod = try lab.submit("configured") { pod in
            pod.spec.containers[0].env = [
                EnvVar(name: "POD_IP", valueFrom: EnvVarSource(fieldRef: ObjectFieldSelector(fieldPath: "status.podIP"))),
                EnvVar(name: "MODE", valueFrom: EnvVarSource(configMapKeyRef: KeySelector(name: "settings", key: "mode"))),
                EnvVar(name: "BOTH", value: "$(POD_IP)/$(MODE)/$(NONE)"),
            ]
            pod.spec.containers[0].args = ["--listen", "$(POD_IP):20000"]
            pod.spec.containers[0].resources.limits = ["memory": Quantity(bytes: 64 << 20), "cpu": Quantity(millis: 500)]
        }
        try await lab.waitForPhase("configured", .running)
        let config = try #require(lab.runtime.machine.configs[lab.containerID(pod)])
        #expect(config.environment.map(\.value) == ["10.0.0.7", "fast", "10.0.0.7/fast/$(NONE)"])
        #expect(config.args == ["--listen", "10.0.0.7:20000"])
        #expect(config.limits.memoryBytes == 64 << 20)
        #expect(config.limits.cpuMillis == 500 && config.limits.cpuRequestMillis == 500)
        let pods = lab.runtime.machine.sandboxes[pod.metadata.uid ?? ""]?.limits
        #expect(pods?.cpuMillis == 500 && pods?.cpuRequestMillis == 500)
        #expect(config.logPath == lab.path("logs/pods/alice_configured_\(pod.metadata.uid ?? "")/main/0.log"))
        try await lab.stop()
    }

    @Test(
        "the runtime is told of a container that is its pod's only one, and not of one beside which there are others, of whatever kind"
    )
    func soleContainer() async throws {
        let lab = try AgentLab()
        await lab.start()
        let alone = try lab.submit("alone") { _ in }
        let two = try lab.submit("two") { $0.spec.containers.append(Container(name: "other", image: "psi:1")) }
        let sidecar = try lab.submit("sidecar") {
            $0.spec.initContainers = [Container(name: "first", image: "psi:1", restartPolicy: "Always")]
        }
        for name in ["alone", "two", "sidecar"] { try await lab.waitForPhase(name, .running) }
        let sandboxes = lab.runtime.machine.sandboxes
        #expect(sandboxes[alone.metadata.uid ?? ""]?.soleContainer == "main")
        for pod in [two, sidecar] {
            let sandbox = try #require(sandboxes[pod.metadata.uid ?? ""])
            #expect(sandbox.soleContainer == nil)
        }
        try await lab.stop()
    }

    @Test("a link that an earlier task left in a shared volume does not lead the next task's subPath out of it")
    func subPathStaysInside() async throws {
        let lab = try AgentLab()
        await lab.start()
        let claim = Volume(name: "job", persistentVolumeClaim: .init(claimName: "job-2"))
        let first = try lab.submit("first") { pod in
            pod.spec.volumes = [claim]
            pod.spec.containers[0].volumeMounts = [VolumeMount(name: "job", mountPath: "/job", subPath: "out")]
        }
        try await lab.waitForPhase("first", .running)
        let mount = try #require(lab.runtime.machine.configs[lab.containerID(first)]?.mounts.first)
        #expect(mount.hostPath == lab.path("volumes/alice/job-2/out"))
        symlink("/etc", lab.path("volumes/alice/job-2/evil"))
        try lab.submit("second") { pod in
            pod.spec.volumes = [claim]
            pod.spec.containers[0].volumeMounts = [VolumeMount(name: "job", mountPath: "/job", subPath: "evil")]
        }
        let status = try await lab.waitForPhase("second", .failed).status
        #expect(status.containerStatuses[0].state.terminated?.message?.contains("leads out of volume") == true)
        try await lab.stop()
    }

    @Test("a subPath that is not in a ConfigMap is waited for, without a word of the node's paths, and runs when it is there")
    func subPathOfObject() async throws {
        let lab = try AgentLab()
        await lab.start()
        try lab.api.put(ConfigMap(metadata: ObjectMeta(name: "cm", namespace: "alice"), data: ["other": "x"]))
        try lab.submit("late") { pod in
            pod.spec.volumes = [Volume(name: "cm", configMap: ConfigMapVolumeSource(name: "cm"))]
            pod.spec.containers[0].volumeMounts = [VolumeMount(name: "cm", mountPath: "/x", subPath: "key")]
        }
        let waiting = try await lab.wait(for: "late") {
            $0?.status.containerStatuses.first?.state.waiting?.reason == "CreateContainerConfigError"
        }
        let message = waiting?.status.containerStatuses[0].state.waiting?.message ?? ""
        #expect(message.contains("subPath \"key\" is not in volume cm") && !message.contains(lab.path("")), "\(message)")
        try lab.api.put(ConfigMap(metadata: ObjectMeta(name: "cm", namespace: "alice"), data: ["key": "y"]))
        try await lab.waitForPhase("late", .running)
        try await lab.stop()
    }

    @Test(
        "nothing is made behind a link that an earlier task left in a shared volume, and the runtime is told to refuse links there"
    )
    func subPathMakesNothingOutside() async throws {
        let lab = try AgentLab()
        await lab.start()
        let outside = lab.path("outside")
        mkdir(outside, 0o755)
        let claim = Volume(name: "job", persistentVolumeClaim: .init(claimName: "job-3"))
        let first = try lab.submit("first") { pod in
            pod.spec.volumes = [claim]
            pod.spec.containers[0].volumeMounts = [VolumeMount(name: "job", mountPath: "/job", subPath: "a/b")]
        }
        try await lab.waitForPhase("first", .running)
        let mount = try #require(lab.runtime.machine.configs[lab.containerID(first)]?.mounts.first)
        #expect(mount.hostPath == lab.path("volumes/alice/job-3/a/b") && mount.refusesLinks)
        symlink(outside, lab.path("volumes/alice/job-3/evil"))
        try lab.submit("second") { pod in
            pod.spec.volumes = [claim]
            pod.spec.containers[0].volumeMounts = [VolumeMount(name: "job", mountPath: "/job", subPath: "evil/made")]
        }
        try await lab.waitForPhase("second", .failed)
        #expect(access(outside + "/made", F_OK) != 0)
        try await lab.stop()
    }
}
