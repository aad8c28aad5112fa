// What the machine makes of the facts after the agent was restarted: its record says what was meant, the runtime what is.
import KubernetesModel

extension PodStateMachine {
    /// A step that was under way in the agent's former life is ordered again (all are idempotent). Each container:
    ///
    ///     record      runtime says   then
    ///     starting    nothing        it never ran: start it
    ///     starting    created        same run, start it
    ///     any alive   running        go on
    ///     any alive   exited         its true end
    ///     running     nothing        ContainerStatusUnknown
    ///     any alive   unknown        ContainerStatusUnknown (e.g. rebooted)
    ///
    /// Once the final status is out, nothing is taken up any more: the sandbox' removal ends whatever it holds.
    mutating func adopt(_ found: [ContainerRun: AdoptedPhase], _ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        operation = nil
        timer.time = nil
        retryAt = 0
        begin(now)
        if !finalStatusDelivered {
            // The patch may have been lost with the old process; the same status again does no harm.
            mustReport = true
            finalStatusSent = false
        }
        for index in containers.indices {
            containers[index].imageProgress.isMissing = false
            containers[index].imageProgress.isStale = false
        }
        if !isFinal {
            for index in containers.indices where containers[index].mayRun || found[containers[index].run] != nil {
                adoptContainer(index, found[containers[index].run], now, &effects)
            }
        }
        if case .sync(.running) = state { sandboxReady = true }
        // Whoever started a main container had seen the init order through.
        if mainSlots.contains(where: \.wasStarted) {
            for index in containers.indices where containers[index].isInit { containers[index].hasPassed = true }
        }
    }

    /// Its process goes on; hooks whose answer was lost are run again (Kubernetes promises "at least once"), probes begin anew.
    private mutating func resume(_ index: Int, _ startedAt: UnixNanoseconds, _ now: UnixNanoseconds, _ effects: inout [PodEffect])
    {
        let before = containers[index].phase
        containers[index].phase = .running(startedAt: startedAt)
        containers[index].stopOrdered = false
        if containers[index].preStop == .running { containers[index].preStop = nil }
        containers[index].probes = firstProbes(index, now)
        switch before {
        case .waiting where sawRunning(index): settleStart(index)
        case .waiting, .starting, .exited, .backingOff: began(index, at: startedAt, &effects)
        case .running, .stopping:
            if containers[index].postStart == .running {
                began(index, at: startedAt, &effects)
            } else if !containers[index].isStarted {
                settleStart(index)
            }
        }
    }

    /// The API server was told that this run is running, so its postStart hook is done.
    private func sawRunning(_ index: Int) -> Bool {
        let known = (pod.status.initContainerStatuses + pod.status.containerStatuses).first { $0.name == containers[index].name }
        return known?.state.running != nil && known?.restartCount == containers[index].attempt
    }

    /// Spread over their period by the pod's uid: an agent that comes back has the probes of all its pods to do.
    private func firstProbes(_ index: Int, _ now: UnixNanoseconds) -> ProbeStates {
        var probes = ProbeStates()
        guard let container = spec(of: containers[index].name), let startedAt = containers[index].startedAt else { return probes }
        // FNV-1a
        let hash = (pod.metadata.uid ?? "").utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        for kind in ProbeKind.allCases {
            guard let probe = container.probe(kind) else { continue }
            let pause = Int64(hash % 1000) * probe.period * (.nanosecondsPerSecond / 1000)
            probes[kind] = ProbeState(nextAt: max(startedAt.adding(seconds: probe.initialDelay), now + pause))
        }
        return probes
    }

    private mutating func adoptContainer(
        _ index: Int, _ phase: AdoptedPhase?, _ now: UnixNanoseconds, _ effects: inout [PodEffect]
    ) {
        let run = containers[index].run
        switch (containers[index].phase, phase) {
        case (.exited, _), (.backingOff, _):
            return
        case (_, .running(let startedAt)):
            resume(index, startedAt, now, &effects)
            passSetup()
        case (_, .exited(let termination)):
            passSetup()
            forceAlive(index, since: termination.startedAt ?? now)
            apply(.containerExited(run, termination), now, &effects)
        case (_, .unknown(let message)):
            passSetup()
            loseContainer(index, message, now, &effects)
        case (.starting, .created), (.starting, nil), (.waiting, .created), (.waiting, nil):
            containers[index].phase = .waiting
        case (.running, .created), (.running, nil), (.stopping, .created), (.stopping, nil):
            let message = "The agent was restarted and the runtime has no record of the container"
            loseContainer(index, message, now, &effects)
        }
    }

    private mutating func loseContainer(_ index: Int, _ message: String, _ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        let run = containers[index].run
        let startedAt = containers[index].startedAt
        forceAlive(index, since: startedAt ?? now)
        apply(.containerExited(run, .unknown(startedAt: startedAt, now: now, message)), now, &effects)
    }

    private mutating func forceAlive(_ index: Int, since startedAt: UnixNanoseconds) {
        if !containers[index].mayRun { containers[index].phase = .running(startedAt: startedAt) }
    }

    /// A container that ran proves that volumes and sandbox were made.
    private mutating func passSetup() {
        if case .sync = state { state = .sync(.running) }
        sandboxReady = true
    }

    /// A pod whose record was lost: it takes the restart counts from its last status, so that a running attempt is found.
    public mutating func recover(from found: [ContainerRun]) {
        for index in containers.indices {
            let attempts = found.filter { $0.name == containers[index].name }.map(\.attempt)
            if let newest = attempts.max() { containers[index].attempt = newest }
        }
    }

    /// The API server says that the pod ran, but this node knows nothing of it: it must not run twice (I-POD-2).
    mutating func declareLost(_ now: UnixNanoseconds) {
        let message = "The node lost its record of the pod; whether its containers ended is not known"
        for index in containers.indices {
            let status = pod.status
            let known = (status.initContainerStatuses + status.containerStatuses + status.ephemeralContainerStatuses).first {
                $0.name == containers[index].name
            }
            containers[index].attempt = known?.restartCount ?? 0
            containers[index].phase = .exited(.unknown(startedAt: nil, now: now, message))
        }
        begin(now)
        state = .terminating(.removingSandbox, .failed(reason: "ContainerStatusUnknown", message: message))
    }
}
