// What the machine tells others: the status when it changed, and the time at which it wants to be woken.
import KubernetesModel

extension PodStateMachine {
    /// Sends the status when it changed. The final one goes out as soon as no container can change any more, before the
    /// clean-up: whoever waits for the pod should not wait for a directory to be deleted.
    mutating func report(_ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        guard startTime != nil, !objectGone, !finalStatusSent, !finalStatusDelivered else { return }
        let final = isFinal
        let status = PodStatusBuilder(machine: self).build(now)
        guard status != lastStatus || final || mustReport else { return }
        mustReport = false
        lastStatus = status
        finalStatusSent = final
        effects.append(.patchStatus(status, annotations: final ? usageAnnotation : [:], final: final))
    }

    var isFinal: Bool {
        switch state {
        case .sync, .terminating(.stopping, _): false
        case .terminating(.removingSandbox, _), .terminating(.cleaningVolumes, _), .terminated: true
        }
    }

    mutating func schedule(_ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        let next = nextTime(now)
        if let next, next != timer.time { effects.append(.setTimer(next)) }
        timer.time = next
    }

    private func nextTime(_ now: UnixNanoseconds) -> UnixNanoseconds? {
        var next = UnixNanoseconds.max
        func consider(_ time: UnixNanoseconds?) { if let time, time > now { next = min(next, time) } }
        if case .sync = state { consider(deadline) }
        switch state {
        case .sync, .terminating: for slot in containers { for time in times(of: slot) { consider(time) } }
        case .terminated: break
        }
        if operation == nil { consider(retryAt) }
        return next == .max ? nil : next
    }

    private func times(of slot: ContainerSlot) -> [UnixNanoseconds] {
        switch slot.phase {
        case .waiting: [slot.retryAt] + (slot.imageProgress.backOffShownAt.map { [$0] } ?? [])
        case .backingOff(_, let until): [until]
        case .running: [slot.retryAt] + probeTimes(of: slot)
        case .stopping: (slot.stopOrdered ? [] : slot.stopDeadline.map { [$0] } ?? []) + probeTimes(of: slot)
        case .starting, .exited: []
        }
    }

    private func probeTimes(of slot: ContainerSlot) -> [UnixNanoseconds] {
        ProbeKind.allCases.compactMap { kind in
            guard let counters = slot.probes[kind], !counters.isInFlight else { return nil }
            return counters.nextAt
        }
    }
}
