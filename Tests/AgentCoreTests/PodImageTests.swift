// The pod machine's image step: policies, failures, back-off, pins.
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("pod machine, images")
struct PodImageTests {
    private let run = ContainerRun(name: "main", attempt: 0)
    private let failure = StepFailure.image("ErrImagePull", "no such image")

    private func waiting(_ pod: Driver) -> ContainerStateWaiting? {
        pod.machine.lastStatus?.containerStatuses.first?.state.waiting
    }

    private func events(_ effects: [PodEffect]) -> [String] {
        effects.compactMap { if case .event(_, let reason, let message, _) = $0 { "\(reason): \(message)" } else { nil } }
    }

    @Test("an image that is missing is pulled, told of, and its container then started once")
    func pulled() {
        var pod = Driver(makePod())
        pod.setUp()
        pod.send(.imageNeeded(run))
        #expect(pod.last.contains(.pullImage(run)))
        #expect(events(pod.last) == ["Pulling: Pulling image \"psi:1\""])
        #expect(waiting(pod)?.reason == "ContainerCreating")
        pod.send(.imagePulled(run, "sha256:1", message: "Successfully pulled"))
        #expect(pod.last.contains(.createAndStart(run)))
        #expect(pod.machine.pulledImage(run) == "sha256:1")
        pod.send(.imageResolved(run, "psi@sha256:2"))
        pod.run()
        #expect(pod.machine.lastStatus?.containerStatuses[0].imageID == "psi@sha256:2")
        #expect(pod.machine.images == ["psi:1", "psi@sha256:2", "sha256:1"])
    }

    @Test("a container that was over before its start was told of has its image's digest in the status")
    func overAtOnce() {
        var pod = Driver(makePod(containers: ["main", "other"]))
        pod.setUp()
        pod.end(0)
        pod.send(.imageResolved(run, "psi@sha256:2"))
        #expect(pod.machine.lastStatus?.containerStatuses.first?.imageID == "psi@sha256:2")
        // Of a run that is not the present one nothing is taken.
        pod.send(.imageResolved(ContainerRun(name: "main", attempt: 7), "psi@sha256:3"))
        #expect(pod.machine.lastStatus?.containerStatuses.first?.imageID == "psi@sha256:2")
    }

    @Test("a pull that fails is ErrImagePull, then ImagePullBackOff, and is tried again after 10, 20, ... 300 seconds")
    func backOff() {
        var pod = Driver(makePod())
        pod.setUp()
        var pauses: [Int64] = []
        for _ in 0..<7 {
            pod.send(.imageNeeded(run), .imageFailed(run, failure))
            #expect(events(pod.last) == ["Failed: Failed to pull image \"psi:1\": no such image", "Failed: Error: ErrImagePull"])
            #expect(waiting(pod)?.reason == "ErrImagePull")
            let failedAt = pod.now
            pod.wait(seconds: 2)
            #expect(events(pod.last) == ["BackOff: Back-off pulling image \"psi:1\"", "Failed: Error: ImagePullBackOff"])
            #expect(waiting(pod)?.reason == "ImagePullBackOff")
            #expect(waiting(pod)?.message == "Back-off pulling image \"psi:1\": ErrImagePull: no such image")
            while !pod.last.contains(.createAndStart(run)) { pod.wait(seconds: 1) }
            pauses.append((pod.now - failedAt) / second)
        }
        #expect(pauses == [10, 20, 40, 80, 160, 300, 300])
        #expect(pod.machine.lastStatus?.phase == .pending)
    }

    @Test(
        "an image that is refused waits without end, and the same reason is told once",
        arguments: ["ErrImageNeverPull", "InvalidImageName"])
    func refused(_ reason: String) {
        var pod = Driver(makePod())
        pod.setUp()
        pod.send(.imageFailed(run, .image(reason, "not here")))
        let event = reason == "InvalidImageName" ? "InspectFailed" : reason
        #expect(events(pod.last) == ["\(event): not here", "Failed: Error: \(reason)"])
        #expect(waiting(pod) == ContainerStateWaiting(reason: reason, message: "not here"))
        pod.wait(seconds: 10)
        #expect(pod.last.contains(.createAndStart(run)))
        pod.send(.imageFailed(run, .image(reason, "not here")))
        #expect(events(pod.last) == [])
        // Somebody brings it.
        pod.wait(seconds: 20)
        pod.send(.imageResolved(run, "sha256:1"))
        pod.run()
        #expect(pod.machine.lastStatus?.phase == .running)
    }

    @Test("I-POD-15: a pod that is deleted while its image is pulled gives the pull up and ends at once")
    func deletedWhilePulling() {
        var pod = Driver(makePod())
        pod.setUp()
        pod.send(.imageNeeded(run), .deletionRequested(graceSeconds: 30))
        #expect(pod.last.contains(.cancelPull(run)))
        #expect(pod.last.contains(.removeSandbox))
        // Its answer comes all the same.
        pod.send(.imagePulled(run, "sha256:1", message: "too late"))
        #expect(pod.last.isEmpty)
    }

    @Test("an agent that comes back to a pull looks again")
    func restarted() {
        var pod = Driver(makePod())
        pod.setUp()
        pod.send(.imageNeeded(run), .adopted([:]))
        #expect(pod.last.contains(.createAndStart(run)))
    }

    @Test("the next run of a container looks for its image anew")
    func nextRun() {
        var pod = Driver(makePod(restartPolicy: .always))
        pod.setUp()
        pod.send(.imageNeeded(run), .imagePulled(run, "sha256:1", message: "m"), .imageResolved(run, "sha256:1"))
        pod.run()
        pod.end(1)
        #expect(pod.last.contains(.createAndStart(ContainerRun(name: "main", attempt: 1))))
        #expect(pod.machine.pulledImage(ContainerRun(name: "main", attempt: 1)) == nil)
    }

    @Test(
        "policy, presence and pin decide what is done with an image",
        arguments: [
            ("IfNotPresent", true, nil as Bool?, "use"), ("IfNotPresent", false, nil, "pull"), ("Always", true, nil, "pull"),
            ("Always", false, nil, "pull"), ("Never", true, nil, "use"), ("Never", false, nil, "ErrImageNeverPull"),
            ("IfNotPresent", true, true, "use"), ("IfNotPresent", true, false, "pull"), ("Never", true, false, "ImageIDMismatch"),
        ])
    func decided(_ policy: String, _ isPresent: Bool, _ fitsPin: Bool?, _ expected: String) {
        func decide(wasPulled: Bool, isBuiltIn: Bool = false) -> String {
            let found = isPresent ? ImageDecision.Found(isBuiltIn: isBuiltIn, fitsPin: fitsPin ?? true) : nil
            let decision = ImageDecision.decide(
                "psi:1", ImagePullPolicy(rawValue: policy) ?? .always, found: found, wasPulled: wasPulled,
                pin: fitsPin.map { _ in "sha256:1" })
            return switch decision {
            case .use: "use"
            case .pull: "pull"
            case .refuse(let failure): failure.reason
            }
        }
        #expect(decide(wasPulled: false) == expected)
        // After its pull an image is used or refused; only one that is gone again is pulled again.
        if isPresent, expected == "pull" { #expect(decide(wasPulled: true) == (fitsPin == false ? "ImageIDMismatch" : "use")) }
        if isPresent, policy == "Always" { #expect(decide(wasPulled: false, isBuiltIn: true) == "use") }
    }

    @Test(
        "without a policy the tag decides, as at the API server",
        arguments: [
            ("psi", "Always"), ("psi:latest", "Always"), ("psi:1", "IfNotPresent"), ("host:5000/psi", "Always"),
            ("psi@sha256:00", "IfNotPresent"), ("a/psi:latest@sha256:00", "IfNotPresent"),
        ])
    func defaults(_ image: String, _ policy: String) {
        #expect(ImagePullPolicy(of: Container(name: "main", image: image)).rawValue == policy)
        #expect(ImagePullPolicy(of: Container(name: "main", image: image, imagePullPolicy: "Never")) == .never)
    }
}
