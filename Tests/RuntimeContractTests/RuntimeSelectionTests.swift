// Several runtimes as one: who serves a pod, and that everything of the pod follows it there.

import RuntimeInterface
import Testing

@Suite("Runtime selection")
struct RuntimeSelectionTests {
    private func make() throws -> (selection: RuntimeSelection, first: FakeRuntime, second: FakeRuntime) {
        let (first, second) = (FakeRuntime(name: "one") { 1 }, FakeRuntime(name: "two") { 1 })
        return (try RuntimeSelection([first, second]), first, second)
    }

    private func sandbox(_ uid: String, _ handler: String?) -> PodSandboxConfig {
        PodSandboxConfig(
            podUID: uid, namespace: "alice", name: uid, hostname: uid, stateDirectory: "/s", logDirectory: "/l", handler: handler)
    }

    private func container(_ name: String) -> ContainerConfig {
        ContainerConfig(name: name, image: "image", logPath: "/l/\(name).log")
    }

    @Test("a pod goes to the runtime of its class, one without a class to the first, one of an unknown class to none")
    func routing() async throws {
        let (selection, first, second) = try make()
        try await selection.runPodSandbox(sandbox("a", nil))
        try await selection.runPodSandbox(sandbox("b", "two"))
        await #expect {
            try await selection.runPodSandbox(sandbox("c", "three"))
        } throws: { "\($0)".contains("expected one of one, two") }
        _ = try await selection.createContainer(podUID: "a", config: container("x"))
        _ = try await selection.createContainer(podUID: "b", config: container("y"))
        #expect(try await first.list().map(\.id.name) == ["x"])
        #expect(try await second.list().map(\.id.name) == ["y"])
        #expect(try await selection.list().map(\.id.name) == ["x", "y"])
        #expect(selection.handlers == ["one", "two"] && selection.name == "one")
    }

    @Test("what an earlier life left is found where it is, and its verbs go there")
    func adoption() async throws {
        let (_, first, second) = try make()
        try await second.runPodSandbox(sandbox("b", "two"))
        let id = try await second.createContainer(podUID: "b", config: container("y"))
        let selection = try RuntimeSelection([first, second])
        #expect(try await selection.adopt().map(\.id) == [id])
        try await selection.startContainer(id)
        guard case .running = try #require(try await second.status(id)).phase else {
            throw RuntimeError.notFound("running \(id)")
        }
        try await selection.stopContainer(id, graceSeconds: 0)
        try await selection.removePodSandbox(podUID: "b")
        #expect(try await second.list().isEmpty)
    }

    @Test("what nobody knows is not found, and stopping or removing it does nothing")
    func unknown() async throws {
        let (selection, _, _) = try make()
        let id = ContainerID(podUID: "none", name: "x", attempt: 0)
        #expect(try await selection.status(id) == nil)
        try await selection.stopContainer(id, graceSeconds: 0)
        try await selection.removeContainer(id)
        try await selection.stopPodSandbox(podUID: "none")
        try await selection.removePodSandbox(podUID: "none")
        await #expect { try await selection.startContainer(id) } throws: {
            if case RuntimeError.notFound = $0 { true } else { false }
        }
    }

    @Test("two runtimes of one class are refused, and so is none")
    func refusals() {
        #expect(throws: RuntimeError.self) { try RuntimeSelection([]) }
        #expect(throws: RuntimeError.self) { try RuntimeSelection([FakeRuntime { 1 }, FakeRuntime { 1 }]) }
    }
}
