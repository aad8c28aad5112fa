// kuscia.secretflow/v1alpha1 KusciaJob and its summary for partners. Rules are in KusciaJobRules.swift.
import JSON
import KubernetesModel

extension GroupVersionResource {
    static func kuscia(_ resource: String) -> GroupVersionResource {
        GroupVersionResource(group: "kuscia.secretflow", version: "v1alpha1", resource: resource)
    }
}

extension ResourceKind {
    static let kusciaTimes: [PrinterColumn] = [
        .name, .age("StartTime", ["status", "startTime"]), .age("CompletionTime", ["status", "completionTime"]),
        .age("LastReconcileTime", ["status", "lastReconcileTime"]), .text("Phase", ["status", "phase"]),
    ]

    static let kusciaJob = ResourceKind(
        resource: .kuscia("kusciajobs"), kind: "KusciaJob", singular: "kusciajob", shortNames: ["kj"], isCustom: true,
        hasStatus: true, statusWrite: StatusWrite(), countsGeneration: true, nameRule: .label,
        selectableFields: ["spec.initiator", "status.phase"],
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind KusciaJob -- A graph of tasks that several domains run together.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec KusciaJobSpec! -- What is wanted.
              0 status KusciaJobStatus -- What was last observed; written by the system.
            type KusciaJobSpec
              0 flowID string
              0 initiator string! -- The domain that asks for the job.
              0 scheduleMode enum(Strict|BestEffort) -- Strict stops at the first failure; BestEffort runs what it can.
              0 maxParallelism int32? min(1) max(128) -- The most tasks that run at once.
              0 tasks []KusciaTaskTemplate! -- 1 to 128 tasks.
            type KusciaTaskTemplate -- A node of the job's graph.
              0 alias string -- The name by which other tasks depend on this one.
              0 taskID string -- Name of the KusciaTask that is made for it.
              0 dependencies []string -- Aliases of the tasks that must have succeeded.
              0 tolerable bool? -- Whether the job may succeed although this task failed.
              0 appImage string! -- The AppImage that the task runs.
              0 taskInputConfig string -- What the engine is told, in its own language.
              0 scheduleConfig ScheduleConfig
              0 priority int32
              0 parties []Party! -- The domains that take part.
            type ScheduleConfig
              0 minReservedMembers count
              0 resourceReservedSeconds count
              0 lifecycleSeconds count
              0 retryIntervalSeconds count
            type Party -- A domain that takes part in a task.
              0 domainID string!
              0 role string
              0 resources core.ResourceRequirements
              0 runtimeClassName string -- Which of its node's runtimes runs the party's pods, in place of the AppImage's choice.
              0 bandwidthLimits []BandwidthLimit
            type BandwidthLimit
              0 destinationID string!
              0 limitKBps int64!
            type KusciaJobStatus
              0 phase string -- Where it stands.
              0 approveStatus {}string
              0 stageStatus {}string
              0 conditions []KusciaJobCondition
              0 reason string -- Why, in a word.
              0 message string -- Why, for people.
              0 partyTaskCreateStatus {}[]PartyTaskCreateStatus
              0 taskStatus {}string
              0 startTime time
              0 completionTime time
              0 lastReconcileTime time
            type KusciaJobCondition
              0 type string
              0 status string -- What was last observed; written by the system.
              0 reason string -- Why, in a word.
              0 message string -- Why, for people.
              0 lastTransitionTime time -- When it last changed.
              0 lastUpdateTime time
            type PartyTaskCreateStatus
              0 domainID string
              0 role string
              0 phase string -- Where it stands.
              0 message string -- Why, for people.
            """#),
        columns: kusciaTimes,
        applyDefaults: { job in
            guard var spec = job["spec"] else { return }
            job["spec"] = .null
            spec.setDefault("scheduleMode", "Strict")
            spec.setDefault("maxParallelism", 1)
            // A task without alias is known by its id; one without id is named by the job controller.
            spec.changeElements(of: "tasks") { task in
                if let id = task["taskID"] { task.setDefault("alias", id) }
            }
            job["spec"] = spec
        },
        validate: KusciaJobRules.validate, validateUpdate: KusciaJobRules.validateUpdate,
        validateReferences: { job, lookup async throws(StatusError) in
            try await KusciaJobRules.validateReferences(job, lookup)
        })

    static let kusciaJobSummary = ResourceKind(
        resource: .kuscia("kusciajobsummaries"), kind: "KusciaJobSummary", singular: "kusciajobsummary", shortNames: ["kjs"],
        isCustom: true, hasStatus: true, nameRule: .label,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind KusciaJobSummary -- A job as a partner's master sees it.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec KusciaJobSummarySpec -- What is wanted.
              0 status KusciaJobStatus -- What was last observed; written by the system.
            type KusciaJobSummarySpec
              0 stage string
              0 stageTrigger string
            """#),
        columns: kusciaTimes)
}
