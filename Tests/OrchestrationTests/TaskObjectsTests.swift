// The objects of a task, field by field.
import KubernetesModel
import KusciaModel
import Orchestration
import Testing

@Suite("the objects of a task") struct TaskObjectsTests {
    private func layout(_ task: KusciaTask = task(), _ image: AppImage = appImage()) throws -> TaskLayout {
        try TaskLayout(task) { _ in image }
    }

    private func firstPod(_ task: KusciaTask = task(), _ image: AppImage = appImage()) throws -> Pod {
        let layout = try layout(task, image)
        return try #require(layout.podObjects(ports: layout.allocatedPorts([21000, 21001, 21002, 21003]), attempt: 2).first)
    }

    @Test("a pod carries the labels, gang, configuration and owner that the others look for")
    func metadata() throws {
        let pod = try firstPod(task([party("alice", role: "guest"), party("bob")]))
        #expect(pod.namespacedName == "alice/psi-1-guest-0")
        #expect(
            pod.metadata.labels == [
                "kuscia.secretflow/controller": "kusciatask", "kuscia.secretflow/task-id": "psi-1",
                "kuscia.secretflow/job-id": "job-1",
                "kuscia.secretflow/task-alias": "psi", "kuscia.secretflow/domain": "alice", "kuscia.secretflow/role": "guest",
            ])
        #expect(
            pod.metadata.annotations == [
                "kuscia.secretflow/pod-group": "psi-1", "kuscia.secretflow/pod-group-size": "2",
                "kuscia.secretflow/pod-group-min-members": "2", "kuscia.secretflow/config-template-volumes": "config-template",
                "kuscia.secretflow/config-template-value-cm-name": "psi-1-guest-0-kuscia-gen-conf",
                "kuscia.secretflow/hosts-cm-name": "psi-1-hosts", "kuscia.secretflow/port-attempt": "2",
                "kuscia.secretflow/tcp-connect": "21000,21001,21002,21003",
            ])
        #expect(
            pod.metadata.ownerReferences == [
                OwnerReference(
                    apiVersion: "kuscia.secretflow/v1alpha1", kind: "KusciaTask", name: "psi-1", uid: "task-uid",
                    controller: true,
                    blockOwnerDeletion: true)
            ])
    }

    @Test("a pod goes to its domain's agents, in their network, and is not restarted")
    func placement() throws {
        let spec = try firstPod().spec
        #expect(spec.nodeSelector == ["kuscia.secretflow/namespace": "alice"])
        #expect(spec.tolerations.map(\.key) == ["kuscia.secretflow/agent"])
        #expect(spec.schedulerName == "swiftlet-scheduler")
        #expect(spec.hostNetwork == true)
        #expect(spec.restartPolicy == .never)
    }

    @Test("the party's runtime class wins over the AppImage's, which wins over the node's own")
    func runtimeClass() throws {
        #expect(try firstPod().spec.runtimeClassName == nil)
        var image = appImage()
        image.spec.deployTemplates[0].spec.runtimeClassName = "runc"
        #expect(try firstPod(task(), image).spec.runtimeClassName == "runc")
        var alice = party("alice", role: "guest")
        alice.template = KusciaPodTemplate(spec: AppImagePodSpec(runtimeClassName: "kata"))
        #expect(try firstPod(task([alice, party("bob")]), image).spec.runtimeClassName == "kata")
    }

    @Test("a pod has the domain's data read-only, the job's writable, and scratch of its own")
    func volumes() throws {
        let pod = try firstPod()
        let claims = Dictionary(
            uniqueKeysWithValues: pod.spec.volumes.compactMap { volume in volume.persistentVolumeClaim.map { (volume.name, $0) } }
        )
        #expect(claims["domain-data"] == PersistentVolumeClaimVolumeSource(claimName: "domain-data", readOnly: true))
        #expect(claims["job-data"] == PersistentVolumeClaimVolumeSource(claimName: "job-job-1"))
        #expect(pod.spec.volumes.first { $0.name == "scratch" }?.emptyDir != nil)
        #expect(pod.spec.volumes.first { $0.name == "config-template" }?.configMap?.name == "psi-1-configtemplate")
        let mounts = Dictionary(uniqueKeysWithValues: pod.spec.containers[0].volumeMounts.map { ($0.mountPath, $0) })
        #expect(mounts["/home/kuscia/var/storage/data"]?.readOnly == true)
        #expect(mounts["/home/kuscia/var/storage/job"]?.readOnly == nil)
        #expect(mounts["/scratch"]?.name == "scratch")
        #expect(mounts["/conf/task.json"]?.subPath == "task.json")
        #expect(mounts["/conf/task.json"]?.readOnly == true)
    }

    @Test("a container has its ports and environment; the image's own variables win")
    func container() throws {
        let container = try firstPod().spec.containers[0]
        #expect(container.image == "psi:0.9.5")
        #expect(container.command == ["/bin/psi"])
        #expect(container.workingDir == "/scratch")
        #expect(
            container.ports == [
                ContainerPort(name: "spu", hostPort: 21000, containerPort: 21000, protocol: "TCP"),
                ContainerPort(name: "inner-metrics", hostPort: 21001, containerPort: 21001, protocol: "TCP"),
            ])
        let env = Dictionary(uniqueKeysWithValues: container.env.map { ($0.name, $0) })
        #expect(env["KUSCIA_DOMAIN_ID"]?.value == "alice")
        #expect(env["TASK_ID"]?.value == "psi-1")
        #expect(env["TMPDIR"]?.value == "/scratch")
        #expect(env["HOME"]?.value == "/root")
        #expect(env["POD_IP"]?.valueFrom?.fieldRef?.fieldPath == "status.podIP")
        #expect(env["KUSCIA_PORT_SPU_NUMBER"]?.value == "21000")
        #expect(env["KUSCIA_PORT_INNER_METRICS_NUMBER"]?.value == "21001")
        #expect(env["CONTAINER_MEM_LIMIT"]?.value == "2048Mi")
        #expect(env["CONTAINER_CPU_LIMIT"] == nil)
    }

    @Test("a party's command and arguments replace the template's together, its variables come after", arguments: ["engine", ""])
    func overrides(name: String) throws {
        var alice = party("alice")
        let variables = [EnvVar(name: "HOME", value: "/"), EnvVar(name: "A", value: "1")]
        var change = AppImageContainer(name: name, command: ["/bin/sh"], env: variables)
        func container() throws -> Container {
            alice.template = KusciaPodTemplate(spec: AppImagePodSpec(containers: [change]))
            return try firstPod(task([alice])).spec.containers[0]
        }
        let found = try container()
        #expect(found.command == ["/bin/sh"])
        #expect(found.args.isEmpty)
        #expect(found.env.suffix(2) == variables[...])
        #expect(found.env.count { $0.name == "HOME" } == 1)
        change = AppImageContainer(name: name, env: [EnvVar(name: "A", value: "1")])
        #expect(try container().command == ["/bin/psi"])
        #expect(try container().args == ["--config=/conf/task.json"])
        #expect(try container().env.suffix(2) == [EnvVar(name: "HOME", value: "/root"), EnvVar(name: "A", value: "1")])
    }

    /// Amounts in milli-units of "cpu" alone: template's and party's limit and request, and what comes out.
    struct Merge: Sendable {
        var template: (Int64?, Int64?)
        var party: (Int64?, Int64?)?
        var result: (Int64?, Int64?)
    }

    @Test(
        "the party's resources go over the template's, and a request never exceeds the limit",
        arguments: [
            Merge(template: (nil, nil), party: nil, result: (nil, nil)), Merge(template: (2, nil), party: nil, result: (2, 2)),
            Merge(template: (2, 1), party: nil, result: (2, 1)), Merge(template: (2, 1), party: (4, nil), result: (4, 1)),
            Merge(template: (8, 6), party: (4, nil), result: (4, 4)), Merge(template: (8, 6), party: (4, 3), result: (4, 3)),
            Merge(template: (nil, 6), party: (4, nil), result: (4, 4)), Merge(template: (8, 6), party: (nil, 7), result: (8, 7)),
        ])
    func resources(merge: Merge) throws {
        func requirements(_ pair: (Int64?, Int64?)) -> ResourceRequirements {
            ResourceRequirements(
                limits: pair.0.map { ["cpu": Quantity(millis: $0)] } ?? [:],
                requests: pair.1.map { ["cpu": Quantity(millis: $0)] } ?? [:])
        }
        var image = appImage()
        image.spec.deployTemplates[0].spec.containers[0].resources = requirements(merge.template)
        for name in ["engine", ""] {
            var alice = party("alice")
            alice.template = merge.party.map {
                KusciaPodTemplate(spec: AppImagePodSpec(containers: [AppImageContainer(name: name, resources: requirements($0))]))
            }
            let found = try firstPod(task([alice]), image).spec.containers[0].resources
            #expect(found.limits["cpu"]?.milliValue == merge.result.0)
            #expect(found.requests["cpu"]?.milliValue == merge.result.1)
        }
    }

    @Test("there is a service for each reachable port, headless and known before its pod is ready")
    func services() throws {
        let layout = try layout()
        let services = layout.services(ports: layout.allocatedPorts([21000, 21001, 21002, 21003]))
        #expect(services.map(\.namespacedName) == ["alice/psi-1-0-spu", "bob/psi-1-0-spu"])
        #expect(services[1].spec.ports.map(\.port) == [21002])
        #expect(services[0].spec.clusterIP == "None")
        #expect(services[0].spec.publishNotReadyAddresses == true)
    }

    @Test("templates are per party, values per pod, hosts per namespace")
    func configMaps() throws {
        let layout = try layout(task([party("alice"), party("alice", role: "b"), party("bob", replicas: 2)]))
        let maps = try layout.configMaps(ports: layout.allocatedPorts(Array(21000..<21008)))
        #expect(
            maps.map(\.namespacedName) == [
                "alice/psi-1-configtemplate", "alice/psi-1-0-kuscia-gen-conf", "alice/psi-1-b-configtemplate",
                "alice/psi-1-b-0-kuscia-gen-conf", "bob/psi-1-configtemplate", "bob/psi-1-0-kuscia-gen-conf",
                "bob/psi-1-1-kuscia-gen-conf",
            ])
        #expect(maps[0].data == ["task.json": "{{.TASK_ID}}"])
        #expect(maps.allSatisfy { $0.metadata.ownerReferences.map(\.uid) == ["task-uid"] })
        #expect(layout.hostsMaps("x\n").map(\.namespacedName) == ["alice/psi-1-hosts", "bob/psi-1-hosts"])
    }
}
