// Objects of which one fact is wanted and thousands come by: heartbeats and events.
import JSON
import KubernetesModel

/// A node's heartbeat.
struct LeaseView: ObservedObject {
    static let resource = Lease.resource
    static let kind = Lease.kind

    var observedKey: ObjectKey
    var observedUID: String?
    var observedVersion: String?
    var renewTime: MicroTimestamp?

    static func observe(_ node: JSONTape.Node, of tape: JSONTape) throws -> LeaseView {
        let lease = TapeObject(node, of: tape)
        let metadata = lease["metadata"]
        return LeaseView(
            observedKey: ObjectKey(namespace: metadata.string("namespace"), name: metadata.string("name") ?? ""),
            observedUID: metadata.string("uid"), observedVersion: metadata.string("resourceVersion"),
            renewTime: lease["spec"].string("renewTime").flatMap { MicroTimestamp($0) })
    }
}

/// When an event was last written.
struct EventView: ObservedObject {
    static let resource = Event.resource
    static let kind = Event.kind

    var observedKey: ObjectKey
    var observedUID: String?
    var observedVersion: String?
    var written: Timestamp?

    static func observe(_ node: JSONTape.Node, of tape: JSONTape) throws -> EventView {
        let event = TapeObject(node, of: tape)
        let metadata = event["metadata"]
        // New events (events.k8s.io) have no lastTimestamp: theirs is in the series, or the one time they happened.
        let written =
            event.string("lastTimestamp") ?? event["series"].string("lastObservedTime") ?? event.string("eventTime")
            ?? metadata.string("creationTimestamp")
        return EventView(
            observedKey: ObjectKey(namespace: metadata.string("namespace"), name: metadata.string("name") ?? ""),
            observedUID: metadata.string("uid"), observedVersion: metadata.string("resourceVersion"),
            written: written.flatMap { Timestamp($0) })
    }
}
