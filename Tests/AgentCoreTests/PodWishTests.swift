// What a pod asks for as a whole: how names are resolved, what its containers may use together, parameters of the kernel.
import KubernetesModel
import KusciaModel
import Testing

@testable import AgentCore

@Suite("a pod's wishes as a whole")
struct PodWishTests {
    private let node = Resolver(nameservers: ["127.0.0.53", "10.0.0.53"], searches: ["example.org"], options: ["edns0"])

    @Test("resolv.conf is read as the C library reads it")
    func parsing() {
        let text = """
            # nameserver 1.1.1.1
            nameserver\t10.0.0.1 ; the first
            nameserver 10.0.0.2
            domain old.example
            search a.example b.example
            options ndots:5
            options timeout:1 edns0
            nameserver 10.0.0.3
            nameserver 10.0.0.4
            nameserver
            sortlist 10.0.0.0
            """
        let expected = Resolver(
            nameservers: ["10.0.0.1", "10.0.0.2", "10.0.0.3"], searches: ["a.example", "b.example"],
            options: ["ndots:5", "timeout:1", "edns0"])
        #expect(Resolver(parsing: text) == expected)
        #expect(Resolver(parsing: "") == Resolver())
    }

    @Test("policy and network decide what of the node's a pod gets; its own config comes behind")
    func resolver() {
        var pod = makePod()
        for policy in [nil, "Default", "ClusterFirst", "ClusterFirstWithHostNet"] {
            pod.spec.dnsPolicy = policy
            #expect(Resolver(pod) { node } == node)
        }
        pod.spec.dnsConfig = PodDNSConfig(nameservers: ["9.9.9.9", "10.0.0.53"], searches: ["own.example"])
        var expected = node
        expected.nameservers.append("9.9.9.9")
        expected.searches.append("own.example")
        #expect(Resolver(pod) { node } == expected)
        var optioned = pod
        optioned.spec.dnsConfig?.options = [PodDNSConfigOption(name: "ndots", value: "2"), PodDNSConfigOption(name: "edns0")]
        let told = Resolver(nameservers: ["10.0.0.53"], options: ["ndots:5", "rotate"])
        #expect(Resolver(optioned) { told }.options == ["rotate", "ndots:2", "edns0"])
        pod.metadata.annotations[KusciaAnnotation.network] = "cni/psi"
        #expect(Resolver(pod) { node }.nameservers == ["10.0.0.53", "9.9.9.9"])
        pod.spec.dnsPolicy = "None"
        #expect(Resolver(pod) { node }.nameservers == ["9.9.9.9", "10.0.0.53"])
        pod.metadata.annotations[KusciaAnnotation.network] = "none"
        #expect(Resolver(pod) { node } == Resolver())
    }

    @Test("limits together: sidecars beside what comes after them, nothing as soon as one has none")
    func limits() {
        var pod = makePod(initContainers: ["before", "side", "after"], limits: ["memory": Quantity(bytes: 100)])
        pod.spec.initContainers[1].restartPolicy = "Always"
        func total() -> Int64? { PodLimits.total("memory", of: pod, in: \.value) }
        #expect(total() == 200 && PodLimits.containersAtOnce(pod) == 2)
        pod.spec.initContainers[2].resources.limits["memory"] = Quantity(bytes: 500)
        #expect(total() == 600)
        pod.spec.overhead = ["memory": Quantity(bytes: 7)]
        #expect(total() == 607)
        pod.spec.initContainers[0].resources.limits = [:]
        #expect(total() == nil)
    }

    @Test("parameters of the pod's own namespaces are granted, the machine's are not; net. where the network is the pod's")
    func kernelParameters() {
        var pod = makePod()
        func refusal(_ name: String) -> String? {
            pod.spec.securityContext = PodSecurityContext(sysctls: [Sysctl(name: name, value: "1")])
            return KernelParameterPolicy.refusal(pod)
        }
        for name in ["kernel.shm_rmid_forced", "kernel.msgmax", "kernel.sem", "fs.mqueue.msg_max", "kernel/shmmax"] {
            #expect(refusal(name) == nil)
        }
        for name in [
            "vm.swappiness", "kernel.core_pattern", "net.ipv4.ip_local_port_range", "net/ipv4/ip_forward", "fs.file-max",
        ] {
            #expect(refusal(name)?.contains(name) == true)
        }
        pod.metadata.annotations[KusciaAnnotation.network] = "none"
        #expect(refusal("net.ipv4.ip_local_port_range") == nil && refusal("vm.swappiness") != nil)
    }

    @Test("a port of UDP is taken by none of TCP; on a network of its own a pod takes only what leads into it")
    func ports() {
        var pod = makePod()
        pod.spec.containers[0].ports = [ContainerPort(containerPort: 53, protocol: "UDP")]
        var admission = NodeAdmission(
            allocatable: PodResources(cpuMillis: 1, memoryBytes: 1, pods: 1), used: PodResources(), takenPorts: [53])
        #expect(admission.admit(pod) == .accept)
        admission.takenDatagramPorts = [53]
        #expect(admission.admit(pod) != .accept)
        pod.metadata.annotations[KusciaAnnotation.network] = "cni/psi"
        #expect(admission.admit(pod) == .accept && NodeAdmission.ports(of: pod).isEmpty)
        pod.spec.containers[0].ports[0].hostPort = 53
        #expect(admission.admit(pod) != .accept)
    }
}
