// Types of core/v1: a pod, its spec and its status.

extension TypeText {
    static let pod = TypeText(
        package: "io.k8s.api.core.v1",
        #"""
        kind Pod -- Containers that run together on one node and share addresses and volumes.
          1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
          2 spec PodSpec! -- What is wanted.
          3 status PodStatus -- What was last observed; written by the system.
        type PodSpec -- What a pod shall be.
          1 volumes []Volume merge(name) retainKeys -- Directories that containers can mount.
          20 initContainers []Container merge(name) -- Programs that end, one after the other, before the containers start.
          2 containers []Container! merge(name) -- The pod's programs; at least one.
          34 ephemeralContainers []EphemeralContainer merge(name) -- Containers added to a running pod to look into it; only through the subresource.
          3 restartPolicy enum(Always|OnFailure|Never) =Always -- When containers are started again: Always, OnFailure or Never.
          4 terminationGracePeriodSeconds int64? =30 -- Seconds from the request to end until the pod is killed.
          5 activeDeadlineSeconds int64? -- Seconds from the start after which the pod has failed.
          6 dnsPolicy enum(ClusterFirstWithHostNet|ClusterFirst|Default|None) =ClusterFirst -- How names are resolved: ClusterFirst, ClusterFirstWithHostNet, Default or None.
          7 nodeSelector {}string -- Labels that the node must have.
          8 serviceAccountName string -- The service account as which the pod runs.
          9 serviceAccount string -- Old name of serviceAccountName.
          21 automountServiceAccountToken bool? -- Whether a token of the service account is mounted.
          10 nodeName string -- The node that runs the pod. Set by the scheduler; when it is given, no scheduler is asked.
          11 hostNetwork bool -- Whether the pod uses the node's network.
          12 hostPID bool -- Whether the pod sees the node's processes.
          13 hostIPC bool -- Whether the pod uses the node's IPC namespace.
          27 shareProcessNamespace bool? -- Whether the containers see each other's processes.
          14 securityContext PodSecurityContext ={} -- Restrictions of all containers.
          15 imagePullSecrets []LocalObjectReference merge(name) -- Secrets with which images are pulled.
          16 hostname string -- The pod's own name; that of the object unless said.
          17 subdomain string -- Puts the pod's name under a headless service.
          18 affinity Affinity -- Rules about where the pod should run.
          19 schedulerName string =default-scheduler -- Which scheduler places the pod.
          22 tolerations []Toleration -- Taints that the pod can live with.
          23 hostAliases []HostAlias merge(ip) -- Lines for the pod's hosts file.
          24 priorityClassName string -- The class that says how important the pod is.
          25 priority int32? -- The number of that class; filled in by the server.
          26 dnsConfig PodDNSConfig -- Name servers, search domains and options beside those of dnsPolicy.
          28 readinessGates []PodReadinessGate -- Conditions that must be true beside the containers' readiness.
          29 runtimeClassName string? -- Which of the node's runtimes runs the pod.
          30 enableServiceLinks bool? =true -- Whether services become environment variables.
          31 preemptionPolicy enum(PreemptLowerPriority|Never)? -- Whether the pod may push less important ones away: PreemptLowerPriority or Never.
          32 overhead {}quantity -- What the runtime itself needs; filled in from the runtime class.
          33 topologySpreadConstraints []TopologySpreadConstraint merge(topologyKey) map(topologyKey,whenUnsatisfiable) -- How the pods of a group are spread.
          35 setHostnameAsFQDN bool? -- Whether the host name is the full one.
          36 os PodOS -- The operating system that the pod needs.
          37 hostUsers bool? -- Whether user ids are the node's own; false gives the pod a user namespace.
          38 schedulingGates []PodSchedulingGate merge(name) -- The pod is not placed while there are any.
          39 resourceClaims []PodResourceClaim merge(name) retainKeys -- Claims of devices that must be ready first.
          40 resources ResourceRequirements -- Resources of the pod as a whole.
        type PodSecurityContext -- Restrictions of all containers of a pod.
          1 seLinuxOptions SELinuxOptions
          8 windowsOptions WindowsSecurityContextOptions
          2 runAsUser int64?
          6 runAsGroup int64?
          3 runAsNonRoot bool?
          4 supplementalGroups []int64 -- Further groups of the first process.
          12 supplementalGroupsPolicy enum(Merge|Strict)?
          5 fsGroup int64? -- Group that owns the pod's volumes.
          7 sysctls []Sysctl -- Kernel parameters of the pod's namespaces.
          9 fsGroupChangePolicy enum(OnRootMismatch|Always)?
          10 seccompProfile SeccompProfile
          11 appArmorProfile AppArmorProfile
          13 seLinuxChangePolicy enum(Recursive|MountOption)?
        type Sysctl
          1 name string!
          2 value string
        type HostAlias
          1 ip string!
          2 hostnames []string
        type PodDNSConfig
          1 nameservers []string
          2 searches []string
          3 options []PodDNSConfigOption
        type PodDNSConfigOption
          1 name string
          2 value string?
        type PodReadinessGate
          1 conditionType string!
        type PodOS
          1 name enum(linux|windows)
        type PodSchedulingGate
          1 name string!
        type PodResourceClaim
          1 name string!
          3 resourceClaimName string?
          4 resourceClaimTemplateName string?
        type PodStatus -- What was last observed of a pod.
          17 observedGeneration int64
          1 phase enum(Pending|Running|Succeeded|Failed|Unknown) -- Pending, Running, Succeeded, Failed or Unknown.
          2 conditions []PodCondition merge(type) -- Aspects of the state: PodScheduled, Initialized, ContainersReady, Ready.
          3 message string -- Why it is so, for people.
          4 reason string -- Why it is so, in a word.
          11 nominatedNodeName string -- Node on which room is being made for the pod.
          5 hostIP string -- Address of the node.
          16 hostIPs []HostIP merge(ip)
          6 podIP string -- Address of the pod.
          12 podIPs []PodIP merge(ip) -- All addresses of the pod.
          7 startTime time -- When the node took the pod.
          10 initContainerStatuses []ContainerStatus -- State of each init container.
          8 containerStatuses []ContainerStatus -- State of each container.
          9 qosClass string -- Guaranteed, Burstable or BestEffort, by requests and limits.
          13 ephemeralContainerStatuses []ContainerStatus
          14 resize string
          15 resourceClaimStatuses []PodResourceClaimStatus merge(name) retainKeys
        type PodCondition
          1 type string!
          7 observedGeneration int64
          2 status string! -- What was last observed; written by the system.
          3 lastProbeTime time
          4 lastTransitionTime time -- When it last changed.
          5 reason string -- Why, in a word.
          6 message string -- Why, for people.
        type HostIP
          1 ip string!
        type PodIP
          1 ip string!
        type ContainerStatus -- State of one container.
          1 name string!
          2 state ContainerState -- What it does now.
          3 lastState ContainerState -- How it ended the last time.
          4 ready bool -- Whether it passes its readiness probe.
          5 restartCount int32 -- How often it was started again.
          6 image string
          7 imageID string
          8 containerID string
          9 started bool?
          10 allocatedResources {}quantity
          11 resources ResourceRequirements
          12 volumeMounts []VolumeMountStatus merge(mountPath)
          13 user ContainerUser
          14 allocatedResourcesStatus []ResourceStatus merge(name)
          15 stopSignal string?
        type ContainerState -- Waiting, running or terminated.
          1 waiting ContainerStateWaiting
          2 running ContainerStateRunning
          3 terminated ContainerStateTerminated
        type ContainerStateWaiting
          1 reason string -- Why, in a word.
          2 message string -- Why, for people.
        type ContainerStateRunning
          1 startedAt time
        type ContainerStateTerminated
          1 exitCode int32! -- What the program ended with.
          2 signal int32
          3 reason string -- Why, in a word.
          4 message string -- Why, for people.
          5 startedAt time
          6 finishedAt time
          7 containerID string
        type VolumeMountStatus
          1 name string!
          2 mountPath string!
          3 readOnly bool -- Whether it cannot be written.
          4 recursiveReadOnly enum(Disabled|IfPossible|Enabled)?
        type ContainerUser
          1 linux LinuxContainerUser
        type LinuxContainerUser
          1 uid int64!
          2 gid int64!
          3 supplementalGroups []int64
        type ResourceStatus
          1 name string
          2 resources []ResourceHealth map(resourceID)
        type ResourceHealth
          1 resourceID string
          2 health string
        type PodResourceClaimStatus
          1 name string
          2 resourceClaimName string?
        type PodTemplateSpec -- The pod that a controller makes.
          1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
          2 spec PodSpec -- What is wanted.
        kind Binding -- Ties a pod to a node.
          1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
          2 target ObjectReference! -- The node.
        """#)
}
