// The whole restart story: what becomes of pods that a former life of the agent knew, from its records, the runtime's
// records and (later, when it answers) the API server's list.
//
//     record   runtime     API pod     then
//     yes      anything    -           the machine goes on where it was, with the runtime's facts (PodStateMachine+Adoption)
//     yes      anything    missing     the object was deleted meanwhile: kill and clean
//     no       containers  present     record lost or damaged: the machine is rebuilt around the running containers
//     no       nothing     present     never started -> like a new pod; started -> Failed, ContainerStatusUnknown
//     no       containers  missing     an orphan: kill and clean
//     no       directory   missing     leftovers of a pod: remove
import AgentCore
import KubernetesModel
import RuntimeInterface

struct Adoption: Sendable {
    /// What the runtime found, by pod.
    private(set) var found: [String: [ContainerRun: AdoptedPhase]] = [:]

    init(_ reports: [ContainerStatusReport] = []) {
        for report in reports {
            let run = ContainerRun(name: report.id.name, attempt: report.id.attempt)
            found[report.id.podUID, default: [:]][run] = AdoptedPhase(report.phase)
        }
    }

    /// The runtime's facts about a pod that has a record; afterwards nobody else may claim them.
    mutating func claim(_ uid: String) -> [ContainerRun: AdoptedPhase] { found.removeValue(forKey: uid) ?? [:] }

    /// What to do with an API pod that has no record here.
    enum Newcomer: Sendable, Hashable {
        case admit
        /// `remains`: containers of it are still here, although the API server says that it is over.
        case alreadyFinished(remains: Bool)
        case rebuild([ContainerRun: AdoptedPhase])
        case lost
    }

    mutating func classify(_ pod: Pod) -> Newcomer {
        let runs = claim(pod.metadata.uid ?? "")
        if pod.status.phase?.isFinished == true { return .alreadyFinished(remains: !runs.isEmpty) }
        if !runs.isEmpty { return .rebuild(runs) }
        return Self.everStarted(pod.status) ? .lost : .admit
    }

    /// Whether the last status says that a container of the pod was started by anybody.
    static func everStarted(_ status: PodStatus) -> Bool {
        status.phase == .running
            || (status.initContainerStatuses + status.containerStatuses).contains { container in
                container.restartCount > 0 || container.state.running != nil || container.state.terminated != nil
                    || container.lastState.terminated != nil
            }
    }

    /// Pods of which the runtime has containers and nobody else knows.
    mutating func orphans() -> [String] {
        defer { found = [:] }
        return found.keys.sorted()
    }
}
