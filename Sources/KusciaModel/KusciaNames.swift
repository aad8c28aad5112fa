// The names under which parts of Swiftlet find each other's marks on objects: labels, annotations, taints, namespaces.

public enum Kuscia {
    public static let group = "kuscia.secretflow"
    public static let version = "v1alpha1"
    /// Where jobs and tasks live: they concern several domains.
    public static let crossDomainNamespace = "cross-domain"
    /// Task configuration is mounted from this volume of the pod.
    public static let configTemplateVolume = "config-template"

    /// Task pods may land only on agents' nodes, and nothing else may.
    public static let agentTaintKey = "kuscia.secretflow/agent"
    public static let agentTaintValue = "v1"

    /// Names that a pod may carry in `spec.schedulerName` to be scheduled by us; empty too.
    public static let schedulerNames: Set<String> = ["swiftlet-scheduler", "kuscia-scheduler", "default-scheduler", ""]
    public static let schedulerName = "swiftlet-scheduler"

    /// Reason of PodScheduled=False for a pod that would have a place, and waits for one of its gang that has none.
    public static let waitsForPodGroup = "WaitingForPodGroup"
}

public enum KusciaLabel {
    public static let taskID = "kuscia.secretflow/task-id"
    public static let jobID = "kuscia.secretflow/job-id"
    public static let taskAlias = "kuscia.secretflow/task-alias"
    public static let domain = "kuscia.secretflow/domain"
    public static let role = "kuscia.secretflow/role"
    public static let controller = "kuscia.secretflow/controller"
    /// Value of `controller` on a task's pods.
    public static let taskController = "kusciatask"

    /// On nodes.
    public static let nodeDomain = "domain"
    public static let nodeNamespace = "kuscia.secretflow/namespace"
    public static let nodeRuntime = "kuscia.secretflow/runtime"
    public static let nodeRole = "kubernetes.io/role"
    public static let hostname = "kubernetes.io/hostname"
    public static let operatingSystem = "kubernetes.io/os"
    public static let architecture = "kubernetes.io/arch"

    /// Commands to a job: Create, Start, Stop, Cancel, Restart, Suspend; who gave it; counts up with each.
    public static let jobStage = "kuscia.secretflow/job-stage"
    public static let jobStageTrigger = "kuscia.secretflow/job-stage-trigger"
    public static let jobStageVersion = "kuscia.secretflow/job-stage-version"
}

public enum KusciaAnnotation {
    /// On a task and its pods: the task's alias as its job has it. A label holds it too where it is a label's value.
    public static let taskAlias = "kuscia.secretflow/task-alias"
    /// Key of the gang: the same in all parties' pods of a task.
    public static let podGroup = "kuscia.secretflow/pod-group"
    /// Pods of the gang, over all parties.
    public static let podGroupSize = "kuscia.secretflow/pod-group-size"
    public static let podGroupMinMembers = "kuscia.secretflow/pod-group-min-members"
    /// Names of the pod's configMap volumes whose files the agent renders before mounting, separated by commas.
    public static let configTemplateVolumes = "kuscia.secretflow/config-template-volumes"
    /// The ConfigMap with the values for rendering.
    public static let configTemplateValues = "kuscia.secretflow/config-template-value-cm-name"
    /// The ConfigMap whose key `hosts` has the lines for the sandbox' /etc/hosts; the pod waits for it.
    public static let hostsConfigMap = "kuscia.secretflow/hosts-cm-name"
    /// What the pod used: `PodUsage` as JSON, written by the agent with the final status.
    public static let usage = "kuscia.secretflow/usage"
    /// "host" (the default), "none" or "cni/NAME": the network that the pod gets.
    public static let network = "kuscia.secretflow/network"
    /// TCP ports in network `host`, "*" or e.g. "443,8000-8010". What a pod may bind: its declared ports, unless said here.
    public static let tcpBind = "kuscia.secretflow/tcp-bind"
    /// Where a pod may connect to: anywhere, unless said here. A task's pods: the ports of the task.
    public static let tcpConnect = "kuscia.secretflow/tcp-connect"
    /// "sha256:...": what the image of the pod's containers must be, by its id or the digest of its manifest. From `AppImage.image.id`.
    public static let imageID = "kuscia.secretflow/image-id"
    /// Of an AppImage, copied to the pods of its tasks.
    public static let ofAppImage = [network, tcpBind, tcpConnect]
}

/// Kuscia's names for the values that templates may use; keys of the values ConfigMap.
public enum KusciaVariable {
    public static let taskID = "TASK_ID"
    public static let taskInputConfig = "TASK_INPUT_CONFIG"
    public static let taskClusterDefine = "TASK_CLUSTER_DEFINE"
    public static let allocatedPorts = "ALLOCATED_PORTS"
    public static let domainID = "KUSCIA_DOMAIN_ID"
}
