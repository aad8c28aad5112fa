// Two providers on one node: each hears of its own pods, and of the whole list once.
import KubernetesModel
import RuntimeInterface
import Testing

@testable import Agent

private actor Recorder: PodProvider {
    private(set) var heard: [String] = []

    func adopt() async throws { heard.append("adopt") }
    func reconcile(_ pods: [Pod]) async { heard.append("reconcile " + pods.map(\.metadata.name).sorted().joined(separator: ",")) }
    func sync(_ pod: Pod) async { heard.append("sync \(pod.metadata.name)") }
    func remove(namespace: String, name: String) async { heard.append("remove \(name)") }
    func drain() async { heard.append("drain") }
    func close() async { heard.append("close") }
    func log(namespace: String, pod: String, container: String, previous: Bool) async -> ContainerLog? { nil }
}

@Suite("Providers of one node")
struct SelectionTests {
    private func pod(_ name: String, _ runtimeClass: String?) -> Pod {
        Pod(metadata: ObjectMeta(name: name, namespace: "alice", uid: name), spec: PodSpec(runtimeClassName: runtimeClass))
    }

    @Test("a pod goes to the provider of its class, without one to the standard; of a complete list each hears once")
    func byClass() async throws {
        let (local, remote) = (Recorder(), Recorder())
        let selection = PodProviderSelection(standard: remote, other: local, classes: ["runp", "runc"])
        try await selection.adopt()
        await selection.reconcile([pod("a", nil), pod("b", "runc"), pod("c", "runk"), pod("d", "runp")])
        await selection.sync(pod("e", "runp"))
        await selection.sync(pod("f", "kata"))
        #expect(await remote.heard == ["adopt", "reconcile a,c", "sync f"])
        #expect(await local.heard == ["adopt", "reconcile b,d", "sync e"])
    }

    @Test("a name that comes again with another class ends at the provider that had it")
    func change() async throws {
        let (local, remote) = (Recorder(), Recorder())
        let selection = PodProviderSelection(standard: local, other: remote, classes: ["runk"])
        await selection.sync(pod("a", "runk"))
        await selection.sync(pod("a", nil))
        #expect(await remote.heard == ["sync a", "remove a"])
        #expect(await local.heard == ["sync a"])
    }
}
