// kuscia.secretflow/v1alpha1 KusciaTask.
import JSON
import KubernetesModel

extension ResourceKind {
    static let kusciaTask = ResourceKind(
        resource: .kuscia("kusciatasks"), kind: "KusciaTask", singular: "kusciatask", shortNames: ["kt"], isCustom: true,
        hasStatus: true, countsGeneration: true, nameRule: .label, selectableFields: ["spec.initiator", "status.phase"],
        fields: [
            Field(
                "spec",
                .object(
                    nil, "One task of a job, for all its parties.",
                    [
                        Field("initiator", .string, required: true), Field("taskInputConfig", .string),
                        Field("scheduleConfig", KusciaSchemas.scheduleConfig), Field("parties", .array(party), required: true),
                    ]), required: true),
            Field("status", status),
        ],
        description: "KusciaTask runs one engine in several domains at once.",
        columns: [
            .name, .age("StartTime", ["status", "startTime"]), .age("CompletionTime", ["status", "completionTime"]),
            .age("LastReconcileTime", ["status", "lastReconcileTime"]), .text("Phase", ["status", "phase"]),
        ],
        validate: { task in
            var errors: [FieldError] = []
            let parties = task["spec"]?["parties"]?.arrayValue ?? []
            if parties.isEmpty { errors.append(.required("spec.parties", "must have at least 1 party")) }
            for (index, party) in parties.enumerated() {
                let containers = party["template"]?["spec"]?["containers"]?.arrayValue ?? []
                for (place, container) in containers.enumerated() {
                    errors += ResourceRules.validate(
                        container["resources"],
                        at: "spec.parties[\(index)].template.spec.containers[\(place)].resources")
                }
            }
            return errors
        })

    private static let party = Schema.object(
        nil, "",
        [
            Field("domainID", .string, required: true), Field("appImageRef", .string, required: true), Field("role", .string),
            Field("minReservedPods", .count), Field("template", KusciaSchemas.partyTemplate),
            Field("bandwidthLimits", KusciaSchemas.bandwidthLimits),
        ])

    private static let status = Schema.object(
        nil, "",
        [
            Field("phase", .string), Field("progress", .number), Field("reason", .string), Field("message", .string),
            Field(
                "partyTaskStatus",
                .array(
                    .object(
                        nil, "",
                        [
                            Field("domainID", .string), Field("role", .string), Field("phase", .string),
                            Field("message", .string),
                        ]))),
            Field("conditions", CommonSchemas.conditions),
            // Keyed by "namespace/name"; the controller owns the shape.
            Field("podStatuses", .map(.any)), Field("serviceStatuses", .map(.any)),
            Field(
                "allocatedPorts",
                .array(
                    .object(
                        nil, "",
                        [
                            Field("domainID", .string), Field("role", .string), Field("namedPort", .map(.integer)),
                        ]))),
            Field("attempts", .count),
        ] + KusciaSchemas.statusTimes)
}
