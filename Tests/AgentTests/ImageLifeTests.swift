// What becomes of a pod whose image the node does not have, and of images that no pod needs.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import RuntimeInterface
import Testing

@testable import Agent

@Suite("images, through the whole agent", .timeLimit(.minutes(1)))
struct ImageLifeTests {
    private func waiting(_ pod: Pod?) -> String? { pod?.status.containerStatuses.first?.state.waiting?.reason }

    @Test("a missing image is pulled once, with the pod's secrets, and its container runs by the image's id")
    func pulled() async throws {
        let lab = try AgentLab()
        await lab.start()
        lab.images.publish("reg.example/app:1", RuntimeImageStatus(id: "sha256:c", repoDigests: ["reg.example/app@sha256:m"]))
        let text = #"{"auths":{"reg.example":{"auth":"YW5uYTpzZWNyZXQ="}}}"#
        try lab.api.put(
            Secret(
                metadata: ObjectMeta(name: "pull", namespace: "alice"), stringData: [".dockerconfigjson": text],
                type: "kubernetes.io/dockerconfigjson"))
        try lab.submit("task") { pod in
            pod.spec.containers[0].image = "reg.example/app:1"
            pod.spec.imagePullSecrets = [LocalObjectReference(name: "pull"), LocalObjectReference(name: "missing")]
        }
        let pod = try await lab.waitForPhase("task", .running)
        #expect(
            lab.images.calls.filter { if case .pull = $0 { true } else { false } } == [
                .pull("reg.example/app:1", users: ["anna"])
            ])
        #expect(pod.status.containerStatuses[0].imageID == "reg.example/app@sha256:m")
        #expect(lab.runtime.machine.configs[lab.containerID(pod)]?.image == "sha256:c")
        try await lab.stop()
    }

    @Test("a pod that is over at once has its image's digest in its last status, whoever tells of its end first")
    func overAtOnce() async throws {
        let lab = try AgentLab()
        lab.images.publish("app:1", RuntimeImageStatus(id: "sha256:c", repoDigests: ["reg.example/app@sha256:m"]))
        lab.runtime.exitOnStart(container: "main", code: 0)
        await lab.start()
        for number in 0..<60 { try lab.submit("task-\(number)") { $0.spec.containers[0].image = "app:1" } }
        for number in 0..<60 {
            let pod = try await lab.waitForPhase("task-\(number)", .succeeded)
            #expect(pod.status.containerStatuses[0].imageID == "reg.example/app@sha256:m", "\(number)")
        }
        try await lab.stop()
    }

    @Test("a pull that fails is told as ErrImagePull, then as ImagePullBackOff, and the pod does not fail")
    func backOff() async throws {
        let lab = try AgentLab()
        await lab.start()
        try lab.submit("task") { $0.spec.containers[0].image = "nowhere:1" }
        let failed = try await lab.wait(for: "task") { self.waiting($0) == "ErrImagePull" }
        #expect(failed?.status.containerStatuses[0].state.waiting?.message?.contains("the registry has no such image") == true)
        let waits = try await lab.wait(for: "task") { self.waiting($0) == "ImagePullBackOff" }
        #expect(waits?.status.phase == .pending)
        try await lab.stop()
    }

    @Test("a pod that is deleted while its image is pulled goes away without waiting for the registry")
    func deleted() async throws {
        let lab = try AgentLab()
        await lab.start()
        lab.images.publish("slow:1")
        lab.images.holdPulls()
        try lab.submit("task") { $0.spec.containers[0].image = "slow:1" }
        await lab.images.wait { calls in calls.contains(.pull("slow:1", users: [])) }
        try await lab.api.delete(Pod.self, namespace: "alice", name: "task", options: DeleteOptions(gracePeriodSeconds: 5))
        try await lab.waitUntilGone("task")
        lab.images.releasePulls()
        #expect(lab.runtime.count(.createContainer) == 0)
        try await lab.stop()
    }

    @Test("an image that is not the pinned one is not run, whatever its name", arguments: ["sha256:other", "sha256:m"])
    func pinned(_ pin: String) async throws {
        let lab = try AgentLab()
        await lab.start()
        let status = RuntimeImageStatus(id: "sha256:c", repoTags: ["app:1"], repoDigests: ["app@sha256:m"])
        lab.images.add("app:1", status)
        lab.images.publish("app:1", status)
        try lab.submit("task") { pod in
            pod.spec.containers[0].image = "app:1"
            pod.metadata.annotations["kuscia.secretflow/image-id"] = pin
        }
        if pin == "sha256:m" {
            try await lab.waitForPhase("task", .running)
            #expect(lab.images.pulls.isEmpty)
        } else {
            try await lab.wait(for: "task") { self.waiting($0) == "ImageIDMismatch" }
            // The name may have moved on since: it was looked for once.
            #expect(lab.images.pulls == ["app:1"])
            #expect(lab.runtime.count(.createContainer) == 0)
        }
        try await lab.stop()
    }

    @Test("no more than some images are pulled at once, and who waits in vain leaves the queue", .timeLimit(.minutes(1)))
    func turns() async throws {
        let turns = PullTurns(1)
        try await turns.take()
        let waiter = Task { () -> Bool in
            do throws(ImagePullError) { try await turns.take() } catch { return false }
            return true
        }
        while turns.waiting != 1 { await Task.yield() }
        waiter.cancel()
        #expect(await waiter.value == false)
        #expect(turns.waiting == 0)
        let next = Task { () -> Bool in
            do throws(ImagePullError) { try await turns.take() } catch { return false }
            return true
        }
        while turns.waiting != 1 { await Task.yield() }
        turns.giveBack()
        #expect(await next.value)
        turns.giveBack()
        try await turns.take()
    }

    @Test("under disk pressure images go that no container uses; else only from the high mark on")
    func collected() async throws {
        let lab = try AgentLab()
        lab.images.add("used:1", RuntimeImageStatus(id: "sha256:used", repoTags: ["used:1"], sizeBytes: 1))
        lab.images.add("old:1", RuntimeImageStatus(id: "sha256:old", repoTags: ["old:1"], sizeBytes: 2))
        lab.images.add("kept:1", RuntimeImageStatus(id: "sha256:kept", repoTags: ["kept:1"], sizeBytes: 3, pinned: true))
        lab.configure = { $0.imageCollection = .init(minimumAgeSeconds: 0) }
        await lab.start()
        try lab.submit("task") { $0.spec.containers[0].image = "used:1" }
        try await lab.waitForPhase("task", .running)
        let node = try #require(try lab.api.object(Node.self, namespace: nil, name: AgentLab.node))
        #expect(Set(node.status.images.flatMap(\.names)) == ["used:1", "old:1", "kept:1", "psi:1"])
        #expect(node.status.images.first?.sizeBytes == 3)
        for (full, everything) in [(0.5, false), (0.9, false), (0.5, true)] {
            let before = lab.images.removed.count
            let keeper = lab.keeper(full: full)
            await keeper.collect(everything: everything)
            let removed = lab.images.removed.dropFirst(before)
            #expect(removed.isEmpty == (full < 0.85 && !everything), "\(full), \(everything)")
            #expect(!removed.contains("sha256:used") && !removed.contains("sha256:kept"))
            lab.images.add("new:\(full)", RuntimeImageStatus(id: "sha256:\(full)", repoTags: ["new:\(full)"]))
        }
        try await lab.stop()
    }
}

extension AgentLab {
    /// Over the lab's running agent, as on a disk that is so full.
    fileprivate func keeper(full: Double) -> ImageKeeper {
        let quietLogger = Logger(label: "images") { _ in SwiftLogNoOpLogHandler() }
        return ImageKeeper(
            node: Self.node, images: images, pods: service.pods, runtime: runtime,
            events: EventRecorder(
                api: api, component: "test", host: Self.node, now: { MicroTimestamp(unixMicroseconds: 0) }, logger: quietLogger),
            policy: .init(minimumAgeSeconds: 0), clock: SystemClock(), logger: quietLogger,
            space: { _ in (1_000_000, Int64(1_000_000 * (1 - full))) })
    }
}
