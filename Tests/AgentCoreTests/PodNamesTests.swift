// A pod's names, which the node makes directories of, whoever let them through.
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("names of pods")
struct PodNamesTests {
    /// Each field with how it is set.
    static let fields: [(field: String, set: @Sendable (inout Pod, String) -> Void)] = [
        ("metadata.name", { $0.metadata.name = $1 }), ("metadata.namespace", { $0.metadata.namespace = $1 }),
        ("metadata.uid", { $0.metadata.uid = $1 }), ("spec.containers", { $0.spec.containers[0].name = $1 }),
        ("spec.volumes", { $0.spec.volumes = [Volume(name: $1)] }),
    ]

    @Test(
        "a pod with a name that leads elsewhere, or is no directory's, is refused by node and file alike; the field is told",
        arguments: [
            "../../x", "a/b", "..", "a\nb", "a\0b", "", String(repeating: "a", count: 300),
        ])
    func refused(_ name: String) {
        let node = NodeAdmission(allocatable: PodResources(pods: 10), used: PodResources())
        for (field, set) in Self.fields {
            var pod = makePod()
            set(&pod, name)
            #expect(PodNames.problem(pod)?.hasPrefix(field) == true, "\(field)")
            guard case .reject(reason: "InvalidPod", let message) = node.admit(pod) else {
                Issue.record("\(field) is admitted")
                continue
            }
            #expect(message.hasPrefix(field))
            #expect(StaticPod.problem(pod) != nil, "\(field)")
        }
    }

    @Test("two containers, an init container among them, or two volumes of one name are refused")
    func twice() {
        var pod = makePod()
        #expect(PodNames.problem(pod) == nil)
        pod.spec.initContainers = [pod.spec.containers[0]]
        #expect(PodNames.problem(pod) == "spec.containers: a name stands there twice")
        pod = makePod()
        pod.spec.volumes = [Volume(name: "v"), Volume(name: "v")]
        #expect(PodNames.problem(pod) == "spec.volumes: a name stands there twice")
    }
}

@Suite("numbers of pods")
struct PodNumbersTests {
    static let fields: [(field: String, set: @Sendable (inout Pod, Int64) -> Void)] = [
        ("spec.activeDeadlineSeconds", { $0.spec.activeDeadlineSeconds = $1 }),
        ("spec.terminationGracePeriodSeconds", { $0.spec.terminationGracePeriodSeconds = $1 }),
        ("spec.containers[main].startupProbe.periodSeconds", { $0.spec.containers[0].startupProbe = probe(Int($1)) }),
        ("spec.containers[main].lifecycle.preStop.sleep.seconds", { $0.spec.containers[0].lifecycle = sleep(Int($1)) }),
    ]

    @Test("ids that no system has are refused, and hooks of containers that come later", arguments: [Int64(-1), 1 << 32, .max, .min])
    func ids(_ value: Int64) {
        let places: [(String, @Sendable (inout Pod, Int64) -> Void)] = [
            ("spec.securityContext.fsGroup", { $0.spec.securityContext?.fsGroup = $1 }),
            ("spec.securityContext.runAsUser", { $0.spec.securityContext?.runAsUser = $1 }),
            ("spec.securityContext.supplementalGroups", { $0.spec.securityContext?.supplementalGroups = [0, $1] }),
        ]
        for (field, set) in places {
            var pod = makePod()
            pod.spec.securityContext = PodSecurityContext()
            set(&pod, value)
            #expect(PodNumbers.problem(pod)?.hasPrefix("\(field): found \(value)") == true, "\(field)")
            set(&pod, 1000)
            #expect(PodNumbers.problem(pod) == nil)
        }
        var pod = makePod()
        var late = pod.spec.containers[0]
        late.lifecycle = Self.sleep(1)
        pod.spec.ephemeralContainers = [late]
        #expect(PodNumbers.problem(pod)?.hasPrefix("spec.ephemeralContainers[main].lifecycle") == true)
    }

    static func probe(_ period: Int) -> Probe {
        var probe = Probe()
        probe.periodSeconds = period
        return probe
    }

    static func sleep(_ seconds: Int) -> Lifecycle {
        var lifecycle = Lifecycle()
        lifecycle.preStop = LifecycleHandler()
        lifecycle.preStop?.sleep = SleepAction()
        lifecycle.preStop?.sleep?.seconds = seconds
        return lifecycle
    }

    @Test(
        "a time with which the agent could not compute is refused by node and file alike; the field is told",
        arguments: [
            Int64.max, Int64.min, -1, Int64(Int32.max) + 1,
        ])
    func refused(_ value: Int64) {
        let node = NodeAdmission(allocatable: PodResources(pods: 10), used: PodResources())
        for (field, set) in Self.fields {
            var pod = makePod()
            set(&pod, value)
            #expect(
                StaticPod.problem(pod)?.hasPrefix("\(field): found \(value)") == true, "\(field): \(StaticPod.problem(pod) ?? "")"
            )
            guard case .reject(reason: "InvalidPod", _) = node.admit(pod) else {
                Issue.record("\(field) is admitted")
                continue
            }
            set(&pod, Int64(Int32.max))
            #expect(StaticPod.problem(pod) == nil)
        }
    }
}
