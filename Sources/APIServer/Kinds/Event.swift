// core/v1 Event and coordination.k8s.io/v1 Lease.
import JSON
import KubernetesModel

extension ResourceKind {
    static let event = ResourceKind(
        resource: GroupVersionResource(resource: "events"), kind: "Event", singular: "event", shortNames: ["ev"],
        selectableFields: [
            "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
            "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
            "reportingComponent", "type",
        ],
        fields: [
            Field("involvedObject", CommonSchemas.objectReference, required: true), Field("reason", .string),
            Field("message", .string),
            Field(
                "source",
                .object(
                    "io.k8s.api.core.v1.EventSource", "",
                    [
                        Field("component", .string), Field("host", .string),
                    ])),
            Field("firstTimestamp", .dateTime), Field("lastTimestamp", .dateTime), Field("count", .integer),
            Field("type", .string), Field("eventTime", .dateTime), Field("series", .any), Field("action", .string),
            Field("related", CommonSchemas.objectReference), Field("reportingComponent", .string),
            Field("reportingInstance", .string),
        ],
        description: "Event is a report of something that happened.",
        columns: [
            lastSeen, .text("Type", ["type"]), .text("Reason", ["reason"]),
            .computed("Object") { tape in
                let kind = tape.text(at: ["involvedObject", "kind"]) ?? ""
                return "\(kind.lowercased())/\(tape.text(at: ["involvedObject", "name"]) ?? "")"
            },
            .text("Subobject", ["involvedObject", "fieldPath"], priority: 1),
            .text("Source", ["source", "component"], priority: 1), .text("Message", ["message"]),
            .age("First Seen", ["firstTimestamp"], priority: 1), .text("Count", ["count"], missing: "1", priority: 1),
            PrinterColumn(name: "Name", format: "name", priority: 1) { tape, _ in
                .string(tape.text(at: ["metadata", "name"]) ?? "")
            },
        ],
        validate: { event in
            let about = event["involvedObject"]?["namespace"]?.stringValue ?? ""
            let own = event["metadata"]?["namespace"]?.stringValue ?? ""
            // Events about cluster-scoped objects live in "default".
            if about == own || (about.isEmpty && own == "default") { return [] }
            return [.invalid("involvedObject.namespace", .string(about), "does not match event.namespace")]
        })

    private static let lastSeen = PrinterColumn(name: "Last Seen") { tape, now in
        let seconds = ["lastTimestamp", "eventTime", "firstTimestamp"].lazy
            .compactMap { tape.text(at: [$0]).flatMap(RFC3339.seconds) }.first
        return .string(seconds.map { HumanDuration.text(seconds: now - $0) } ?? "<unknown>")
    }

    static let lease = ResourceKind(
        resource: GroupVersionResource(group: "coordination.k8s.io", resource: "leases"), kind: "Lease", singular: "lease",
        fields: [
            Field(
                "spec",
                .object(
                    "io.k8s.api.coordination.v1.LeaseSpec", "",
                    [
                        Field("holderIdentity", .string),
                        Field("leaseDurationSeconds", .integer(minimum: 1, maximum: Int64(Int32.max))),
                        Field("acquireTime", .dateTime), Field("renewTime", .dateTime), Field("leaseTransitions", .count),
                        Field("strategy", .string), Field("preferredHolder", .string),
                    ]))
        ],
        description: "Lease defines a lease concept.",
        columns: [.name, .text("Holder", ["spec", "holderIdentity"]), .age])
}
