// core/v1 Event, and the same objects in the words of events.k8s.io/v1.
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
        selectableTexts: ["source": reporter],
        types: TypeText(
            package: "io.k8s.api.core.v1",
            #"""
            kind Event -- Something that happened.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 involvedObject ObjectReference! -- What it happened to.
              3 reason string -- What it was, in a word.
              4 message string -- What it was, for people.
              5 source EventSource -- Who reports it.
              6 firstTimestamp time -- When it first happened.
              7 lastTimestamp time -- When it last happened.
              8 count int32 -- How often it happened.
              9 type string -- Normal or Warning.
              10 eventTime microTime -- When it happened.
              11 series EventSeries
              12 action string -- What was done about it.
              13 related ObjectReference
              14 reportingComponent string
              15 reportingInstance string
            type EventSource
              1 component string
              2 host string
            type EventSeries
              1 count int32
              2 lastObservedTime microTime
            """#),
        columns: EventColumns.all,
        validate: { event in
            let about = event["involvedObject"]?["namespace"]?.stringValue ?? ""
            let own = event["metadata"]?["namespace"]?.stringValue ?? ""
            // Events about cluster-scoped objects live in "default".
            if about == own || (about.isEmpty && own == "default") { return [] }
            return [.invalid("involvedObject.namespace", .string(about), "does not match event.namespace")]
        })

    /// Who reports, in the older words or the newer.
    @Sendable private static func reporter(_ event: JSONValue) -> String {
        let component = event["source"]?["component"]?.stringValue ?? ""
        return component.isEmpty ? event["reportingComponent"]?.stringValue ?? "" : component
    }

    static let groupEvent = ResourceKind(
        resource: GroupVersionResource(group: "events.k8s.io", resource: "events"), kind: "Event", singular: "event",
        shortNames: ["ev"], selectableFields: event.selectableFields,
        selectableAliases: Dictionary(
            uniqueKeysWithValues: ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"].map {
                ("regarding.\($0)", "involvedObject.\($0)")
            } + [("reportingController", "source")]),
        selectableTexts: event.selectableTexts,
        types: TypeText(
            package: "io.k8s.api.events.v1",
            #"""
            kind Event -- Something that happened.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 eventTime microTime -- When it happened.
              3 series EventSeries
              4 reportingController string -- Who reports it.
              5 reportingInstance string
              6 action string -- What was done about it.
              7 reason string -- What it was, in a word.
              8 regarding core.ObjectReference -- What it happened to.
              9 related core.ObjectReference
              10 note string -- What it was, for people.
              11 type string -- Normal or Warning.
              12 deprecatedSource core.EventSource
              13 deprecatedFirstTimestamp time
              14 deprecatedLastTimestamp time
              15 deprecatedCount int32
            type EventSeries
              1 count int32
              2 lastObservedTime microTime
            """#),
        columns: EventColumns.all,
        validate: { event in
            // Asked of the stored words, as for every view.
            var errors = ResourceKind.event.validate(event)
            if event["eventTime"] == nil { errors.append(.required("eventTime")) }
            if (event["reportingComponent"]?.stringValue ?? "").isEmpty { errors.append(.required("reportingController")) }
            if (event["action"]?.stringValue ?? "").isEmpty { errors.append(.required("action")) }
            if (event["reason"]?.stringValue ?? "").isEmpty { errors.append(.required("reason")) }
            return errors
        },
        view: StoredView(
            storage: GroupVersionResource(resource: "events"), toStored: { rename(&$0, "v1", eventWords) },
            toView: { rename(&$0, "events.k8s.io/v1", eventWords.map { ($0.1, $0.0) }) }))

    /// The view's word for a member, and the stored one.
    private static let eventWords = [
        ("regarding", "involvedObject"), ("note", "message"), ("reportingController", "reportingComponent"),
        ("deprecatedSource", "source"), ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"), ("deprecatedCount", "count"),
    ]

    private static func rename(_ event: inout JSONValue, _ apiVersion: String, _ words: [(String, String)]) {
        guard let members = event.objectValue else { return }
        event = .object(
            JSONObject(
                members.map { key, value in
                    if key == "apiVersion" { return (key, .string(apiVersion)) }
                    return (words.first { $0.0 == key }?.1 ?? key, value)
                }))
    }
}
