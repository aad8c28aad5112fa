// What a node refuses of a pod's spec, and the network that a pod asks for.
import KubernetesModel
import KusciaModel
import Testing

@testable import AgentCore

@Suite("Node permissions")
struct NodePermissionTests {
    private static func pod(_ change: (inout Pod) -> Void) -> Pod {
        var pod = Pod(
            metadata: ObjectMeta(name: "p", namespace: "alice"),
            spec: PodSpec(containers: [Container(name: "main", image: "i", securityContext: SecurityContext())]))
        change(&pod)
        return pod
    }

    private static let refusals: [(word: String, change: @Sendable (inout Pod) -> Void)] = [
        ("spec.hostPID", { $0.spec.hostPID = true }),
        ("spec.hostIPC", { $0.spec.hostIPC = true }),
        ("spec.hostUsers", { $0.spec.hostUsers = true }),
        ("spec.shareProcessNamespace", { $0.spec.shareProcessNamespace = true }),
        ("privileged", { $0.spec.containers[0].securityContext = SecurityContext(privileged: true) }),
        ("procMount", { $0.spec.containers[0].securityContext = SecurityContext(procMount: "Unmasked") }),
        (
            "Unconfined",
            { $0.spec.containers[0].securityContext = SecurityContext(seccompProfile: SeccompProfile(type: "Unconfined")) }
        ),
        ("Unconfined", { $0.spec.securityContext = PodSecurityContext(seccompProfile: SeccompProfile(type: "Unconfined")) }),
        (
            "SYS_ADMIN",
            { $0.spec.containers[0].securityContext = SecurityContext(capabilities: Capabilities(add: ["CAP_SYS_ADMIN"])) }
        ),
        ("runAsNonRoot", { $0.spec.securityContext = PodSecurityContext(runAsUser: 0, runAsNonRoot: true) }),
        (
            "runAsNonRoot",
            {
                $0.spec.securityContext = PodSecurityContext(runAsUser: 0, runAsNonRoot: true)
                $0.spec.containers[0].securityContext = nil
            }
        ),
        (
            "runAsNonRoot",
            {
                $0.spec.securityContext = PodSecurityContext(runAsUser: 7)
                $0.spec.containers[0].securityContext = SecurityContext(runAsUser: 0, runAsNonRoot: true)
            }
        ),
        (
            "SYS_ADMIN",
            {
                $0.spec.ephemeralContainers = [
                    Container(name: "look", securityContext: SecurityContext(capabilities: Capabilities(add: ["SYS_ADMIN"])))
                ]
            }
        ),
        (KusciaAnnotation.network, { $0.metadata.annotations[KusciaAnnotation.network] = "bridge" }),
        (KusciaAnnotation.network, { $0.metadata.annotations[KusciaAnnotation.network] = "cni/../x" }),
        (KusciaAnnotation.tcpBind, { $0.metadata.annotations[KusciaAnnotation.tcpBind] = "80,x" }),
        (KusciaAnnotation.tcpConnect, { $0.metadata.annotations[KusciaAnnotation.tcpConnect] = "9-8" }),
    ]

    @Test("what reaches out of the sandbox is refused with its field", arguments: refusals.indices)
    func refused(index: Int) throws {
        let (word, change) = Self.refusals[index]
        let refusal = try #require(NodePermissions().refusal(Self.pod(change)))
        #expect(refusal.contains(word))
    }

    @Test("what the node permits passes")
    func permitted() {
        let pod = Self.pod {
            $0.spec.hostUsers = true
            $0.spec.containers[0].securityContext = SecurityContext(
                privileged: true, capabilities: Capabilities(add: ["SYS_ADMIN"]),
                seccompProfile: SeccompProfile(type: "Unconfined"))
        }
        #expect(NodePermissions(privileged: true, unconfined: true, hostUsers: true).refusal(pod) == nil)
        #expect(
            NodePermissions().refusal(
                Self.pod { $0.spec.containers[0].securityContext?.capabilities = Capabilities(add: ["chown"]) }) == nil)
    }

    @Test("whether an image that names its own user is root is not said before the image is there")
    func imageUser() {
        #expect(NodePermissions().refusal(Self.pod { $0.spec.securityContext = PodSecurityContext(runAsNonRoot: true) }) == nil)
        let other = Self.pod {
            $0.spec.securityContext = PodSecurityContext(runAsUser: 0)
            $0.spec.containers[0].securityContext = SecurityContext(runAsUser: 1000, runAsNonRoot: true)
        }
        #expect(NodePermissions().refusal(other) == nil)
    }

    @Test("a pod on the node's network may bind the ports it declares and connect anywhere; annotations say otherwise")
    func networks() throws {
        let declared = Self.pod {
            $0.spec.containers[0].ports = [ContainerPort(name: "a", hostPort: 7000, containerPort: 80, protocol: "TCP")]
        }
        #expect(try NetworkWish(declared) == .host(bind: [80, 7000], connect: nil))
        let ruled = Self.pod {
            $0.metadata.annotations = [KusciaAnnotation.tcpBind: "*", KusciaAnnotation.tcpConnect: "443, 8000-8002"]
        }
        #expect(try NetworkWish(ruled) == .host(bind: nil, connect: [443, 8000, 8001, 8002]))
        #expect(try NetworkWish(Self.pod { $0.metadata.annotations[KusciaAnnotation.network] = "none" }) == .none)
        #expect(
            try NetworkWish(Self.pod { $0.metadata.annotations[KusciaAnnotation.network] = "cni/psi-net" }) == .cni("psi-net"))
    }

    @Test("what sidecars and init containers declare may be bound too; a port of UDP is no port of TCP")
    func portsOfAll() throws {
        let pod = Self.pod {
            $0.spec.initContainers = [
                Container(name: "proxy", ports: [ContainerPort(containerPort: 15_001)], restartPolicy: "Always"),
                Container(name: "first", ports: [ContainerPort(containerPort: 15_002)]),
            ]
            $0.spec.containers[0].ports = [
                ContainerPort(containerPort: 53, protocol: "UDP"), ContainerPort(containerPort: 80, protocol: "TCP"),
            ]
        }
        #expect(try NetworkWish(pod) == .host(bind: [80, 15_001, 15_002], connect: nil))
        // What is over before the main containers begin holds nothing of the node.
        #expect(NodeAdmission.ports(of: pod).map(\.port) == [15_001, 53, 80])
    }
}
