// What the scheduler's shell remembers from pass to pass: the core's state, and what was said about which pod when.
import Scheduling
import Synchronization

final class SchedulingPass: Sendable {
    struct Report: Sendable {
        var pod: PodKey
        var uid: String
        var obstacle: PlacementObstacle
    }

    private struct Entry {
        var uid: String
        var wanted: PlacementObstacle
        var since: ContinuousClock.Instant
        var written: PlacementObstacle?
        var writtenAt: ContinuousClock.Instant?
    }

    let state = Mutex(SchedulerState())
    /// Preemptions that are not carried out wholly yet.
    private let preemptions = Mutex<[Preemption]>([])
    /// One entry for each pod that waits.
    private let entries = Mutex<[PodKey: Entry]>([:])

    func want(_ obstacle: PlacementObstacle, for pod: PodKey, uid: String, at now: ContinuousClock.Instant) {
        entries.withLock { entries in
            if entries[pod]?.uid == uid {
                entries[pod]?.wanted = obstacle
            } else {
                entries[pod] = Entry(uid: uid, wanted: obstacle, since: now)
            }
        }
    }

    func preempt(_ preemption: Preemption) { preemptions.withLock { $0.append(preemption) } }

    func takePreemptions() -> [Preemption] {
        preemptions.withLock { preemptions in
            defer { preemptions = [] }
            return preemptions
        }
    }

    /// The pod was placed or is gone.
    func forget(_ pod: PodKey) { entries.withLock { $0[pod] = nil } }

    /// Reports to write now, and when the next one is due: not before the pod has waited for `delay`, and not within
    /// `interval` of the last one.
    func dueReports(
        at now: ContinuousClock.Instant, delay: Duration, interval: Duration
    ) -> (due: [Report], next: ContinuousClock.Instant?) {
        entries.withLock { entries in
            var due: [Report] = []
            var next: ContinuousClock.Instant?
            for (pod, entry) in entries where entry.wanted != entry.written {
                let time = entry.writtenAt.map { $0 + interval } ?? entry.since + delay
                if time <= now {
                    due.append(Report(pod: pod, uid: entry.uid, obstacle: entry.wanted))
                } else {
                    next = min(next ?? time, time)
                }
            }
            return (due.sorted { $0.pod < $1.pod }, next)
        }
    }

    func reported(_ report: Report, at now: ContinuousClock.Instant) {
        entries.withLock { entries in
            guard entries[report.pod]?.uid == report.uid else { return }
            entries[report.pod]?.written = report.obstacle
            entries[report.pod]?.writtenAt = now
        }
    }
}
