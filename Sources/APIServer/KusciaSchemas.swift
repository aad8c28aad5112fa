// Schemas that Kuscia's kinds share; field names as in its CustomResourceDefinitions (pkg/crd/apis/kuscia/v1alpha1).

enum KusciaSchemas {
    static let bandwidthLimits = Schema.array(
        .object(
            nil, "",
            [
                Field("destinationID", .string, required: true),
                Field("limitKBps", .integer(minimum: 1, maximum: nil), required: true),
            ]))

    static let scheduleConfig = Schema.object(
        nil, "",
        [
            Field("minReservedMembers", .count), Field("resourceReservedSeconds", .count), Field("lifecycleSeconds", .count),
            Field("retryIntervalSeconds", .count),
        ])

    static let port = Schema.object(
        nil, "",
        [
            Field("name", .string, required: true), Field("protocol", .enumeration(["HTTP", "GRPC"])), Field("port", .count),
            Field("scope", .enumeration(["Cluster", "Domain", "Local"])),
        ])

    private static let configVolumeMounts = Schema.array(
        .object(
            nil, "",
            [
                Field("mountPath", .string, required: true), Field("subPath", .string, required: true),
            ]))

    static let containerFields: [Field] = [
        Field("name", .string), Field("image", .string), Field("command", .array(.string)), Field("args", .array(.string)),
        Field("workingDir", .string), Field("configVolumeMounts", configVolumeMounts), Field("ports", .array(port)),
        Field("envFrom", CommonSchemas.environmentSources), Field("env", CommonSchemas.environment),
        Field("resources", CommonSchemas.resources), Field("livenessProbe", CommonSchemas.probe),
        Field("readinessProbe", CommonSchemas.probe), Field("startupProbe", CommonSchemas.probe),
        Field("imagePullPolicy", .enumeration(["Always", "IfNotPresent", "Never"])),
        Field("securityContext", CommonSchemas.securityContext),
        Field("metricProbe", .object(nil, "", [Field("path", .string), Field("port", .string)])),
    ]

    /// The pod-like part of deploy and party templates.
    static let templateSpec = Schema.object(
        nil, "",
        [
            Field("restartPolicy", .enumeration(["Always", "OnFailure", "Never"])),
            Field("containers", .array(.object(nil, "", containerFields))),
        ])

    static let partyTemplate = Schema.object(nil, "", [Field("replicas", .count), Field("spec", templateSpec)])

    /// "Pending", "Running", ...: kept as words, so that an older reader does not refuse a newer state.
    static let statusTimes = [
        Field("startTime", Schema.dateTime), Field("completionTime", Schema.dateTime),
        Field("lastReconcileTime", Schema.dateTime),
    ]
}
