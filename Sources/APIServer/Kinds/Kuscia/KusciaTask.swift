// kuscia.secretflow/v1alpha1 KusciaTask and its summary for partners. Rules are in KusciaTaskRules.swift.
import JSON
import KubernetesModel

extension ResourceKind {
    static let kusciaTask = ResourceKind(
        resource: .kuscia("kusciatasks"), kind: "KusciaTask", singular: "kusciatask", shortNames: ["kt"], isCustom: true,
        hasStatus: true, statusWrite: StatusWrite(), countsGeneration: true, nameRule: .label,
        selectableFields: ["spec.initiator", "status.phase"],
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind KusciaTask -- One engine that runs in several domains at once.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec KusciaTaskSpec! -- What is wanted.
              0 status KusciaTaskStatus -- What was last observed; written by the system.
            type KusciaTaskSpec
              0 initiator string!
              0 taskInputConfig string
              0 scheduleConfig ScheduleConfig
              0 parties []PartyInfo!
            type PartyInfo
              0 domainID string!
              0 appImageRef string!
              0 role string
              0 minReservedPods count
              0 template PartyTemplate
              0 bandwidthLimits []BandwidthLimit
            type PartyTemplate
              0 replicas count
              0 spec PodSpec -- What is wanted.
            type PodSpec -- What a pod shall be.
              0 restartPolicy enum(Always|OnFailure|Never) -- When containers are started again: Always, OnFailure or Never.
              0 runtimeClassName string -- Which of the node's runtimes runs the pod.
              0 containers []Container -- The pod's programs; at least one.
              0 affinity core.Affinity -- Rules about where the pod should run.
            type Container -- One program of a pod, with its image and its view of files and devices.
              0 name string -- Unique in the pod; cannot be changed.
              0 command []string -- The program and its first arguments, in place of the image's entrypoint; $(NAME) is replaced by variables.
              0 args []string -- Arguments for the entrypoint, in place of the image's; $(NAME) is replaced by variables.
              0 workingDir string -- Where the program starts; the image's own choice when empty.
              0 configVolumeMounts []ConfigVolumeMount
              0 ports []ContainerPort -- Ports that the program listens on; to leave one out does not close it.
              0 envFrom []core.EnvFromSource -- Config maps and secrets whose entries all become environment variables.
              0 env []core.EnvVar -- Environment variables.
              0 resources core.ResourceRequirements -- What is set aside for the container and the most that it may use.
              0 livenessProbe core.Probe -- Restarts the container when it fails.
              0 readinessProbe core.Probe -- Takes the pod out of its services while it fails.
              0 startupProbe core.Probe -- Holds the other probes back until it has succeeded once.
              0 metricProbe MetricProbe
              0 imagePullPolicy enum(Always|Never|IfNotPresent) -- When the image is pulled: Always, IfNotPresent or Never.
              0 securityContext core.SecurityContext -- User, capabilities and other restrictions of the container.
              0 image string -- The image to run; that of the AppImage when left out.
            type ConfigVolumeMount
              0 mountPath string!
              0 subPath string!
            type ContainerPort -- A port that a container listens on.
              0 name string! -- How services refer to the port.
              0 port count
              0 protocol enum(HTTP|GRPC) -- TCP, UDP or SCTP.
              0 scope enum(Cluster|Domain|Local)
            type MetricProbe
              0 path string
              0 port string
            type KusciaTaskStatus
              0 phase string -- Where it stands.
              0 progress double
              0 partyTaskStatus []PartyTaskStatus
              0 reason string -- Why, in a word.
              0 message string -- Why, for people.
              0 conditions []KusciaTaskCondition
              0 podStatuses {}any
              0 serviceStatuses {}any
              0 allocatedPorts []PartyAllocatedPorts
              0 partyLayouts []PartyLayout -- What was made for each party.
              0 startTime time
              0 completionTime time
              0 lastReconcileTime time
              0 attempts count -- How often the task was tried.
            type PartyTaskStatus
              0 domainID string
              0 role string
              0 phase string -- Where it stands.
              0 message string -- Why, for people.
            type KusciaTaskCondition
              0 type string
              0 status string -- What was last observed; written by the system.
              0 reason string -- Why, in a word.
              0 message string -- Why, for people.
              0 lastTransitionTime time -- When it last changed.
              0 lastUpdateTime time
            type PodStatus -- What was last observed of a pod.
              0 podName string
              0 podPhase enum(Pending|Running|Succeeded|Failed|Unknown)
              0 namespace string -- Namespace of the object.
              0 nodeName string
              0 message string -- Why it is so, for people.
              0 terminationLog string
              0 reason string -- Why it is so, in a word.
              0 createTime time
              0 scheduleTime time
              0 startTime time -- When the node took the pod.
              0 readyTime time
            type ServiceStatus
              0 namespace string -- Namespace of the object.
              0 serviceName string
              0 portName string
              0 portNumber int32
              0 scope enum(Cluster|Domain|Local)
              0 reason string -- Why, in a word.
              0 message string -- Why, for people.
              0 createTime time
              0 readyTime time
            type PartyAllocatedPorts
              0 domainID string
              0 role string
              0 namedPort {}int32
            type PartyLayout
              0 domainID string
              0 role string
              0 pods count
              0 minReservedPods count
              0 reachablePorts []string
            """#),
        columns: kusciaTimes,
        validate: KusciaTaskRules.validate, validateUpdate: KusciaTaskRules.validateUpdate,
        validateReferences: { task, lookup async throws(StatusError) in
            try await KusciaTaskRules.validateReferences(task, lookup)
        })

    static let kusciaTaskSummary = ResourceKind(
        resource: .kuscia("kusciatasksummaries"), kind: "KusciaTaskSummary", singular: "kusciatasksummary", shortNames: ["kts"],
        isCustom: true, hasStatus: true, nameRule: .label,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind KusciaTaskSummary -- A task as a partner's master sees it.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec KusciaTaskSummarySpec -- What is wanted.
              0 status KusciaTaskSummaryStatus -- What was last observed; written by the system.
            type KusciaTaskSummarySpec
              0 alias string
              0 jobID string
            type KusciaTaskSummaryStatus
              0 inline KusciaTaskStatus
              0 resourceStatus {}[]TaskSummaryResourceStatus
            type TaskSummaryResourceStatus
              0 role string
              0 hostTaskResourceName string
              0 hostTaskResourceVersion string
              0 memberTaskResourceName string
              0 memberTaskResourceVersion string
              0 inline TaskResourceStatus
            type TaskResourceStatus
              0 phase string -- Where it stands.
              0 conditions []TaskResourceCondition
              0 startTime time
              0 completionTime time
              0 lastTransitionTime time -- When it last changed.
            type TaskResourceCondition
              0 lastTransitionTime time -- When it last changed.
              0 status string -- What was last observed; written by the system.
              0 reason string -- Why, in a word.
              0 type string
            """#),
        columns: kusciaTimes)
}
