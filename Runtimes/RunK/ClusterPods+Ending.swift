// How a copy ends and what is cleaned up behind it, in an order that a death in between does not hurt: deleted, then its objects,
// then the finalizer, then the pod that it was a copy of.
import JSON
import KubernetesClient
import KubernetesModel

extension ClusterPods {
    /// Asks the cluster to end the copy; it stays until it is released. A shorter grace than before overtakes.
    func end(_ uid: String, graceSeconds: Int64) async throws {
        guard let copy = copy(of: uid) else { return }
        do {
            try await target.deleteIfPresent(
                Pod.self, namespace: configuration.namespace, name: copy.pod.metadata.name,
                options: DeleteOptions(gracePeriodSeconds: Int(clamping: graceSeconds), uid: copy.uid))
        } catch let error as KubernetesAPIError where error.isConflict {
            // Another pod has the name: ours is gone.
            mirrors[uid]?.created = nil
        }
        if mirrors[uid]?.created != nil {
            // The watch has not shown it yet: ask how it is now.
            mirrors[uid]?.created = try await target.find(
                Pod.self, namespace: configuration.namespace, name: copy.pod.metadata.name)
        }
    }

    func release(_ uid: String) async throws {
        guard let copy = copy(of: uid) else { return }
        let name = copy.pod.metadata.name
        if copy.deletionGrace == nil { try await end(uid, graceSeconds: 0) }
        try await removeAnchor(named: ClusterNames.anchor(of: name))
        mirrors[uid]?.anchor = nil
        // Fresh, so that nobody else's finalizer is taken off with ours.
        guard let pod = try await target.find(Pod.self, namespace: configuration.namespace, name: name),
            pod.metadata.uid == copy.uid,
            pod.metadata.finalizers.contains(ClusterMark.finalizer)
        else { return }
        let others = pod.metadata.finalizers.filter { $0 != ClusterMark.finalizer }
        var metadata: JSONValue = ["finalizers": others.isEmpty ? .null : .array(others.map { .string($0) })]
        if let version = pod.metadata.resourceVersion { metadata["resourceVersion"] = .string(version) }
        do {
            try await target.patch(Pod.self, namespace: configuration.namespace, name: name, merge: ["metadata": metadata])
        } catch let error as KubernetesAPIError where error.isNotFound {
            return
        }
    }

    func dismiss(_ uid: String) async throws {
        guard let wish = wishes[uid] else { return }
        // What this life or a former one made for a copy that never came to be goes once the pod has gone, so that a cluster that is
        // away holds up no pod's deletion. Other copies took theirs along.
        let hadCopy = mirrors[uid]?.memory.sawCopy == true || wish.metadata.annotations[ClusterMark.copyUID] != nil
        if !hadCopy, needsObjects(wish) { mirrors[uid, default: Mirror()].anchor = names(of: wish).fields }
        mirrors[uid, default: Mirror()].memory.isDismissed = true
        reporter.deleteObject(namespace: wish.metadata.namespace ?? "", name: wish.metadata.name, uid: uid) { _ in }
    }

    /// What hangs on it follows: the cluster collects what has no owner any more.
    func removeAnchor(named name: String) async throws {
        try await target.deleteIfPresent(
            ConfigMap.self, namespace: configuration.namespace, name: name,
            options: DeleteOptions(propagationPolicy: "Background"))
    }

    /// Objects of pods that nobody knows: a former life made them, or its last call was done after that life's end. Asked for at a life's
    /// begin and with each refresh; a look that fails is made again soon.
    func sweep() async throws {
        guard knowsBothSides else { return }
        let selector = "\(ClusterMark.node)=\(configuration.node),\(ClusterMark.anchor)=true"
        let anchors = try await target.listAll(
            ConfigMap.self, namespace: configuration.namespace, options: ListOptions(labelSelector: selector))
        for anchor in anchors.items {
            guard let uid = anchor.metadata.labels[ClusterMark.podUID], wishes[uid] == nil, copy(of: uid) == nil else { continue }
            try await removeAnchor(named: anchor.metadata.name)
        }
        queue.add(.leftovers, after: refreshInterval)
    }
}
