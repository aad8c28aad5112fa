// Removes what jobs left on this node once nobody here has asked for it long enough (swiftlet.node.keepJobDataDays). A
// directory's time is set while a pod has it as a volume, so that its age is counted from the last of them, whatever the job
// wrote and when.
import AgentCore
import KubernetesModel
import Logging

struct JobDataKeeper: Sendable {
    /// Ages are counted in days.
    static let periodNanoseconds: Int64 = 3600 * .nanosecondsPerSecond

    let pods: LocalPods
    let paths: AgentPaths
    let keptSeconds: Int64
    let clock: any AgentClock
    let logger: Logger

    private struct Claim: Hashable, Sendable {
        var namespace: String
        var name: String
    }

    /// Works until cancelled. Not at once: the first hour is for pods to be heard of.
    func run() async {
        while (try? await clock.sleep(nanoseconds: Self.periodNanoseconds)) != nil { await pass() }
    }

    /// One look, and what follows from it.
    func pass() async {
        let claimed = Set(await pods.machines().flatMap { Self.claims(of: $0.pod) })
        let (root, now) = (paths.claims, clock.now())
        let facts = await DiskFiles.perform { Self.look(root, claimed, now) }
        for fact in JobDataRetention.removable(facts, keptSeconds: keptSeconds, now: now) {
            let path = paths.claim(fact.namespace, fact.claim)
            do {
                try await DiskFiles.perform { try DiskFiles.removeTree(path) }
                logger.notice("data of a job removed: nobody asked for it for long", metadata: ["path": "\(path)"])
            } catch {
                logger.warning("data of a job not removed", metadata: ["path": "\(path)", "error": "\(error)"])
            }
        }
    }

    private static func claims(of pod: Pod) -> [Claim] {
        pod.spec.volumes.compactMap { volume in
            volume.persistentVolumeClaim.map { Claim(namespace: pod.metadata.namespace ?? "", name: $0.claimName) }
        }
    }

    /// Blocks.
    private static func look(_ root: String, _ claimed: Set<Claim>, _ now: UnixNanoseconds) -> [JobDataFact] {
        DiskFiles.names(in: root).flatMap { namespace in
            DiskFiles.names(in: "\(root)/\(namespace)").filter { $0.hasPrefix(JobDataRetention.prefix) }.map { name in
                let path = "\(root)/\(namespace)/\(name)"
                let isClaimed = claimed.contains(Claim(namespace: namespace, name: name))
                if isClaimed { DiskFiles.touch(path) }
                return JobDataFact(
                    namespace: namespace, claim: name, isClaimed: isClaimed,
                    lastUsed: isClaimed ? now : DiskFiles.modified(path))
            }
        }
    }
}
