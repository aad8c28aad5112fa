// Kuscia's kinds in JSON, as Kuscia writes them.
import JSON
import KubernetesModel
import KusciaModel
import Testing

@Suite("Kuscia's kinds")
struct KusciaCodingTests {
    private func decode<T: Decodable>(_ type: T.Type, _ text: String) throws -> T {
        try JSON.decode(type, from: Array(text.utf8))
    }

    @Test("a job as Kuscia's users write it")
    func job() throws {
        let job = try decode(
            KusciaJob.self,
            """
            {"apiVersion":"kuscia.secretflow/v1alpha1","kind":"KusciaJob","metadata":{"name":"j","namespace":"cross-domain"},
             "spec":{"initiator":"alice","scheduleMode":"BestEffort","maxParallelism":2,"tasks":[
               {"taskID":"t1","alias":"psi","priority":100,"taskInputConfig":"{}","appImage":"psi","parties":[
                 {"domainID":"alice","role":"host","resources":{"limits":{"memory":"1Gi"}}},{"domainID":"bob"}]},
               {"taskID":"t2","alias":"check","dependencies":["psi"],"tolerable":true,"appImage":"check","parties":[]}]}}
            """)
        #expect(job.spec.scheduleMode == .bestEffort)
        #expect(job.spec.tasks[0].parties[0].resources?.limits["memory"]?.value == 1 << 30)
        #expect(job.spec.tasks[1].dependencies == ["psi"] && job.spec.tasks[1].tolerable == true)
        #expect(job.status.phase == nil)
        #expect(try JSON.decode(KusciaJob.self, from: JSON.encode(job)) == job)
    }

    @Test("a task's status keeps Kuscia's field names")
    func taskStatus() throws {
        let status = KusciaTaskStatus(
            phase: .running, progress: 0.5,
            partyTaskStatus: [.init(domainID: "alice", role: "host", phase: .running)],
            podStatuses: [
                "alice/t-0": .init(podPhase: .running, nodeName: "n", usage: .init(containers: ["c": .init(cpuSeconds: 1.5)]))
            ],
            allocatedPorts: [.init(domainID: "alice", role: "host", namedPort: ["t-0/spu": 20000])])
        let value = try JSON.encodeToValue(status)
        #expect(value[path: "podStatuses", "alice/t-0", "podPhase"] == "Running")
        #expect(value["allocatedPorts"]?[0]?[path: "namedPort", "t-0/spu"] == 20000)
        #expect(value["partyTaskStatus"]?[0] == ["domainID": "alice", "role": "host", "phase": "Running"])
        #expect(try JSON.decode(KusciaTaskStatus.self, from: value) == status)
    }

    @Test("an AppImage with templates, scopes and mounts")
    func appImage() throws {
        let image = try decode(
            AppImage.self,
            """
            {"metadata":{"name":"psi"},"spec":{"image":{"name":"psi","tag":"0.9.5"},"configTemplates":{"task.conf":"{{.TASK_ID}}"},
             "deployTemplates":[{"name":"psi","role":"host,guest","replicas":1,"spec":{"restartPolicy":"Never","containers":[
               {"name":"c","command":["sh"],"configVolumeMounts":[{"mountPath":"/etc/task.conf","subPath":"task.conf"}],
                "ports":[{"name":"spu","protocol":"GRPC","scope":"Cluster"},{"name":"x","scope":"Local"}]}]}}]}}
            """)
        #expect(image.spec.image.reference == "psi:0.9.5")
        let container = image.spec.deployTemplates[0].spec.containers[0]
        #expect(container.ports.map(\.scope) == [.cluster, .local])
        #expect(container.configVolumeMounts == [.init(mountPath: "/etc/task.conf", subPath: "task.conf")])
        #expect(AppImage.apiVersion == "kuscia.secretflow/v1alpha1" && !AppImage.namespaced)
    }

    @Test("engines read the cluster and the ports in protojson's shape, empty fields included")
    func taskConfig() throws {
        let cluster = ClusterDefine(
            parties: [.init(name: "alice", role: "", services: [.init(portName: "spu", endpoints: ["t-0-spu.alice.svc:20000"])])],
            selfPartyIdx: 0, selfEndpointIdx: 0)
        #expect(
            try JSON.encodeToValue(cluster) == [
                "parties": [
                    ["name": "alice", "role": "", "services": [["portName": "spu", "endpoints": ["t-0-spu.alice.svc:20000"]]]]
                ],
                "selfPartyIdx": 0, "selfEndpointIdx": 0,
            ])
        let ports = AllocatedPorts(ports: [.init(name: "spu", port: 20000, scope: .cluster, protocol: "GRPC")])
        #expect(
            try JSON.encodeToValue(ports) == ["ports": [["name": "spu", "port": 20000, "scope": "Cluster", "protocol": "GRPC"]]])
    }

    @Test("every phase has Kuscia's word")
    func phases() {
        #expect(
            KusciaJobPhase.allCases.map(\.rawValue) == [
                "Initialized", "AwaitingApproval", "ApprovalReject", "Pending", "Running", "Succeeded", "Failed", "Suspended",
                "Cancelled",
            ])
        #expect(KusciaTaskPhase.allCases.map(\.rawValue) == ["Pending", "Running", "Succeeded", "Failed"])
    }
}
