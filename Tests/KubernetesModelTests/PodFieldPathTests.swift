// The part of a pod that an event is about, in a kubelet's words.
import KubernetesModel
import Testing

@Suite struct PodFieldPathTests {
    @Test("a container is named with its list; a name that no container has is no part of the pod")
    func everyList() throws {
        let spec = PodSpec(
            initContainers: [Container(name: "first")], containers: [Container(name: "main")],
            ephemeralContainers: [Container(name: "debugger")])
        #expect(spec.fieldPath(ofContainer: "main") == "spec.containers{main}")
        #expect(spec.fieldPath(ofContainer: "first") == "spec.initContainers{first}")
        #expect(spec.fieldPath(ofContainer: "debugger") == "spec.ephemeralContainers{debugger}")
        #expect(spec.fieldPath(ofContainer: "other") == nil)
    }
}
