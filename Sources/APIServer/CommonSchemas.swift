// Schemas that several kinds share. Names and merge keys follow k8s.io/api; rarely used parts are kept as `any`.

enum CommonSchemas {
    static let ownerReference = Schema.object(
        "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference", "The object that this one belongs to.",
        [
            Field("apiVersion", .string, required: true), Field("kind", .string, required: true),
            Field("name", .string, required: true), Field("uid", .string, required: true),
            Field("controller", .boolean), Field("blockOwnerDeletion", .boolean),
        ])

    static let objectMeta = Schema.object(
        "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "ObjectMeta is metadata that all persisted resources must have.",
        [
            Field("name", .string, "Name must be unique within a namespace."),
            Field("generateName", .string, "A prefix to which the server appends a unique suffix when name is empty."),
            Field("namespace", .string), Field("selfLink", .string), Field("uid", .string),
            Field("resourceVersion", .string, "The revision of the last change, for optimistic concurrency."),
            Field("generation", .integer), Field("creationTimestamp", .dateTime), Field("deletionTimestamp", .dateTime),
            Field("deletionGracePeriodSeconds", .integer), Field("labels", .stringMap), Field("annotations", .stringMap),
            Field("ownerReferences", .array(ownerReference, mergeKey: "uid")),
            Field("finalizers", .array(.string, mergeKey: "")), Field("managedFields", .array(.any)),
        ])

    static let listMeta = Schema.object(
        "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta", "ListMeta describes metadata of a list.",
        [
            Field("continue", .string), Field("remainingItemCount", .integer), Field("resourceVersion", .string),
            Field("selfLink", .string),
        ])

    static let objectReference = Schema.object(
        "io.k8s.api.core.v1.ObjectReference", "A reference to another object.",
        [
            Field("apiVersion", .string), Field("kind", .string), Field("namespace", .string), Field("name", .string),
            Field("uid", .string), Field("resourceVersion", .string), Field("fieldPath", .string),
        ])

    /// Conditions as Kubernetes' and Kuscia's statuses have them.
    static let conditions = Schema.array(
        .object(
            nil, "",
            [
                Field("type", .string, required: true), Field("status", .string, required: true), Field("reason", .string),
                Field("message", .string), Field("lastTransitionTime", .dateTime), Field("lastUpdateTime", .dateTime),
                Field("lastHeartbeatTime", .dateTime), Field("lastProbeTime", .dateTime), Field("observedGeneration", .integer),
            ]), mergeKey: "type")

    static let resources = Schema.object(
        "io.k8s.api.core.v1.ResourceRequirements", "Compute resources: limits and requests.",
        [
            Field("limits", .quantityMap, "The most that may be used."),
            Field("requests", .quantityMap, "What is set aside; the limits when left out."),
            Field("claims", .array(.any, mergeKey: "name")),
        ])

    static let localObjectReference = Schema.object(
        "io.k8s.api.core.v1.LocalObjectReference", "", [Field("name", .string)])

    static let toleration = Schema.object(
        "io.k8s.api.core.v1.Toleration", "",
        [
            Field("key", .string), Field("operator", .enumeration(["Exists", "Equal"])), Field("value", .string),
            Field("effect", .enumeration(["", "NoSchedule", "PreferNoSchedule", "NoExecute"])),
            Field("tolerationSeconds", .integer),
        ])

    // MARK: Containers

    static let environment = Schema.array(
        .object(
            "io.k8s.api.core.v1.EnvVar", "An environment variable.",
            [
                Field("name", .string, required: true), Field("value", .string), Field("valueFrom", valueSource),
            ]), mergeKey: "name")

    private static let keySelector = Schema.object(
        nil, "",
        [
            Field("name", .string), Field("key", .string, required: true), Field("optional", .boolean),
        ])

    private static let valueSource = Schema.object(
        "io.k8s.api.core.v1.EnvVarSource", "",
        [
            Field("configMapKeyRef", keySelector), Field("secretKeyRef", keySelector),
            Field("fieldRef", fieldReference), Field("resourceFieldRef", resourceFieldReference), Field("fileKeyRef", .any),
        ])

    private static let fieldReference = Schema.object(
        nil, "",
        [
            Field("apiVersion", .string), Field("fieldPath", .string, required: true),
        ])

    private static let resourceFieldReference = Schema.object(
        nil, "",
        [
            Field("containerName", .string), Field("resource", .string, required: true), Field("divisor", .quantity),
        ])

    static let environmentSources = Schema.array(
        .object(
            "io.k8s.api.core.v1.EnvFromSource", "",
            [
                Field("prefix", .string), Field("configMapRef", optionalReference), Field("secretRef", optionalReference),
            ]))

    private static let optionalReference = Schema.object(nil, "", [Field("name", .string), Field("optional", .boolean)])

    static let probe = Schema.object(
        "io.k8s.api.core.v1.Probe", "A health check.",
        [
            Field("exec", .object(nil, "", [Field("command", .array(.string))])),
            Field(
                "httpGet",
                .object(
                    nil, "",
                    [
                        Field("path", .string), Field("port", .intOrString, required: true), Field("host", .string),
                        Field("scheme", .string), Field("httpHeaders", .array(.any)),
                    ])),
            Field("tcpSocket", .object(nil, "", [Field("port", .intOrString, required: true), Field("host", .string)])),
            Field("grpc", .object(nil, "", [Field("port", .integer, required: true), Field("service", .string)])),
            Field("initialDelaySeconds", .count), Field("timeoutSeconds", .count), Field("periodSeconds", .count),
            Field("successThreshold", .count), Field("failureThreshold", .count),
            Field("terminationGracePeriodSeconds", .integer),
        ])

    static let containerPort = Schema.object(
        "io.k8s.api.core.v1.ContainerPort", "",
        [
            Field("name", .string), Field("containerPort", .port, required: true), Field("hostPort", .count),
            Field("hostIP", .string), Field("protocol", .enumeration(["TCP", "UDP", "SCTP"])),
        ])

    static let volumeMount = Schema.object(
        "io.k8s.api.core.v1.VolumeMount", "",
        [
            Field("name", .string, required: true), Field("mountPath", .string, required: true), Field("subPath", .string),
            Field("subPathExpr", .string), Field("readOnly", .boolean), Field("recursiveReadOnly", .string),
            Field("mountPropagation", .string),
        ])

    /// Seccomp, capabilities, user and the like: many small fields, checked by the node that enforces them.
    static let securityContext = Schema.any

    static let container = Schema.object("io.k8s.api.core.v1.Container", "A single application container.", containerFields)

    private static let containerFields: [Field] = [
        Field("name", .string, required: true, "Name of the container, unique in the pod."),
        Field("image", .string, "Container image name."), Field("command", .array(.string)), Field("args", .array(.string)),
        Field("workingDir", .string), Field("ports", .array(containerPort, mergeKey: "containerPort")),
        Field("envFrom", environmentSources), Field("env", environment), Field("resources", resources),
        Field("resizePolicy", .array(.any)), Field("restartPolicy", .string), Field("restartPolicyRules", .array(.any)),
        Field("volumeMounts", .array(volumeMount, mergeKey: "mountPath")),
        Field("volumeDevices", .array(.any, mergeKey: "devicePath")), Field("livenessProbe", probe),
        Field("readinessProbe", probe), Field("startupProbe", probe), Field("lifecycle", .any),
        Field("terminationMessagePath", .string),
        Field("terminationMessagePolicy", .enumeration(["File", "FallbackToLogsOnError"])),
        Field("imagePullPolicy", .enumeration(["Always", "IfNotPresent", "Never"])),
        Field("securityContext", securityContext), Field("stdin", .boolean), Field("stdinOnce", .boolean),
        Field("tty", .boolean),
    ]
}
