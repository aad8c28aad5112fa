// What the cluster says about copies, as events of the pods that they are copies of.
import JSON
import KubernetesClient
import KubernetesModel

/// The few facts of an event that are told on; a namespace that others share has many events.
struct ClusterEvent: ObservedObject {
    static let resource = Event.resource
    static let kind = Event.kind

    var observedKey: ObjectKey
    var observedUID: String?
    var observedVersion: String?
    var pod: String
    var isWarning: Bool
    var reason: String
    var message: String
    var count: Int64
    var last: Timestamp?

    static func observe(_ node: JSONTape.Node, of tape: JSONTape) throws -> ClusterEvent {
        let event = try JSON.decode(Event.self, from: node, of: tape)
        return ClusterEvent(
            observedKey: event.observedKey, observedUID: event.metadata.uid, observedVersion: event.metadata.resourceVersion,
            pod: event.involvedObject.kind == Pod.kind ? event.involvedObject.name ?? "" : "", isWarning: event.type == "Warning",
            reason: event.reason ?? "", message: event.message ?? "", count: Int64(event.count ?? 1),
            last: event.lastTimestamp ?? event.eventTime?.timestamp ?? event.metadata.creationTimestamp)
    }
}

extension ClusterPods {
    /// Told on until cancelled. A cluster that does not let us see its events costs nothing but them.
    func followEvents() async {
        let begin = now()
        let informer = Informer<ClusterEvent>(
            api: target, namespace: configuration.namespace, options: ListOptions(fieldSelector: "involvedObject.kind=Pod"),
            backoff: Backoff(first: .milliseconds(500), longest: .seconds(60)), logger: logger)
        informer.onEvent { [weak self] event in
            switch event {
            case .deleted: return
            case .added(let event), .updated(_, let event):
                // What a former life has told.
                if let last = event.last, last < begin { return }
                Task { await self?.tell(event) }
            }
        }
        await informer.run()
    }

    private func tell(_ event: ClusterEvent) {
        guard !event.pod.isEmpty, let copy = copies.get(namespace: configuration.namespace, name: event.pod),
            let uid = copy.metadata.labels[ClusterMark.podUID], let wish = wishes[uid]
        else { return }
        reporter.event(pod: wish, warning: event.isWarning, reason: event.reason, message: event.message)
    }
}
