// Carries out the steps that a pod's machine orders, and says how they went in the machine's words.
import AgentCore
import KubernetesModel
import Logging
import RuntimeInterface

struct PodExecutor: Sendable {
    let config: AgentConfig
    let paths: AgentPaths
    let runtime: any ContainerRuntime
    let volumes: VolumeManager
    let builder: ContainerConfigBuilder
    let reporter: any PodReporter
    let records: PodRecordStore
    let prober: Prober
    let images: ImageSteps
    let clock: any AgentClock
    let logger: Logger

    private var messages: TerminationMessages { TerminationMessages(paths: paths) }

    /// Nothing for effects that have no answer.
    func perform(_ effect: PodEffect, _ machine: PodStateMachine) async -> [PodInput] {
        let pod = machine.pod
        return switch effect {
        case .prepareVolumes: [await prepareVolumes(pod)]
        case .runSandbox: [await runSandbox(pod, machine.context.handler)]
        case .createAndStart(let run): await start(run, machine)
        case .pullImage(let run): [await images.pull(machine.spec(of: run.name)?.image ?? "", run, pod)]
        case .stop(let run, let graceSeconds): [await stop(run, graceSeconds, pod)]
        case .runHook(let run, let hook, let seconds): [await runHook(hook, run, seconds, pod)]
        case .probe(let run, let kind): [await probe(kind, run, pod)]
        case .removeSandbox: [await removeSandbox(pod)]
        case .cleanVolumes: [await cleanVolumes(pod)]
        case .cancelPull, .patchStatus, .deletePodObject, .setTimer, .event, .forget: []
        }
    }

    private func prepareVolumes(_ pod: Pod) async -> PodInput {
        do throws(StepFailure) {
            try await volumes.prepare(pod)
            return .volumesReady
        } catch {
            return .volumesFailed(error)
        }
    }

    private func runSandbox(_ pod: Pod, _ handler: String?) async -> PodInput {
        do {
            try await runtime.runPodSandbox(try builder.sandbox(pod, try await volumes.hostAliases(of: pod), handler: handler))
            return .sandboxReady(address: try await runtime.podAddress(podUID: pod.metadata.uid ?? ""))
        } catch {
            return .sandboxFailed(Self.failure("FailedCreatePodSandBox", error))
        }
    }

    private func start(_ run: ContainerRun, _ machine: PodStateMachine) async -> [PodInput] {
        let pod = machine.pod
        guard let container = machine.spec(of: run.name) else {
            return [
                .containerStartFailed(run, StepFailure(reason: "Failed", message: "no container \(run.name)", retriable: false))
            ]
        }
        if let refusal = Self.refusal(container, runtime.name) ?? ephemeralRefusal(container, pod) {
            return [.containerStartFailed(run, refusal)]
        }
        let image: (id: String, reference: String)
        switch await images.look(container, run, pod, pulled: machine.pulledImage(run)) {
        case .ready(let id, let reference): image = (id, reference)
        case .answer(let input): return [input]
        }
        do {
            let id = try await create(container, image: image.id, run, pod, machine.devices[run.name] ?? [])
            try await runtime.startContainer(id)
            let outcome = try await outcome(of: id, run, pod) ?? .containerStarted(run, at: clock.now())
            await removeOldRuns(of: id)
            return [.imageResolved(run, image.reference), outcome]
        } catch {
            return [.containerStartFailed(run, Self.failure("Failed", error))]
        }
    }

    /// Whoever asks for another container's processes and gets none would look for them in vain.
    private static func refusal(_ container: Container, _ runtime: String) -> StepFailure? {
        guard let target = container.targetContainerName, !target.isEmpty else { return nil }
        let message =
            "targetContainerName: runtime \(runtime) does not show the processes of container \(target) to another one; "
            + "leave it out (kubectl debug without --target), or look from inside with kubectl exec"
        return StepFailure(reason: "Failed", message: message, retriable: false)
    }

    /// It comes to a pod that was admitted without it, so what the node grants is asked now.
    private func ephemeralRefusal(_ container: Container, _ pod: Pod) -> StepFailure? {
        guard pod.spec.ephemeralContainers.contains(where: { $0.name == container.name }) else { return nil }
        return config.permissions.refusal(container, in: pod).map { StepFailure(reason: "Failed", message: $0, retriable: false) }
    }

    /// Of a name the run before is kept, as a kubelet keeps it (MaxPerPodContainerCount 1): a container that crashes every five minutes
    /// would leave 288 scratch directories and records a day. Logs are `LogKeeper`'s. What cannot be removed goes after the next start.
    private func removeOldRuns(of id: ContainerID) async {
        guard id.attempt > 1 else { return }
        do {
            for report in try await runtime.list() where report.id.podUID == id.podUID && report.id.name == id.name {
                guard report.id.attempt < id.attempt - 1 else { continue }
                switch report.phase {
                case .exited, .unknown: try await runtime.removeContainer(report.id)
                case .created, .running: continue
                }
            }
        } catch {
            logger.warning("an old run was not removed", metadata: ["container": "\(id)", "error": "\(error)"])
        }
    }

    private static func container(_ name: String, of pod: Pod) -> Container? {
        pod.spec.containers.first { $0.name == name } ?? pod.spec.initContainers.first { $0.name == name }
            ?? pod.spec.ephemeralContainers.first { $0.name == name }
    }

    // MARK: Hooks and probes

    private func runHook(_ hook: LifecycleHook, _ run: ContainerRun, _ seconds: Int, _ pod: Pod) async -> PodInput {
        guard let target = await target(run, pod) else { return .hookFinished(run, hook, failure: nil) }
        return .hookFinished(run, hook, failure: await prober.run(hook, target, timeoutSeconds: seconds))
    }

    private func probe(_ kind: ProbeKind, _ run: ContainerRun, _ pod: Pod) async -> PodInput {
        guard let target = await target(run, pod) else { return .probed(run, kind, .error("no container \(run.name)")) }
        return .probed(run, kind, await prober.probe(kind, target))
    }

    private func target(_ run: ContainerRun, _ pod: Pod) async -> Prober.Target? {
        guard let container = Self.container(run.name, of: pod) else { return nil }
        let own = NetworkWish.isHost(pod) ? config.nodeIP : try? await runtime.podAddress(podUID: pod.metadata.uid ?? "")
        return Prober.Target(pod: pod, container: container, run: run, address: own)
    }

    // MARK: Ends

    private func create(
        _ container: Container, image: String, _ run: ContainerRun, _ pod: Pod, _ devices: [String]
    ) async throws -> ContainerID {
        let sources = try await volumes.environmentSources(for: container, of: pod)
        let environment = EnvironmentBuilder(
            pod: pod, podIP: try await podIP(pod), hostIP: config.nodeIP, allocatable: builder.allocatable,
            configMaps: sources.configMaps, secrets: sources.secrets)
        let variables = try environment.build(for: container)
        var mounts = try await volumes.mounts(container, of: pod, environment: variables)
        mounts.append(messages.mount(container, run, of: pod))
        var wanted = builder.container(
            container, attempt: run.attempt, of: pod, mounts: mounts, environment: variables, devices: devices)
        // By its id: what its name means may change between the look and the start.
        wanted.image = image
        let (messages, logPath) = (messages, wanted.logPath)
        try await DiskFiles.perform {
            try ContainerLogs.prepare(logPath, attempt: run.attempt)
            try messages.prepare(run, of: pod)
        }
        let id = try await runtime.createContainer(podUID: pod.metadata.uid ?? "", config: wanted)
        reporter.event(
            pod: pod, container: run.name, warning: false, reason: "Created", message: "Created container \(run.name)")
        return id
    }

    /// What the pod may bind to: a pod without a network has itself.
    private func podIP(_ pod: Pod) async throws -> String {
        if NetworkWish.isHost(pod) { return config.nodeIP }
        return try await runtime.podAddress(podUID: pod.metadata.uid ?? "") ?? "127.0.0.1"
    }

    private func stop(_ run: ContainerRun, _ graceSeconds: Int, _ pod: Pod) async -> PodInput {
        let id = ContainerID(podUID: pod.metadata.uid ?? "", name: run.name, attempt: run.attempt)
        do {
            try await runtime.stopContainer(id, graceSeconds: graceSeconds)
            if let outcome = try await outcome(of: id, run, pod), case .containerExited = outcome { return outcome }
            return .stopFailed(run, message: "container \(id) still runs after it was stopped")
        } catch RuntimeError.notFound(let what) {
            return .containerExited(run, Self.lost(what, clock.now()))
        } catch {
            return .stopFailed(run, message: "\(error)")
        }
    }

    /// How the container stands now; nil when the runtime knows nothing of note.
    func outcome(of id: ContainerID, _ run: ContainerRun, _ pod: Pod) async throws -> PodInput? {
        guard let report = try await runtime.status(id) else {
            return .containerExited(run, Self.lost("no record of container \(id)", clock.now()))
        }
        switch report.phase {
        case .created: return nil
        case .running(_, let startedAt): return .containerStarted(run, at: startedAt)
        case .exited(let exit): return .containerExited(run, await withMessage(ContainerTermination(exit), run, pod))
        case .unknown(let reason): return .containerExited(run, Self.lost(reason, clock.now()))
        }
    }

    /// With what the container left as its last word, unless the runtime has something to say itself.
    private func withMessage(_ termination: ContainerTermination, _ run: ContainerRun, _ pod: Pod) async -> ContainerTermination {
        guard termination.message == nil else { return termination }
        var termination = termination
        termination.message = await messages.read(run, exitCode: termination.exitCode, of: pod)
        return termination
    }

    /// The same for containers whose end nobody saw.
    func withMessages(_ found: [ContainerRun: AdoptedPhase], _ pod: Pod) async -> [ContainerRun: AdoptedPhase] {
        var found = found
        for (run, phase) in found {
            if case .exited(let termination) = phase { found[run] = .exited(await withMessage(termination, run, pod)) }
        }
        return found
    }

    private func removeSandbox(_ pod: Pod) async -> PodInput {
        let uid = pod.metadata.uid ?? ""
        do {
            try await runtime.stopPodSandbox(podUID: uid)
            try await runtime.removePodSandbox(podUID: uid)
            return .sandboxRemoved
        } catch RuntimeError.notFound {
            return .sandboxRemoved
        } catch {
            return .sandboxRemovalFailed(message: "\(error)")
        }
    }

    private func cleanVolumes(_ pod: Pod) async -> PodInput {
        do throws(StepFailure) {
            try await volumes.clean(pod)
            return .volumesCleaned
        } catch {
            return .volumesCleanFailed(message: error.message)
        }
    }

    /// Logs and record go with the API object. What cannot be removed now is found by the next adoption.
    func forget(_ pod: Pod) async {
        do {
            try await records.leaveLogs(of: pod, config.logs)
            try await records.remove(uid: pod.metadata.uid ?? "")
        } catch {
            logger.warning("left behind", metadata: ["pod": "\(pod.namespacedName)", "error": "\(error)"])
        }
    }

    // MARK: Translation

    private static func lost(_ why: String, _ now: UnixNanoseconds) -> ContainerTermination {
        ContainerTermination(exitCode: 137, reason: "ContainerStatusUnknown", message: why, finishedAt: now)
    }

    private static func failure(_ reason: String, _ error: any Error) -> StepFailure {
        switch error {
        case let failure as StepFailure:
            return failure
        case let error as EnvironmentError:
            return error.isMissing ? .configuration(error.reason) : .configuration("\(error)", retriable: false)
        case RuntimeError.imageNotPresent:
            // Removed between the look and the start: the next try brings it again.
            return StepFailure(reason: "ErrImagePull", message: "\(error)", retriable: true)
        case RuntimeError.invalid, RuntimeError.unenforceable, RuntimeError.notFound:
            return StepFailure(reason: reason, message: "\(error)", retriable: false)
        default:
            return StepFailure(reason: reason, message: "\(error)", retriable: true)
        }
    }
}

extension ContainerTermination {
    init(_ exit: ContainerExit) {
        self.init(
            exitCode: exit.exitCode, signal: exit.signal, reason: exit.oomKilled ? "OOMKilled" : exit.reason,
            message: exit.message,
            startedAt: exit.startedAt, finishedAt: exit.finishedAt, cpuNanoseconds: exit.usage.cpuNanoseconds,
            peakMemoryBytes: exit.usage.peakMemoryBytes)
    }
}

extension AdoptedPhase {
    init(_ phase: ContainerPhase) {
        switch phase {
        case .created: self = .created
        case .running(_, let startedAt): self = .running(startedAt: startedAt)
        case .exited(let exit): self = .exited(ContainerTermination(exit))
        case .unknown(let reason): self = .unknown(reason)
        }
    }
}
