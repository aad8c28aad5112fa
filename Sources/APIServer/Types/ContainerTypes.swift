// Types of core/v1: a container and what belongs to it.

extension TypeText {
    static let containers = TypeText(
        package: "io.k8s.api.core.v1",
        #"""
        type Container -- One program of a pod, with its image and its view of files and devices.
          1 name string! -- Unique in the pod; cannot be changed.
          2 image string -- Which image to run; with a tag other than latest, or a digest, it is pulled only when absent.
          3 command []string -- The program and its first arguments, in place of the image's entrypoint; $(NAME) is replaced by variables.
          4 args []string -- Arguments for the entrypoint, in place of the image's; $(NAME) is replaced by variables.
          5 workingDir string -- Where the program starts; the image's own choice when empty.
          6 ports []ContainerPort merge(containerPort) map(containerPort,protocol) -- Ports that the program listens on; to leave one out does not close it.
          19 envFrom []EnvFromSource -- Config maps and secrets whose entries all become environment variables.
          7 env []EnvVar merge(name) -- Environment variables.
          8 resources ResourceRequirements ={} -- What is set aside for the container and the most that it may use.
          23 resizePolicy []ContainerResizePolicy -- Whether a changed resource needs a restart.
          24 restartPolicy enum(Always)? -- Always, for an init container that keeps running beside the others.
          9 volumeMounts []VolumeMount merge(mountPath) -- Where volumes of the pod appear in the container.
          21 volumeDevices []VolumeDevice merge(devicePath) -- Where block devices of the pod appear in the container.
          10 livenessProbe Probe -- Restarts the container when it fails.
          11 readinessProbe Probe -- Takes the pod out of its services while it fails.
          22 startupProbe Probe -- Holds the other probes back until it has succeeded once.
          12 lifecycle Lifecycle -- What is run right after the start and before the end.
          13 terminationMessagePath string =/dev/termination-log -- The file whose content is kept as the container's last word.
          20 terminationMessagePolicy enum(File|FallbackToLogsOnError) =File -- Where the last word comes from: File, or FallbackToLogsOnError.
          14 imagePullPolicy enum(Always|Never|IfNotPresent) -- When the image is pulled: Always, IfNotPresent or Never.
          15 securityContext SecurityContext -- User, capabilities and other restrictions of the container.
          16 stdin bool -- Whether the container has an open standard input.
          17 stdinOnce bool -- Whether standard input closes after the first client.
          18 tty bool -- Whether the container gets a terminal.
        type ContainerPort -- A port that a container listens on.
          1 name string -- How services refer to the port.
          2 hostPort int32 -- The number on the node, when it shall be reached there.
          3 containerPort int32! -- The number inside the pod.
          4 protocol enum(TCP|UDP|SCTP) =TCP -- TCP, UDP or SCTP.
          5 hostIP string -- The node's address to which hostPort is bound.
        type EnvFromSource
          1 prefix string
          2 configMapRef ConfigMapEnvSource
          3 secretRef SecretEnvSource
        type ConfigMapEnvSource
          1 inline LocalObjectReference
          2 optional bool? -- Whether the pod starts although the source is not there.
        type LocalObjectReference -- An object of the same namespace, by name.
          1 name string
        type SecretEnvSource
          1 inline LocalObjectReference
          2 optional bool? -- Whether the pod starts although the source is not there.
        type EnvVar -- An environment variable.
          1 name string! -- Name of the variable.
          2 value string -- Its value; $(NAME) is replaced by earlier variables.
          3 valueFrom EnvVarSource -- Where the value comes from, in place of value.
        type EnvVarSource -- One source of a variable's value.
          1 fieldRef ObjectFieldSelector -- A field of the pod: its name, namespace, labels, annotations, node, addresses.
          2 resourceFieldRef ResourceFieldSelector -- A limit or request of a container.
          3 configMapKeyRef ConfigMapKeySelector -- An entry of a config map in the pod's namespace.
          4 secretKeyRef SecretKeySelector -- An entry of a secret in the pod's namespace.
        type ObjectFieldSelector
          1 apiVersion string =v1 -- Group and version of the object.
          2 fieldPath string!
        type ResourceFieldSelector
          1 containerName string
          2 resource string!
          3 divisor quantity =0
        type ConfigMapKeySelector
          1 inline LocalObjectReference
          2 key string!
          3 optional bool? -- Whether the pod starts although the source is not there.
        type SecretKeySelector
          1 inline LocalObjectReference
          2 key string!
          3 optional bool? -- Whether the pod starts although the source is not there.
        type ResourceRequirements -- Computing resources.
          1 limits {}quantity -- The most that may be used, by resource.
          2 requests {}quantity -- What is set aside, by resource; the limit where it is left out.
          3 claims []ResourceClaim map(name) -- Entries of the pod's resourceClaims that this container uses.
        type ResourceClaim
          1 name string!
          2 request string
        type ContainerResizePolicy
          1 resourceName string!
          2 restartPolicy enum(NotRequired|RestartContainer)!
        type VolumeMount -- Where a volume appears in a container.
          1 name string! -- Name of the volume.
          2 readOnly bool -- Whether it cannot be written.
          7 recursiveReadOnly enum(Disabled|IfPossible|Enabled)?
          3 mountPath string! -- Path in the container.
          4 subPath string -- Path in the volume that is mounted in place of its root.
          5 mountPropagation enum(None|HostToContainer|Bidirectional)? -- Whether later mounts are seen: None, HostToContainer or Bidirectional.
          6 subPathExpr string
        type VolumeDevice
          1 name string!
          2 devicePath string!
        type Probe -- A check of a container that is repeated.
          1 inline ProbeHandler
          2 initialDelaySeconds int32 -- Seconds after the start until the first check.
          3 timeoutSeconds int32 =1 -- Seconds after which a check has failed.
          4 periodSeconds int32 =10 -- Seconds between checks.
          5 successThreshold int32 =1 -- Successes in a row that end a failure.
          6 failureThreshold int32 =3 -- Failures in a row that count as one.
          7 terminationGracePeriodSeconds int64?
        type ProbeHandler
          1 exec ExecAction
          2 httpGet HTTPGetAction
          3 tcpSocket TCPSocketAction
          4 grpc GRPCAction
        type ExecAction -- A program in the container; exit code 0 is a success.
          1 command []string
        type HTTPGetAction -- A request over HTTP; answers from 200 to 399 are a success.
          1 path string =/
          2 port intOrString!
          3 host string
          4 scheme enum(HTTP|HTTPS) =HTTP
          5 httpHeaders []HTTPHeader
        type HTTPHeader
          1 name string!
          2 value string!
        type TCPSocketAction -- A connection; to be accepted is a success.
          1 port intOrString!
          2 host string
        type GRPCAction -- gRPC's health check.
          1 port int32!
          2 service string? =
        type Lifecycle
          1 postStart LifecycleHandler
          2 preStop LifecycleHandler
          3 stopSignal string?
        type LifecycleHandler
          1 exec ExecAction
          2 httpGet HTTPGetAction
          3 tcpSocket TCPSocketAction
          4 sleep SleepAction
        type SleepAction
          1 seconds int64
        type SecurityContext -- Restrictions of one container; they go before the pod's.
          1 capabilities Capabilities -- Capabilities to add and to drop.
          2 privileged bool? -- Whether the container is as free as a process of the node.
          3 seLinuxOptions SELinuxOptions
          10 windowsOptions WindowsSecurityContextOptions
          4 runAsUser int64? -- User id of the first process.
          8 runAsGroup int64? -- Group id of the first process.
          5 runAsNonRoot bool? -- Refuses to start as user 0.
          6 readOnlyRootFilesystem bool? -- Whether the image's files cannot be written.
          7 allowPrivilegeEscalation bool? -- Whether a process may get more privileges than its parent.
          9 procMount enum(Default|Unmasked)?
          11 seccompProfile SeccompProfile -- Which system calls are permitted.
          12 appArmorProfile AppArmorProfile
        type Capabilities
          1 add []string
          2 drop []string
        type SELinuxOptions
          1 user string
          2 role string
          3 type string
          4 level string
        type WindowsSecurityContextOptions
          1 gmsaCredentialSpecName string?
          2 gmsaCredentialSpec string?
          3 runAsUserName string?
          4 hostProcess bool?
        type SeccompProfile
          1 type enum(Unconfined|RuntimeDefault|Localhost)!
          2 localhostProfile string?
        type AppArmorProfile
          1 type enum(Unconfined|RuntimeDefault|Localhost)!
          2 localhostProfile string?
        type EphemeralContainer
          1 inline EphemeralContainerCommon
          2 targetContainerName string
        type EphemeralContainerCommon
          1 name string!
          2 image string
          3 command []string
          4 args []string
          5 workingDir string
          6 ports []ContainerPort merge(containerPort) map(containerPort,protocol)
          19 envFrom []EnvFromSource
          7 env []EnvVar merge(name)
          8 resources ResourceRequirements ={}
          23 resizePolicy []ContainerResizePolicy
          24 restartPolicy enum(Always)?
          9 volumeMounts []VolumeMount merge(mountPath)
          21 volumeDevices []VolumeDevice merge(devicePath)
          10 livenessProbe Probe
          11 readinessProbe Probe
          22 startupProbe Probe
          12 lifecycle Lifecycle
          13 terminationMessagePath string =/dev/termination-log
          20 terminationMessagePolicy enum(File|FallbackToLogsOnError) =File
          14 imagePullPolicy enum(Always|Never|IfNotPresent)
          15 securityContext SecurityContext
          16 stdin bool
          17 stdinOnce bool
          18 tty bool
        type ObjectReference -- An object, by kind and name.
          1 kind string
          2 namespace string -- Namespace of the object.
          3 name string
          4 uid string
          5 apiVersion string -- Group and version of the object.
          6 resourceVersion string
          7 fieldPath string
        type TypedLocalObjectReference
          1 apiGroup string?
          2 kind string
          3 name string
        """#)
}
