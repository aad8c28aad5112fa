// Which pods, names and ports a task gets.
import JSON
import KubernetesModel
import KusciaModel
import Orchestration
import Testing

@Suite("TaskLayout") struct TaskLayoutTests {
    private func layout(_ task: KusciaTask, _ image: AppImage = appImage()) throws -> TaskLayout {
        try TaskLayout(task) { $0 == "psi-image" ? image : nil }
    }

    private func defect(_ task: KusciaTask, _ image: AppImage = appImage()) -> String {
        do {
            _ = try layout(task, image)
            return "no defect"
        } catch {
            return "\(error)"
        }
    }

    @Test("pods are named after task, role and number; the party's replicas go before the image's")
    func names() throws {
        let image = appImage(replicas: 2, roles: [nil, "server,guest"])
        let pods = try layout(
            task([party("alice", role: "server"), party("bob", role: "x", replicas: 1), party("carol")]), image
        ).pods
        #expect(
            pods.map { "\($0.domain)/\($0.name)" }
                == ["alice/psi-1-server-0", "alice/psi-1-server-1", "bob/psi-1-x-0", "carol/psi-1-0", "carol/psi-1-1"])
        #expect(pods.map(\.partyIndex) == [0, 0, 1, 2, 2])
        #expect(pods.map(\.replica) == [0, 1, 0, 0, 1])
    }

    @Test("a role takes the template that names it, else the one for every role, else none")
    func roles() throws {
        let image = appImage(roles: ["server", "client , host"])
        #expect(try layout(task([party("alice", role: "server")]), image).parties[0].template.role == "server")
        #expect(
            defect(task([party("alice", role: "third")]), image).hasPrefix(
                #"spec.parties[0].role: AppImage "psi-image" has no deploy template for role "third"; it has "server""#))
    }

    @Test("a party without a role takes the template without one, else the first")
    func noRole() throws {
        #expect(try layout(task([party("alice")]), appImage(roles: ["server", "client"])).parties[0].template.role == "server")
        #expect(try layout(task([party("alice")]), appImage(roles: ["server", nil])).parties[0].template.role == nil)
    }

    @Test("a service's name has 63 letters at most, is the same wherever it is used, and differs where the long ones do")
    func longServiceNames() throws {
        let name = String(repeating: "psi-", count: 14) + "task"
        let ports = [AppImagePort(name: "spu-inner-1", scope: .cluster), AppImagePort(name: "spu-inner-2", scope: .cluster)]
        let layout = try layout(task([party("alice"), party("bob")], name: name), appImage(ports: ports))
        let numbers = layout.allocatedPorts([21000, 21001, 21002, 21003])
        let names = layout.services(ports: numbers).map(\.metadata.name)
        #expect(names.allSatisfy { $0.utf8.count == 63 && $0.hasPrefix("psi-psi-") && DNSLabel.isValid($0) })
        #expect(Set(names.prefix(2)).count == 2)
        let define = try layout.configValues(for: layout.pods[0], ports: numbers)["TASK_CLUSTER_DEFINE"] ?? ""
        let hosts = layout.hosts { _ in "10.0.0.1" }
        for service in layout.services(ports: numbers) {
            let host = "\(service.metadata.name).\(service.metadata.namespace ?? "").svc"
            #expect(define.contains("\"\(host):"))
            #expect(hosts.contains(" \(host)\n"))
        }
    }

    @Test("a change of a container that the deploy template does not have is refused", arguments: ["sidecar", ""])
    func strayContainer(name: String) {
        var alice = party("alice")
        let changes = ["engine", name].map { AppImageContainer(name: $0, command: ["a"]) }
        alice.template = KusciaPodTemplate(spec: AppImagePodSpec(containers: changes))
        let words = #"found "\#(name)", the deploy template has no such container; it has "engine""#
        #expect(defect(task([alice])) == "spec.parties[0].template.spec.containers[1]: \(words)")
    }

    @Test("more pods than a task may have are refused before any is laid out", arguments: [1_001, Int(Int32.max), .max])
    func tooMany(replicas: Int) throws {
        #expect(try layout(task([party("alice", replicas: 600), party("bob", replicas: 400)])).pods.count == 1_000)
        #expect(defect(task([party("alice", replicas: replicas)])).hasPrefix("spec.parties[0].template.replicas: found \(replicas)"))
        #expect(defect(task([party("alice", replicas: 600), party("bob", replicas: 401)])).hasPrefix("spec.parties[1].template.replicas"))
        #expect(defect(task([party("alice")]), appImage(replicas: replicas)).hasPrefix("spec.parties[0].template.replicas"))
    }

    @Test("what cannot work is refused with the field's path")
    func defects() {
        var unknown = party("bob")
        unknown.appImageRef = "nowhere"
        #expect(defect(task([party("alice"), unknown])) == #"spec.parties[1].appImageRef: AppImage "nowhere" not found"#)
        #expect(defect(task([])) == "spec.parties: the task has no pods")
        #expect(defect(task([party("alice", replicas: 0)])) == "spec.parties: the task has no pods")
        #expect(defect(task([party("alice"), party("alice")])).hasPrefix("spec.parties[1]: spec.parties[0] is domain \"alice\""))
        #expect(
            defect(task([party("alice", minReservedPods: 2)])) == "spec.parties[0].minReservedPods: 2 of 1 pods cannot succeed")
        #expect(
            defect(task(schedule: ScheduleConfig(minReservedMembers: 3)))
                == "spec.scheduleConfig.minReservedMembers: 3 of 2 parties cannot succeed")
        let twice = appImage(ports: [AppImagePort(name: "a"), AppImagePort(name: "a")])
        #expect(defect(task(), twice).contains(#"two ports named "a""#))
    }

    @Test("needed are all parties and pods unless the task asks for fewer; 0 asks for nothing")
    func quorum() throws {
        let parties = [party("alice", minReservedPods: 3, replicas: 4), party("bob"), party("carol", replicas: 2)]
        let all = try layout(task(parties))
        #expect(all.neededParties == 3)
        #expect(all.neededPods == 6)
        let two = try layout(task(parties, schedule: ScheduleConfig(minReservedMembers: 2)))
        #expect(two.neededPods == 3, "the two smallest parties could be the two that succeed")
        let zero = try layout(task([party("alice", minReservedPods: 0)], schedule: ScheduleConfig(minReservedMembers: 0)))
        #expect(zero.neededParties == 1)
        #expect(zero.neededPods == 1)
    }

    @Test("TASK_CLUSTER_DEFINE and ALLOCATED_PORTS have Kuscia's shape, with port numbers in the endpoints")
    func configValues() throws {
        let image = appImage(ports: [
            AppImagePort(name: "spu", protocol: "GRPC", scope: .cluster), AppImagePort(name: "global", scope: .domain),
            AppImagePort(name: "debug", scope: .local), AppImagePort(name: "unsaid"),
        ])
        let layout = try layout(task([party("alice"), party("bob", role: "host", replicas: 2)]), image)
        let ports = layout.allocatedPorts(Array(21000..<21012))
        let values = try layout.configValues(for: layout.pods[2], ports: ports)
        #expect(values["TASK_ID"] == "psi-1")
        #expect(values["KUSCIA_DOMAIN_ID"] == "bob")
        #expect(values["TASK_INPUT_CONFIG"] == #"{"a":"b"}"#)
        let alice =
            #"{"name":"alice","role":"","services":[{"portName":"spu","endpoints":["psi-1-0-spu.alice.svc:21000"]},"#
            + #"{"portName":"global","endpoints":["psi-1-0-global.alice.svc:21001"]}]}"#
        let bob =
            #"{"name":"bob","role":"host","services":[{"portName":"spu","endpoints":["psi-1-host-0-spu.bob.svc:21004","#
            + #""psi-1-host-1-spu.bob.svc:21008"]},{"portName":"global","endpoints":["psi-1-host-0-global.bob.svc:21005","#
            + #""psi-1-host-1-global.bob.svc:21009"]}]}"#
        #expect(values["TASK_CLUSTER_DEFINE"] == #"{"parties":[\#(alice),\#(bob)],"selfPartyIdx":1,"selfEndpointIdx":1}"#)
        #expect(
            values["ALLOCATED_PORTS"]
                == #"{"ports":[{"name":"spu","port":21008,"scope":"Cluster","protocol":"GRPC"},"#
                + #"{"name":"global","port":21009,"scope":"Domain","protocol":"HTTP"},"#
                + #"{"name":"debug","port":21010,"scope":"Local","protocol":"HTTP"},"#
                + #"{"name":"unsaid","port":21011,"scope":"Local","protocol":"HTTP"}]}"#)
    }

    @Test("the hosts file names every reachable port of every placed pod")
    func hosts() throws {
        let layout = try layout(task([party("alice"), party("bob"), party("carol")]))
        let hosts = layout.hosts { ["alice": "10.0.0.1", "bob": "10.0.0.2"][$0.domain] }
        #expect(hosts == "10.0.0.1 psi-1-0-spu.alice.svc\n10.0.0.2 psi-1-0-spu.bob.svc\n")
    }
}
