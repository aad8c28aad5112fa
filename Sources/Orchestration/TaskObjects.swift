// The objects of a task in its parties' namespaces: pods, services and config maps. Names and contents follow from the
// layout alone.
import KubernetesModel
import KusciaModel

/// Where things lie inside a task's container.
public enum TaskPaths {
    /// The domain's input data, read-only; Kuscia's path of a domain's storage.
    public static let domainData = "/home/kuscia/var/storage/data"
    /// Results of the job's tasks in this domain; stays after the job.
    public static let jobData = "/home/kuscia/var/storage/job"
    /// Scratch, gone with the pod; also TMPDIR and HOME.
    public static let scratch = "/scratch"
}

extension TaskLayout {
    /// The pods' annotation that says to which attempt at finding free ports they belong.
    public static let attemptAnnotation = "kuscia.secretflow/port-attempt"

    private var owner: [OwnerReference] { OwnerReference(controller: task).map { [$0] } ?? [] }
    private var jobID: String { task.metadata.labels[KusciaLabel.jobID] ?? task.metadata.name }

    private func labels(_ pod: TaskPod) -> [String: String] {
        var labels = [
            KusciaLabel.controller: KusciaLabel.taskController, KusciaLabel.taskID: task.metadata.name, KusciaLabel.jobID: jobID,
            KusciaLabel.domain: pod.domain,
        ]
        labels[KusciaLabel.taskAlias] = task.metadata.labels[KusciaLabel.taskAlias]
        if !pod.role.isEmpty { labels[KusciaLabel.role] = pod.role }
        return labels
    }

    private func templateMapName(_ party: Party) -> String {
        let role = party.spec.role ?? ""
        return "\(task.metadata.name)-\(role.isEmpty ? "" : "\(role)-")configtemplate"
    }

    private func valuesMapName(_ pod: TaskPod) -> String { "\(pod.name)-kuscia-gen-conf" }

    public var hostsMapName: String { "\(task.metadata.name)-hosts" }

    /// Templates per party, values per pod.
    public func configMaps(ports: [PartyAllocatedPorts]) throws -> [ConfigMap] {
        var maps: [ConfigMap] = []
        for party in parties {
            guard let first = party.pods.first else { continue }
            maps.append(
                ConfigMap(
                    metadata: ObjectMeta(
                        name: templateMapName(party), namespace: party.spec.domainID, labels: labels(first),
                        ownerReferences: owner),
                    data: party.image.spec.configTemplates))
            for pod in party.pods {
                maps.append(
                    ConfigMap(
                        metadata: ObjectMeta(
                            name: valuesMapName(pod), namespace: pod.domain, labels: labels(pod), ownerReferences: owner),
                        data: try configValues(for: pod, ports: ports)))
            }
        }
        return maps
    }

    /// One per namespace: every party must find every other.
    public func hostsMaps(_ hosts: String) -> [ConfigMap] {
        var seen: Set<String> = []
        return parties.compactMap { party in
            guard let first = party.pods.first, seen.insert(party.spec.domainID).inserted else { return nil }
            return ConfigMap(
                metadata: ObjectMeta(
                    name: hostsMapName, namespace: party.spec.domainID, labels: labels(first), ownerReferences: owner),
                data: ["hosts": hosts])
        }
    }

    /// Headless, one per port that other containers may reach.
    public func services(ports: [PartyAllocatedPorts]) -> [Service] {
        portKeys.compactMap { pod, port in
            guard port.isReachable, let number = number(of: port, in: pod, ports) else { return nil }
            return Service(
                metadata: ObjectMeta(
                    name: serviceName(pod, port), namespace: pod.domain, labels: labels(pod),
                    annotations: ["kuscia.secretflow/protocol": port.protocol ?? "HTTP"], ownerReferences: owner),
                spec: ServiceSpec(
                    type: "ClusterIP", clusterIP: "None", selector: [KusciaLabel.taskID: task.metadata.name],
                    ports: [ServicePort(name: port.name, protocol: "TCP", port: number)], publishNotReadyAddresses: true))
        }
    }

    public func podObjects(ports: [PartyAllocatedPorts], attempt: Int) -> [Pod] {
        parties.flatMap { party in party.pods.map { podObject($0, party, ports, attempt) } }
    }

    private func podObject(_ pod: TaskPod, _ party: Party, _ ports: [PartyAllocatedPorts], _ attempt: Int) -> Pod {
        Pod(
            metadata: ObjectMeta(
                name: pod.name, namespace: pod.domain, labels: labels(pod), annotations: annotations(pod, party, ports, attempt),
                ownerReferences: owner),
            spec: PodSpec(
                volumes: volumes(pod, party),
                containers: party.containers.map { container($0, pod, party, ports) },
                restartPolicy: party.spec.template?.spec?.restartPolicy ?? party.template.spec.restartPolicy ?? .never,
                nodeSelector: [KusciaLabel.nodeNamespace: pod.domain], hostNetwork: true, schedulerName: Kuscia.schedulerName,
                tolerations: [
                    Toleration(key: Kuscia.agentTaintKey, operator: "Exists", effect: .noSchedule)
                ],
                runtimeClassName: party.spec.template?.spec?.runtimeClassName ?? party.template.spec.runtimeClassName))
    }

    private func annotations(_ pod: TaskPod, _ party: Party, _ ports: [PartyAllocatedPorts], _ attempt: Int) -> [String: String] {
        var annotations = [
            KusciaAnnotation.podGroup: task.metadata.name,
            KusciaAnnotation.podGroupSize: "\(pods.count)",
            KusciaAnnotation.podGroupMinMembers: "\(neededPods)",
            KusciaAnnotation.configTemplateVolumes: Kuscia.configTemplateVolume,
            KusciaAnnotation.configTemplateValues: valuesMapName(pod),
            KusciaAnnotation.hostsConfigMap: hostsMapName,
            Self.attemptAnnotation: "\(attempt)",
            // Whoever takes over an engine finds no other service on the organisations' networks.
            KusciaAnnotation.tcpConnect: tcpPorts(ports).map(String.init).joined(separator: ","),
        ]
        annotations[KusciaAnnotation.taskAlias] = task.metadata.annotations[KusciaAnnotation.taskAlias]
        let wishes = party.image.metadata.annotations.filter { KusciaAnnotation.ofAppImage.contains($0.key) }
        annotations.merge(wishes) { $1 }
        if let id = party.image.spec.image.id, !id.isEmpty { annotations[KusciaAnnotation.imageID] = id }
        return annotations
    }

    /// Every port that any container of the task listens on.
    private func tcpPorts(_ ports: [PartyAllocatedPorts]) -> [Int] {
        Set(portKeys.compactMap { pod, port in number(of: port, in: pod, ports) }).sorted()
    }

    private func volumes(_ pod: TaskPod, _ party: Party) -> [Volume] {
        [
            Volume(name: Kuscia.configTemplateVolume, configMap: ConfigMapVolumeSource(name: templateMapName(party))),
            Volume(
                name: "domain-data",
                persistentVolumeClaim: PersistentVolumeClaimVolumeSource(claimName: "domain-data", readOnly: true)),
            Volume(name: "job-data", persistentVolumeClaim: PersistentVolumeClaimVolumeSource(claimName: "job-\(jobID)")),
            Volume(name: "scratch", emptyDir: EmptyDirVolumeSource()),
        ]
    }

    private func container(
        _ template: AppImageContainer, _ pod: TaskPod, _ party: Party, _ ports: [PartyAllocatedPorts]
    ) -> Container {
        Container(
            name: template.name, image: party.image.spec.image.reference, command: template.command, args: template.args,
            workingDir: template.workingDir ?? TaskPaths.scratch,
            ports: template.ports.compactMap { port in
                number(of: port, in: pod, ports).map {
                    ContainerPort(name: port.name, hostPort: $0, containerPort: $0, protocol: "TCP")
                }
            },
            envFrom: template.envFrom, env: environment(template, pod, ports), resources: template.resources,
            volumeMounts: mounts(template), livenessProbe: template.livenessProbe, readinessProbe: template.readinessProbe,
            startupProbe: template.startupProbe, imagePullPolicy: template.imagePullPolicy,
            securityContext: template.securityContext)
    }

    private func mounts(_ template: AppImageContainer) -> [VolumeMount] {
        template.configVolumeMounts.map {
            VolumeMount(
                name: Kuscia.configTemplateVolume, readOnly: true, mountPath: $0.mountPath,
                subPath: $0.subPath.isEmpty ? nil : $0.subPath)
        } + [
            VolumeMount(name: "domain-data", readOnly: true, mountPath: TaskPaths.domainData),
            VolumeMount(name: "job-data", mountPath: TaskPaths.jobData),
            VolumeMount(name: "scratch", mountPath: TaskPaths.scratch),
        ]
    }

    /// Ours first, so that the AppImage may override any.
    private func environment(_ template: AppImageContainer, _ pod: TaskPod, _ ports: [PartyAllocatedPorts]) -> [EnvVar] {
        var variables = [
            EnvVar(name: "KUSCIA_DOMAIN_ID", value: pod.domain), EnvVar(name: "TASK_ID", value: task.metadata.name),
            EnvVar(name: "POD_IP", valueFrom: EnvVarSource(fieldRef: ObjectFieldSelector(fieldPath: "status.podIP"))),
            EnvVar(name: "TMPDIR", value: TaskPaths.scratch), EnvVar(name: "HOME", value: TaskPaths.scratch),
        ]
        if let cpu = template.resources.limits["cpu"] { variables.append(EnvVar(name: "CONTAINER_CPU_LIMIT", value: cpu.text)) }
        if let memory = template.resources.limits["memory"] {
            // Kuscia's form: whole mebibytes.
            variables.append(EnvVar(name: "CONTAINER_MEM_LIMIT", value: "\(memory.value / (1 << 20))Mi"))
        }
        for port in pod.ports {
            let name = port.name.uppercased().map { $0 == "-" ? "_" : $0 }
            variables.append(
                EnvVar(name: "KUSCIA_PORT_\(String(name))_NUMBER", value: number(of: port, in: pod, ports).map(String.init) ?? "")
            )
        }
        return variables.filter { ours in !template.env.contains { $0.name == ours.name } } + template.env
    }
}
