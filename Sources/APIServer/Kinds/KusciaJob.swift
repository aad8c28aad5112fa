// kuscia.secretflow/v1alpha1 KusciaJob.
import JSON
import KubernetesModel

extension GroupVersionResource {
    static func kuscia(_ resource: String) -> GroupVersionResource {
        GroupVersionResource(group: "kuscia.secretflow", version: "v1alpha1", resource: resource)
    }
}

extension ResourceKind {
    static let kusciaJob = ResourceKind(
        resource: .kuscia("kusciajobs"), kind: "KusciaJob", singular: "kusciajob", shortNames: ["kj"], isCustom: true,
        hasStatus: true, countsGeneration: true, nameRule: .label, selectableFields: ["spec.initiator", "status.phase"],
        fields: [Field("spec", jobSpec, required: true), Field("status", jobStatus)],
        description: "KusciaJob is a graph of tasks that several domains run together.",
        columns: [
            .name, .age("StartTime", ["status", "startTime"]), .age("CompletionTime", ["status", "completionTime"]),
            .age("LastReconcileTime", ["status", "lastReconcileTime"]), .text("Phase", ["status", "phase"]),
        ],
        applyDefaults: { job in
            guard var spec = job["spec"] else { return }
            spec.setDefault("scheduleMode", "Strict")
            spec.setDefault("maxParallelism", 1)
            // A task without alias is known by its id; one without id is named by the job controller.
            spec["tasks"] = spec["tasks"]?.arrayValue.map { tasks in
                .array(
                    tasks.map { task in
                        var task = task
                        if let id = task["taskID"] { task.setDefault("alias", id) }
                        return task
                    })
            }
            job["spec"] = spec
        },
        validate: KusciaJobRules.validate, validateUpdate: KusciaJobRules.validateUpdate,
        validateReferences: { job, lookup async throws(StatusError) in
            try await KusciaJobRules.validateReferences(job, lookup)
        })

    private static let party = Schema.object(
        nil, "A domain that takes part in a task.",
        [
            Field("domainID", .string, required: true), Field("role", .string), Field("resources", CommonSchemas.resources),
            Field("bandwidthLimits", KusciaSchemas.bandwidthLimits),
        ])

    private static let task = Schema.object(
        nil, "A node of the job's graph.",
        [
            Field("alias", .string, "The name by which other tasks depend on this one."),
            Field("taskID", .string, "Name of the KusciaTask that is made for this task."),
            Field("dependencies", .array(.string), "Aliases of the tasks that must have succeeded."),
            Field("tolerable", .boolean, "Whether the job may succeed although this task failed."),
            Field("appImage", .string, required: true), Field("taskInputConfig", .string),
            Field("scheduleConfig", KusciaSchemas.scheduleConfig), Field("priority", .integer),
            Field("parties", .array(party), required: true),
        ])

    private static let jobSpec = Schema.object(
        nil, "What the job is to do.",
        [
            Field("flowID", .string), Field("initiator", .string, required: true, "The domain that asks for the job."),
            Field("scheduleMode", .enumeration(["Strict", "BestEffort"])),
            Field("maxParallelism", .integer(minimum: 1, maximum: 128), "The most tasks that run at once."),
            Field("tasks", .array(task), required: true, "1 to 128 tasks."),
        ])

    private static let jobStatus = Schema.object(
        nil, "",
        [
            Field("phase", .string), Field("approveStatus", .stringMap), Field("stageStatus", .stringMap),
            Field("conditions", CommonSchemas.conditions), Field("reason", .string), Field("message", .string),
            Field("partyTaskCreateStatus", .any), Field("taskStatus", .stringMap),
        ] + KusciaSchemas.statusTimes)
}
