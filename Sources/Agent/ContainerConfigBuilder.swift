// A pod's spec in the runtime's words.
import AgentCore
import KubernetesModel
import RuntimeInterface

struct ContainerConfigBuilder: Sendable {
    let config: AgentConfig
    let paths: AgentPaths
    let allocatable: PodResources

    /// `handler`: of the pod's RuntimeClass, where it is not the class' name.
    func sandbox(_ pod: Pod, _ hostAliases: [HostAlias], handler: String? = nil) throws(StepFailure) -> PodSandboxConfig {
        let (uid, namespace, name) = (pod.metadata.uid ?? "", pod.metadata.namespace ?? "", pod.metadata.name)
        let resolver = Resolver(pod) {
            Resolver(parsing: String(decoding: (try? DiskFiles.read(config.resolverFile)) ?? [], as: UTF8.self))
        }
        return PodSandboxConfig(
            podUID: uid, namespace: namespace, name: name, hostname: pod.spec.hostname ?? name,
            stateDirectory: paths.runtime(uid), logDirectory: paths.logs(namespace: namespace, name: name, uid: uid),
            hostAliases: hostAliases, nameservers: resolver.nameservers, searches: resolver.searches, limits: podLimits(pod),
            annotations: pod.metadata.annotations,
            handler: handler ?? pod.spec.runtimeClassName.flatMap { $0.isEmpty ? nil : $0 }, network: try network(pod),
            kernelParameters: (pod.spec.securityContext?.sysctls ?? []).map { KernelParameter(name: $0.name, value: $0.value) },
            portMappings: portMappings(pod), hostUsers: pod.spec.hostUsers ?? false, resolverOptions: resolver.options,
            soleContainer: pod.spec.containers.count == 1 && pod.spec.initContainers.isEmpty
                ? pod.spec.containers.first?.name : nil)
    }

    private func portMappings(_ pod: Pod) -> [PodPortMapping] {
        (NodeAdmission.sidecars(of: pod) + pod.spec.containers).flatMap(\.ports).compactMap { port in
            guard let node = port.hostPort.flatMap(UInt16.init(exactly:)), let own = UInt16(exactly: port.containerPort) else {
                return nil
            }
            return PodPortMapping(hostPort: node, containerPort: own, protocol: (port.protocol ?? "TCP").lowercased())
        }
    }

    private func network(_ pod: Pod) throws(StepFailure) -> PodNetwork {
        do throws(PodWishError) {
            return switch try NetworkWish(pod) {
            case .host(let bind, let connect): .host(TCPRule(bind: bind, connect: connect))
            case .none: .none
            case .cni(let name): .cni(name: name)
            }
        } catch { throw StepFailure(reason: "FailedCreatePodSandBox", message: "\(error)", retriable: false) }
    }

    func container(
        _ container: Container, attempt: Int, of pod: Pod, mounts: [ContainerMount],
        environment: [(name: String, value: String)], devices: [String] = []
    ) -> ContainerConfig {
        let lookUp = { (name: String) in environment.first { $0.name == name }?.value }
        let security = container.securityContext
        return ContainerConfig(
            name: container.name, attempt: attempt, image: container.image ?? "",
            command: container.command.map { VariableExpansion.expand($0, lookUp) },
            args: container.args.map { VariableExpansion.expand($0, lookUp) },
            environment: environment.map { EnvironmentVariable(name: $0.name, value: $0.value) },
            workingDirectory: container.workingDir.flatMap { $0.isEmpty ? nil : $0 }, mounts: mounts,
            limits: limits(container), readOnlyRootFilesystem: security?.readOnlyRootFilesystem,
            runAsUser: security?.runAsUser ?? pod.spec.securityContext?.runAsUser,
            runAsGroup: security?.runAsGroup ?? pod.spec.securityContext?.runAsGroup,
            seccompProfile: seccomp(security?.seccompProfile ?? pod.spec.securityContext?.seccompProfile),
            logPath: paths.log(
                namespace: pod.metadata.namespace ?? "", name: pod.metadata.name, uid: pod.metadata.uid ?? "",
                container: container.name, attempt: attempt),
            supplementalGroups: groups(pod), privileges: privileges(security),
            // The agent ends the pod at its deadline; this holds when there is no agent.
            deadlineSeconds: pod.spec.activeDeadlineSeconds,
            devices: devices.map { ContainerDevice(hostPath: $0, containerPath: $0) }, console: console(container),
            runAsNonRoot: NodePermissions.refusesRoot(container, pod), stopSignal: container.lifecycle?.stopSignal)
    }

    private func console(_ container: Container) -> ContainerConsole? {
        let console = ContainerConsole(
            stdin: container.stdin ?? false, stdinOnce: container.stdinOnce ?? false, tty: container.tty ?? false)
        return console.stdin || console.tty ? console : nil
    }

    private func groups(_ pod: Pod) -> [Int64] {
        let context = pod.spec.securityContext
        return (context?.supplementalGroups ?? []) + (context?.fsGroup.map { [$0] } ?? [])
    }

    /// Nothing is kept by default, so `drop` has nothing to do but to take back what `add: [ALL]` gave.
    private func privileges(_ security: SecurityContext?) -> ContainerPrivileges? {
        guard let security else { return nil }
        let dropped = Set(security.capabilities?.drop.map(NodePermissions.capabilityName) ?? [])
        let added = (security.capabilities?.add ?? []).map(NodePermissions.capabilityName).filter { !dropped.contains($0) }
        return ContainerPrivileges(
            capabilities: added, privileged: security.privileged ?? false, unmaskedProc: security.procMount == "Unmasked")
    }

    private func limits(_ container: Container) -> RuntimeLimits {
        RuntimeLimits(
            memoryBytes: container.resources.limits["memory"]?.value, cpuMillis: container.resources.limits["cpu"]?.milliValue,
            pids: config.pidsLimit, logBytes: config.logs.maximumFileBytes, tmpBytes: config.tmpLimitBytes,
            cpuRequestMillis: (container.resources.requests["cpu"] ?? container.resources.limits["cpu"])?.milliValue,
            ephemeralStorageBytes: container.resources.limits["ephemeral-storage"]?.value, logFiles: config.logs.maximumFiles,
            logAgeSeconds: config.logs.maximumAgeSeconds)
    }

    private func podLimits(_ pod: Pod) -> RuntimeLimits {
        RuntimeLimits(
            memoryBytes: PodLimits.total("memory", of: pod, in: \.value),
            cpuMillis: PodLimits.total("cpu", of: pod, in: \.milliValue),
            pids: config.pidsLimit.saturatingMultiplied(by: Int64(PodLimits.containersAtOnce(pod))),
            // Between pods the weights of their own groups count; a container's only beside its pod's other ones.
            cpuRequestMillis: PodResources(requestedBy: pod).cpuMillis)
    }

    private func seccomp(_ profile: SeccompProfile?) -> String {
        switch profile?.type {
        case "Unconfined": "Unconfined"
        case "Localhost": "Localhost/" + (profile?.localhostProfile ?? "")
        default: "RuntimeDefault"
        }
    }
}
