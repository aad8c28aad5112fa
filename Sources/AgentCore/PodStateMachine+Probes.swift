// Hooks and probes: when they are due, and what their answers change.
import KubernetesModel

extension PodStateMachine {
    /// A postStart hook has no time limit in Kubernetes; here nothing waits for ever.
    static let longestPostStartSeconds = 3600

    /// The process is there: its postStart hook comes before anything else.
    mutating func began(_ index: Int, at startedAt: UnixNanoseconds, _ effects: inout [PodEffect]) {
        containers[index].phase = .running(startedAt: startedAt)
        containers[index].startFailures = 0
        containers[index].postStart = nil
        guard case .sync = state, spec(of: containers[index].name)?.handler(.postStart) != nil else { return settleStart(index) }
        containers[index].postStart = .running
        effects.append(.runHook(containers[index].run, .postStart, timeoutSeconds: Self.longestPostStartSeconds))
    }

    /// Without probes, what runs has started and is ready.
    mutating func settleStart(_ index: Int) {
        let container = spec(of: containers[index].name)
        containers[index].isStarted = container?.startupProbe == nil
        containers[index].isReady = containers[index].isStarted && container?.readinessProbe == nil
        if containers[index].isSidecar, containers[index].isStarted { containers[index].hasPassed = true }
    }

    // MARK: Hooks

    mutating func hookFinished(
        _ run: ContainerRun, _ hook: LifecycleHook, _ failure: String?, _ now: UnixNanoseconds, _ effects: inout [PodEffect]
    ) {
        guard let index = index(of: run) else { return }
        switch hook {
        case .postStart:
            guard containers[index].postStart == .running, containers[index].startedAt != nil else { return }
            containers[index].postStart = .done
            guard let failure else { return settleStart(index) }
            effects.append(.event(.warning, reason: "FailedPostStartHook", message: failure, container: run.name))
            let message = "Container \(run.name) failed its postStart hook"
            containers[index].mustStop = ContainerStop(graceSeconds: ownGrace, message: message, restarts: false)
        case .preStop:
            guard containers[index].preStop == .running else { return }
            containers[index].preStop = .done
            if let failure {
                effects.append(.event(.warning, reason: "FailedPreStopHook", message: failure, container: run.name))
            }
        }
    }

    // MARK: Probes

    /// Orders what is due. A probe that is no longer wanted is forgotten with its counters.
    mutating func advanceProbes(_ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        for index in containers.indices {
            let slot = containers[index]
            guard let startedAt = slot.startedAt, let container = spec(of: slot.name) else { continue }
            for kind in ProbeKind.allCases {
                guard let probe = container.probe(kind) else { continue }
                guard isWanted(kind, slot) else {
                    containers[index].probes[kind] = nil
                    continue
                }
                let first = startedAt.adding(seconds: probe.initialDelay)
                var counters = slot.probes[kind] ?? ProbeState(nextAt: first)
                if !counters.isInFlight, now >= counters.nextAt {
                    counters.isInFlight = true
                    counters.nextAt = now.adding(seconds: probe.period)
                    effects.append(.probe(slot.run, kind))
                }
                containers[index].probes[kind] = counters
            }
        }
    }

    /// Readiness is looked at to the end; the others only while the container is meant to go on.
    private func isWanted(_ kind: ProbeKind, _ slot: ContainerSlot) -> Bool {
        guard slot.kind == .main || slot.kind == .sidecar, slot.startedAt != nil, slot.postStart != .running else { return false }
        let goesOn: Bool
        if case .running = slot.phase, case .sync = state { goesOn = slot.mustStop == nil } else { goesOn = false }
        switch kind {
        case .startup: return goesOn && !slot.isStarted
        case .liveness: return goesOn && slot.isStarted
        case .readiness: return slot.isStarted
        }
    }

    mutating func probed(
        _ run: ContainerRun, _ kind: ProbeKind, _ outcome: ProbeOutcome, _ now: UnixNanoseconds, _ effects: inout [PodEffect]
    ) {
        guard let index = index(of: run), let probe = spec(of: run.name)?.probe(kind), isWanted(kind, containers[index]),
            var counters = containers[index].probes[kind], counters.isInFlight
        else { return }
        counters.isInFlight = false
        switch outcome {
        case .error(let text):
            effects.append(unhealthy(run, "\(kind.title) probe errored: \(text)"))
        case .success(let warning):
            if let warning {
                let message = "\(kind.title) probe warning: \(warning)"
                effects.append(.event(.warning, reason: "ProbeWarning", message: message, container: run.name))
            }
            counters.failures = 0
            counters.successes = min(counters.successes + 1, probe.successes(kind))
        case .failure(let text):
            effects.append(unhealthy(run, "\(kind.title) probe failed: \(text)"))
            counters.successes = 0
            counters.failures = min(counters.failures + 1, probe.failures)
        }
        containers[index].probes[kind] = counters
        if counters.successes >= probe.successes(kind) { passed(index, kind) }
        if counters.failures >= probe.failures { failed(index, kind, probe) }
    }

    private func unhealthy(_ run: ContainerRun, _ message: String) -> PodEffect {
        .event(.warning, reason: "Unhealthy", message: message, container: run.name)
    }

    private mutating func passed(_ index: Int, _ kind: ProbeKind) {
        switch kind {
        case .startup:
            containers[index].isStarted = true
            containers[index].isReady = spec(of: containers[index].name)?.readinessProbe == nil
            if containers[index].isSidecar { containers[index].hasPassed = true }
        case .readiness:
            containers[index].isReady = true
        case .liveness:
            break
        }
    }

    private mutating func failed(_ index: Int, _ kind: ProbeKind, _ probe: Probe) {
        guard kind != .readiness else {
            containers[index].isReady = false
            return
        }
        let slot = containers[index]
        let again = RestartDecision.restarts(restartPolicy, slot.kind, failed: true, forced: true)
        let message = "Container \(slot.name) failed \(kind.rawValue) probe" + (again ? ", will be restarted" : "")
        let own = probe.terminationGracePeriodSeconds.map { Int(clamping: max(0, $0)) }
        containers[index].mustStop = ContainerStop(graceSeconds: own ?? ownGrace, message: message, restarts: true)
    }
}
