// How containers are ended: preStop hook, turn, stop signal (SIGTERM as a rule), SIGKILL, all within one grace.
import KubernetesModel

extension PodStateMachine {
    /// The stop signal first, even for a grace of 0 in other causes than deletion: kubelet's minimum.
    static let minimumGraceSeconds = 2
    static let defaultGraceSeconds: Int64 = 30

    /// Of a pod that ends.
    var stopGrace: Int {
        // Removed by force: whoever did it counts on the pod being over.
        if objectGone { return min(deletionGrace ?? .max, Self.minimumGraceSeconds) }
        if let deletionGrace { return min(deletionGrace, evictionGrace ?? .max) }
        return min(ownGrace, evictionGrace ?? .max)
    }

    var ownGrace: Int {
        let own = pod.spec.terminationGracePeriodSeconds ?? Self.defaultGraceSeconds
        return max(Self.minimumGraceSeconds, Int(clamping: own))
    }

    /// Every container of a pod that ends: all hooks begin at once, sidecars then wait for their turn.
    mutating func beginStops(_ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        let grace = stopGrace
        for index in containers.indices {
            switch containers[index].phase {
            case .running where now >= containers[index].retryAt:
                beginStop(index, grace, "Stopping container \(containers[index].name)", now, &effects)
            case .stopping(let startedAt, let given) where given > grace:
                containers[index].phase = .stopping(startedAt: startedAt, graceSeconds: grace)
                let shorter = now.adding(seconds: Int64(grace))
                containers[index].stopDeadline = min(containers[index].stopDeadline ?? shorter, shorter)
                containers[index].stopOrdered = false
            case .waiting, .starting, .running, .stopping, .exited, .backingOff:
                continue
            }
        }
    }

    private mutating func beginStop(
        _ index: Int, _ grace: Int, _ message: String, _ now: UnixNanoseconds, _ effects: inout [PodEffect]
    ) {
        guard case .running(let startedAt) = containers[index].phase else { return }
        // Told once, however often the runtime has to be asked.
        if containers[index].stopDeadline == nil {
            effects.append(.event(.normal, reason: "Killing", message: message, container: containers[index].name))
        }
        containers[index].phase = .stopping(startedAt: startedAt, graceSeconds: grace)
        // A stop that is asked for again, by the next agent too, does not begin a new grace.
        let end = now.adding(seconds: Int64(grace))
        let deadline = min(containers[index].stopDeadline ?? end, end)
        containers[index].stopDeadline = deadline
        containers[index].stopOrdered = false
        let slot = containers[index]
        guard now < deadline, slot.preStop == nil, spec(of: slot.name)?.handler(.preStop) != nil else { return }
        containers[index].preStop = .running
        effects.append(.runHook(slot.run, .preStop, timeoutSeconds: Self.seconds(until: deadline, now)))
    }

    /// Whole seconds, rounded up.
    private static func seconds(until time: UnixNanoseconds, _ now: UnixNanoseconds) -> Int {
        time > now ? Int(clamping: (time - now - 1) / .nanosecondsPerSecond + 1) : 0
    }

    /// Begins the stops that probes and hooks asked for, and tells the runtime of those whose hook and turn are over.
    mutating func advanceStops(_ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        for index in containers.indices {
            if case .running = containers[index].phase, let stop = containers[index].mustStop, now >= containers[index].retryAt {
                beginStop(index, stop.graceSeconds, stop.message, now, &effects)
            }
            guard case .stopping(_, let grace) = containers[index].phase, !containers[index].stopOrdered else { continue }
            let deadline = containers[index].stopDeadline ?? now
            if now < deadline, containers[index].preStop == .running || !isItsTurn(index) { continue }
            containers[index].preStop = containers[index].preStop.map { _ in .done }
            containers[index].stopOrdered = true
            // Whatever hook and turn took, a moment for the stop signal is left, unless none was granted.
            let rest = max(Self.seconds(until: deadline, now), min(grace, Self.minimumGraceSeconds))
            effects.append(.stop(containers[index].run, graceSeconds: rest))
        }
    }

    /// A sidecar of a pod that ends outlives the main containers and the sidecars that came after it: I-POD-10.
    private func isItsTurn(_ index: Int) -> Bool {
        guard case .terminating = state, containers[index].isSidecar else { return true }
        return !containers.indices.contains { other in
            guard other != index, containers[other].mayRun else { return false }
            return !containers[other].isSidecar || other > index
        }
    }
}
