// How a copy comes to be: the pod read afresh, what it refers to gathered, objects first and the copy last. Every step may be done
// twice; a copy whose creation was answered to nobody is found under its name.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel

extension ClusterPods {
    func names(of pod: Pod) -> ClusterNames {
        ClusterNames(
            source: configuration.source, namespace: pod.metadata.namespace ?? "", name: pod.metadata.name,
            uid: pod.metadata.uid ?? "")
    }

    /// False: it waits, is refused, or is there now.
    func create(_ uid: String) async throws -> Bool {
        guard let wish = wishes[uid] else { return true }
        do {
            guard let copy = try await makeCopy(of: wish) else { return false }
            guard copy.metadata.labels[ClusterMark.podUID] == uid, copy.metadata.labels[ClusterMark.node] == configuration.node
            else {
                throw ClusterRefusal(
                    reason: "NameCollision",
                    message: "pod \(configuration.namespace)/\(copy.metadata.name) of the cluster is not a copy of this pod")
            }
            mirrors[uid, default: Mirror()].created = copy
            mirrors[uid]?.memory.sawCopy = true
            return true
        } catch let refusal as ClusterRefusal {
            refuse(wish, refusal)
            return false
        } catch let wait as CreationWait {
            say(wait, to: wish)
            throw wait
        }
    }

    private func refuse(_ wish: Pod, _ refusal: ClusterRefusal) {
        mirrors[wish.metadata.uid ?? "", default: Mirror()].memory.isRefused = true
        reporter.event(pod: wish, warning: true, reason: refusal.reason, message: refusal.message)
        report(ClusterStatus(pod: wish, now: now()).refused(refusal), of: wish, nil, final: true)
    }

    private func say(_ wait: CreationWait, to wish: Pod) {
        let uid = wish.metadata.uid ?? ""
        let status = ClusterStatus(pod: wish, now: now()).pending(wait.reason, wait.message)
        guard mirrors[uid]?.reported != status else { return }
        reporter.event(pod: wish, warning: true, reason: wait.reason, message: wait.message)
        report(status, of: wish, nil, final: false)
    }

    /// nil: the pod is not to be made any more.
    private func makeCopy(of wish: Pod) async throws -> Pod? {
        // What the watch showed may be old, and a view knows only part of it.
        let document = try await source.get(
            Pod.resource, namespace: wish.metadata.namespace, name: wish.metadata.name, subresource: nil)
        let value = try JSONValue(parsing: document)
        let pod = try JSON.decode(Pod.self, from: document)
        guard pod.metadata.uid == wish.metadata.uid, pod.metadata.deletionTimestamp == nil, pod.status.phase?.isFinished != true,
            pod.metadata.annotations[ClusterMark.copyUID] == nil
        else { return nil }
        if let refusal = ClusterRefusal.check(value, configuration) { throw refusal }
        let names = names(of: pod)
        var mapping = ClusterPodMapping(configuration: configuration, names: names, document: value, pod: pod)
        mapping.hostAliases = try await hosts(of: pod)
        let copy: JSONValue
        do { copy = try mapping.copy() } catch let error as ReferenceError {
            throw ClusterRefusal(reason: "CreateContainerConfigError", message: error.reason)
        }
        try await writeObjects(of: pod, names)
        return try await createPod(copy, names.pod)
    }

    private func createPod(_ copy: JSONValue, _ name: String) async throws -> Pod {
        do {
            let answer = try await target.create(
                Pod.resource, namespace: configuration.namespace, name: nil, subresource: nil, body: copy.serialized())
            return try JSON.decode(Pod.self, from: answer)
        } catch {
            switch CreationFailure(error, namespace: configuration.namespace) {
            case .present: return try await target.get(Pod.self, namespace: configuration.namespace, name: name)
            case .refuse(let refusal): throw refusal
            case .wait(let reason, let message): throw CreationWait(reason: reason, message: message)
            case .retry: throw error
            }
        }
    }

    // MARK: Labels and annotations

    func isOutdated(_ wish: Pod?, _ copy: ClusterCopy?) -> Bool {
        guard let wish, let copy, let uid = wish.metadata.uid else { return false }
        let metadata = ClusterMetadata(wish, configuration)
        return metadata.change(of: copy.pod).map { _ in mirrors[uid]?.refusedMetadata != metadata.mark } ?? false
    }

    /// Brings the copy's labels and annotations to its pod's. What the cluster will not have is said once and left.
    func refresh(_ uid: String) async throws {
        guard let wish = wishes[uid], let copy = copy(of: uid) else { return }
        let metadata = ClusterMetadata(wish, configuration)
        guard let change = metadata.change(of: copy.pod) else { return }
        do {
            let pod = try await target.patch(
                Pod.self, namespace: configuration.namespace, name: copy.pod.metadata.name, merge: change)
            // Until the watch shows it.
            if mirrors[uid]?.created != nil { mirrors[uid]?.created = pod }
        } catch let error as KubernetesAPIError where error.isNotFound {
            return
        } catch {
            switch CreationFailure(error, namespace: configuration.namespace) {
            case .refuse(let refusal): leave(metadata.mark, of: wish, refusal.message)
            case .wait(_, let message): leave(metadata.mark, of: wish, message)
            case .retry, .present: throw error
            }
        }
    }

    private func leave(_ mark: String, of wish: Pod, _ message: String) {
        mirrors[wish.metadata.uid ?? "", default: Mirror()].refusedMetadata = mark
        reporter.event(
            pod: wish, warning: true, reason: "FailedUpdate",
            message: "labels and annotations were not copied into the cluster: \(message)")
    }

    /// The pod's own lines, and those of its task once they are there.
    private func hosts(of pod: Pod) async throws -> [PodHostAlias] {
        var aliases = pod.spec.hostAliases
        guard let name = pod.metadata.annotations[KusciaAnnotation.hostsConfigMap], !name.isEmpty else { return aliases }
        guard let found = try await source.find(ConfigMap.self, namespace: pod.metadata.namespace, name: name),
            let text = found.data["hosts"]
        else { throw CreationWait(reason: "FailedMount", message: "waiting for the task's hosts: ConfigMap \(name)") }
        for line in text.split(separator: "\n") {
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).map(String.init)
            if words.count > 1 { aliases.append(PodHostAlias(ip: words[0], hostnames: Array(words.dropFirst()))) }
        }
        return aliases
    }
}
