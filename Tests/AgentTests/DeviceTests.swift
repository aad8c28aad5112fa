// Extended resources that stand for device files: who gets which, over restarts of containers and of the agent.
import AgentCore
import KubernetesModel
import RuntimeInterface
import Testing

@testable import Agent

@Suite("devices of a node", .timeLimit(.minutes(1)))
struct DeviceTests {
    private static let resource = "example.com/gpu"

    private func makeLab(_ count: Int) throws -> AgentLab {
        let lab = try AgentLab()
        for index in 0..<count { try DiskFiles.replace("\(lab.directory)/gpu\(index)", with: [], durable: false) }
        let pattern = lab.directory + "/gpu[0-9]*"
        lab.configure = { $0.devices = [Self.resource: pattern] }
        return lab
    }

    @discardableResult
    private func submit(_ name: String, _ lab: AgentLab, change: (inout Pod) -> Void = { _ in }) throws -> Pod {
        try lab.submit(name) { pod in
            pod.spec.containers[0].resources.limits = [Self.resource: Quantity(1)]
            change(&pod)
        }
    }

    private func devices(_ lab: AgentLab, _ pod: Pod, attempt: Int = 0) -> [String] {
        let id = ContainerID(podUID: pod.metadata.uid ?? "", name: "main", attempt: attempt)
        return lab.runtime.machine.configs[id]?.devices.map { String($0.hostPath.dropFirst(lab.directory.count)) } ?? []
    }

    @Test("two pods get a device each; they keep it over a restart of the agent and of the container; an ended one gives it back")
    func allocation() async throws {
        let lab = try makeLab(2)
        await lab.start()
        let first = try submit("first", lab) { $0.spec.restartPolicy = .onFailure }
        try await lab.waitForPhase("first", .running)
        let second = try submit("second", lab)
        try await lab.waitForPhase("second", .running)
        #expect(devices(lab, first) == ["/gpu0"] && devices(lab, second) == ["/gpu1"])
        try await lab.restart()
        lab.runtime.exit(lab.containerID(second), code: 0)
        try await lab.waitForPhase("second", .succeeded)
        lab.runtime.exit(lab.containerID(first), code: 1)
        try await lab.wait(for: "first") { $0?.status.containerStatuses.first?.restartCount == 1 }
        try await lab.wait(for: "first") { $0?.status.containerStatuses.first?.state.running != nil }
        #expect(devices(lab, first, attempt: 1) == ["/gpu0"])
        let third = try submit("third", lab)
        try await lab.waitForPhase("third", .running)
        #expect(devices(lab, third) == ["/gpu1"])
        try submit("fourth", lab)
        #expect(try await lab.waitForPhase("fourth", .failed).status.reason == "OutOf\(Self.resource)")
        try await lab.stop()
    }

    @Test("a device that went away after it was counted: the pod is rejected in a kubelet's words")
    func gone() async throws {
        let lab = try makeLab(1)
        await lab.start()
        try DiskFiles.removeTree(lab.directory + "/gpu0")
        try submit("late", lab)
        let status = try await lab.waitForPhase("late", .failed).status
        #expect(status.reason == "UnexpectedAdmissionError")
        #expect(status.message?.contains("devices unavailable for \(Self.resource). Requested: 1, Available: 0") == true)
        try await lab.stop()
    }
}
