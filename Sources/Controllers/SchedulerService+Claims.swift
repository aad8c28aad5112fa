// What claims mean for the scheduler: which pods a change concerns, where they may go, and whether they may all go where they were placed.
import KubernetesClient
import KubernetesModel
import KusciaModel
import Scheduling

extension SchedulerService {
    private static let unseenClaimPause = Duration.milliseconds(100)

    // MARK: Changes

    /// Where one of them went, the others of its claims go, as long as the claim itself does not say so.
    func noteOthers(of pod: PodView) {
        for claim in ClaimStanding.claims(of: pod, informers) where LocalVolume.isWanted(claim) { noteConsumers(of: claim.key) }
    }

    /// Most claims are names without an object, and thousands of pods may have one in common: these keep nobody from anywhere.
    func noteConsumers(of claim: ObjectKey) {
        guard claim.name != LocalStorage.dataClaim else { return }
        let pods = informers.consumers(of: claim).filter { $0.nodeName == nil }
        if pods.isEmpty { return }
        note { changes in for pod in pods { changes.pods.insert(PodKey(namespace: pod.namespace, name: pod.name)) } }
    }

    // MARK: Before a pass

    /// nil while the pod waits for a claim of its own.
    func describe(_ pod: PodView, _ pass: SchedulingPass) -> PodDescription? {
        var description = PodDescription(pod)
        if pod.claims.isEmpty || pod.nodeName != nil { return description }
        switch ClaimStanding(pod, informers) {
        case .free(let terms, let unbound):
            description.volumeTerms = terms
            description.unboundClaims = unbound
        case .waits(let reason):
            pass.want(PlacementObstacle(reason), for: description.key, uid: pod.uid, at: clock.now)
            return nil
        }
        return description
    }

    // MARK: Behind the core's decisions

    /// Whether all of them may go where they were placed, as far as their claims are concerned; else they are placed again. Looks at what is
    /// known now: the core was told before. `absent`: claims of which the server knew nothing in this pass.
    func settle(_ placements: [PodPlacement], _ pass: SchedulingPass, _ absent: inout Set<ObjectKey>) async -> Bool {
        var fits = true
        for placement in placements {
            guard let pod = informers.pods.get(namespace: placement.pod.namespace, name: placement.pod.name), !pod.claims.isEmpty
            else { continue }
            if await hasUnseenClaim(pod, &absent) {
                putOff(placements, pass)
                return false
            }
            if ClaimStanding.claims(of: pod, informers).isEmpty { continue }
            let standing = ClaimStanding(pod, informers)
            let told = pass.state.withLock { $0.unboundClaims(of: placement.pod) } ?? []
            let node = informers.nodes.get(name: placement.node)
            fits = fits && node.map { standing.permits($0, knowing: told) } ?? false
        }
        if fits { return true }
        giveBack(placements, pass)
        queue.add(0)
        return false
    }

    /// A claim that was made with its pod may come here behind it. The names that need no object are not asked for.
    private func hasUnseenClaim(_ pod: PodView, _ absent: inout Set<ObjectKey>) async -> Bool {
        for name in pod.claims where name != LocalStorage.dataClaim && !name.hasPrefix(LocalStorage.jobClaimPrefix) {
            let key = ObjectKey(namespace: pod.namespace, name: name)
            if absent.contains(key) || informers.claims.get(namespace: pod.namespace, name: name) != nil { continue }
            do {
                let found = try await api.find(PersistentVolumeClaim.self, namespace: pod.namespace, name: name)
                if found != nil { return true }
                absent.insert(key)
            } catch {
                logger.debug("claim not asked for; trying again", metadata: ["claim": "\(key)", "error": "\(error)"])
                return true
            }
        }
        return false
    }

    /// Out of the core, or it would place them again at once.
    private func putOff(_ placements: [PodPlacement], _ pass: SchedulingPass) {
        pass.state.withLock { state in
            state.bindingFailed(placements)
            for placement in placements { state.removePod(placement.pod) }
        }
        let due = clock.now + Self.unseenClaimPause
        changes.withLock { $0.later += placements.map { ($0.pod, due) } }
        queue.add(0, after: Self.unseenClaimPause)
    }
}
