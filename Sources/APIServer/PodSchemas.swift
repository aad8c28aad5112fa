// Schemas of a pod's spec and status.

enum PodSchemas {
    private static let keyToPath = Schema.array(
        .object(
            "io.k8s.api.core.v1.KeyToPath", "",
            [
                Field("key", .string, required: true), Field("path", .string, required: true), Field("mode", .integer),
            ]))

    private static let configMapVolume = Schema.object(
        "io.k8s.api.core.v1.ConfigMapVolumeSource", "",
        [
            Field("name", .string), Field("items", keyToPath), Field("defaultMode", .integer), Field("optional", .boolean),
        ])

    private static let secretVolume = Schema.object(
        "io.k8s.api.core.v1.SecretVolumeSource", "",
        [
            Field("secretName", .string), Field("items", keyToPath), Field("defaultMode", .integer), Field("optional", .boolean),
        ])

    private static let claimVolume = Schema.object(
        "io.k8s.api.core.v1.PersistentVolumeClaimVolumeSource", "",
        [
            Field("claimName", .string, required: true), Field("readOnly", .boolean),
        ])

    private static let hostPathVolume = Schema.object(
        "io.k8s.api.core.v1.HostPathVolumeSource", "",
        [
            Field("path", .string, required: true), Field("type", .string),
        ])

    private static let emptyDirVolume = Schema.object(
        "io.k8s.api.core.v1.EmptyDirVolumeSource", "",
        [
            Field("medium", .string), Field("sizeLimit", .quantity),
        ])

    /// Sources that only a full cluster has.
    private static let foreignSources = [
        "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "ephemeral", "fc", "flexVolume", "flocker",
        "gcePersistentDisk", "gitRepo", "glusterfs", "image", "iscsi", "nfs", "photonPersistentDisk", "portworxVolume",
        "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume",
    ]

    static let volume = Schema.object(
        "io.k8s.api.core.v1.Volume", "A named volume in a pod.",
        [
            Field("name", .string, required: true), Field("configMap", configMapVolume), Field("secret", secretVolume),
            Field("persistentVolumeClaim", claimVolume), Field("hostPath", hostPathVolume), Field("emptyDir", emptyDirVolume),
            Field("downwardAPI", .any), Field("projected", .any),
        ] + foreignSources.map { Field($0, .any) })

    static let spec = Schema.object(
        "io.k8s.api.core.v1.PodSpec", "PodSpec is a description of a pod.",
        [
            Field("containers", .array(CommonSchemas.container, mergeKey: "name"), required: true, "The pod's containers."),
            Field("initContainers", .array(CommonSchemas.container, mergeKey: "name")),
            Field("ephemeralContainers", .array(.any, mergeKey: "name")),
            Field("volumes", .array(volume, mergeKey: "name")),
            Field("restartPolicy", .enumeration(["Always", "OnFailure", "Never"])),
            Field("terminationGracePeriodSeconds", .integer), Field("activeDeadlineSeconds", .integer),
            Field("dnsPolicy", .enumeration(["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"])),
            Field("nodeSelector", .stringMap), Field("serviceAccountName", .string), Field("serviceAccount", .string),
            Field("automountServiceAccountToken", .boolean), Field("nodeName", .string), Field("hostNetwork", .boolean),
            Field("hostPID", .boolean), Field("hostIPC", .boolean), Field("hostUsers", .boolean),
            Field("shareProcessNamespace", .boolean), Field("securityContext", .any),
            Field("imagePullSecrets", .array(CommonSchemas.localObjectReference, mergeKey: "name")),
            Field("hostname", .string), Field("hostnameOverride", .string), Field("subdomain", .string),
            Field("setHostnameAsFQDN", .boolean), Field("affinity", .any), Field("schedulerName", .string),
            Field("tolerations", .array(CommonSchemas.toleration)),
            Field(
                "hostAliases",
                .array(
                    .object(
                        "io.k8s.api.core.v1.HostAlias", "",
                        [
                            Field("ip", .string, required: true), Field("hostnames", .array(.string)),
                        ]), mergeKey: "ip")),
            Field("priorityClassName", .string), Field("priority", .integer),
            Field("preemptionPolicy", .string), Field("dnsConfig", .any), Field("readinessGates", .array(.any)),
            Field("runtimeClassName", .string), Field("enableServiceLinks", .boolean), Field("overhead", .quantityMap),
            Field("topologySpreadConstraints", .array(.any, mergeKey: "topologyKey")), Field("os", .any),
            Field("schedulingGates", .array(.any, mergeKey: "name")), Field("resourceClaims", .array(.any, mergeKey: "name")),
            Field("resources", CommonSchemas.resources),
        ])

    private static let containerState = Schema.object(
        "io.k8s.api.core.v1.ContainerState", "",
        [
            Field("waiting", .object(nil, "", [Field("reason", .string), Field("message", .string)])),
            Field("running", .object(nil, "", [Field("startedAt", .dateTime)])),
            Field(
                "terminated",
                .object(
                    nil, "",
                    [
                        Field("exitCode", .integer, required: true), Field("signal", .integer), Field("reason", .string),
                        Field("message", .string), Field("startedAt", .dateTime), Field("finishedAt", .dateTime),
                        Field("containerID", .string),
                    ])),
        ])

    private static let containerStatuses = Schema.array(
        .object(
            "io.k8s.api.core.v1.ContainerStatus", "",
            [
                Field("name", .string, required: true), Field("state", containerState), Field("lastState", containerState),
                Field("ready", .boolean), Field("restartCount", .integer), Field("image", .string), Field("imageID", .string),
                Field("containerID", .string), Field("started", .boolean), Field("allocatedResources", .quantityMap),
                Field("resources", CommonSchemas.resources), Field("volumeMounts", .array(.any)), Field("user", .any),
                Field("allocatedResourcesStatus", .any), Field("stopSignal", .string),
            ]))

    static let status = Schema.object(
        "io.k8s.api.core.v1.PodStatus", "Most recently observed status of the pod.",
        [
            Field("phase", .enumeration(["Pending", "Running", "Succeeded", "Failed", "Unknown"])),
            Field("conditions", CommonSchemas.conditions), Field("message", .string), Field("reason", .string),
            Field("nominatedNodeName", .string), Field("hostIP", .string),
            Field("hostIPs", .array(.object(nil, "", [Field("ip", .string)]), mergeKey: "ip")), Field("podIP", .string),
            Field("podIPs", .array(.object(nil, "", [Field("ip", .string)]), mergeKey: "ip")), Field("startTime", .dateTime),
            Field("initContainerStatuses", containerStatuses), Field("containerStatuses", containerStatuses),
            Field("ephemeralContainerStatuses", containerStatuses), Field("resourceClaimStatuses", .array(.any)),
            Field("qosClass", .string), Field("resize", .string), Field("observedGeneration", .integer),
        ])
}
