// Pods and nodes in JSON: unknown fields ignored, absent ones empty.
import JSON
import KubernetesModel
import Testing

@Suite("Typed views")
struct PodCodingTests {
    private func decode<T: Decodable>(_ type: T.Type, _ text: String) throws -> T {
        try JSON.decode(type, from: Array(text.utf8))
    }

    @Test("a pod as a server sends it is read; unknown fields are ignored, null and absent are empty")
    func readPod() throws {
        let pod = try decode(
            Pod.self,
            """
            {"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"alice","uid":"u","labels":null,
             "managedFields":[{"manager":"kubectl"}],"creationTimestamp":"2026-01-31T12:00:00Z"},
             "spec":{"containers":[{"name":"c","image":"i","ports":[{"containerPort":80,"protocol":"TCP"}],
               "env":[{"name":"IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}}],
               "resources":{"limits":{"cpu":"1","memory":"1Gi"}},"lifecycle":{"preStop":{}},
               "livenessProbe":{"httpGet":{"path":"/","port":"http"}},"volumeMounts":[{"name":"v","mountPath":"/v"}]}],
               "volumes":[{"name":"v","emptyDir":{"sizeLimit":"1Mi"}},{"name":"odd","csi":{"driver":"x"}}],
               "restartPolicy":"Never","tolerations":[{"operator":"Exists"}]},
             "status":{"phase":"Running","containerStatuses":[{"name":"c","ready":true,"restartCount":2,
               "state":{"running":{"startedAt":"2026-01-31T12:00:01Z"}}}]}}
            """)
        #expect(pod.metadata.labels.isEmpty)
        #expect(pod.namespacedName == "alice/web")
        #expect(pod.spec.containers[0].resources.limits["memory"]?.value == 1 << 30)
        #expect(pod.spec.containers[0].livenessProbe?.httpGet?.port == "http")
        #expect(pod.spec.restartPolicy == .never)
        #expect(pod.spec.initContainers.isEmpty)
        #expect(pod.status.phase == .running)
        #expect(pod.status.containerStatuses[0].state.running?.startedAt == Timestamp("2026-01-31T12:00:01Z"))
        let again = try JSON.decode(Pod.self, from: JSON.encode(pod))
        #expect(again == pod)
    }

    @Test("kind and apiVersion are always written, empty fields never, required fields always")
    func written() throws {
        let text = String(decoding: try JSON.encode(Pod(metadata: .init(name: "a"), spec: .init())), as: UTF8.self)
        #expect(text == #"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#)
        let value = try JSON.encodeToValue(
            Pod(metadata: .init(name: "a"), spec: .init(containers: [.init(name: "c")], restartPolicy: .onFailure)))
        #expect(value["spec"] == ["containers": [["name": "c"]], "restartPolicy": "OnFailure"])
        let status = try JSON.encodeToValue(ContainerStatus(name: "c"))
        #expect(status["ready"] == false && status["restartCount"] == 0)
    }

    @Test("an empty object is a view with everything empty", arguments: ["{}", #"{"metadata":null,"spec":null,"status":null}"#])
    func empty(text: String) throws {
        #expect(try decode(Pod.self, text) == Pod())
        #expect(try decode(Node.self, text) == Node())
        #expect(try decode(ConfigMap.self, text) == ConfigMap())
        #expect(try decode(Event.self, text) == Event())
        #expect(try decode(Lease.self, text) == Lease())
        #expect(try decode(Service.self, text) == Service())
        #expect(try decode(CertificateSigningRequest.self, text) == CertificateSigningRequest())
    }

    @Test(
        "a wrong type is refused with the field's path",
        arguments: [
            (#"{"spec":{"containers":{}}}"#, "spec.containers"), (#"{"metadata":{"labels":{"a":1}}}"#, "metadata.labels.a"),
            (#"{"spec":{"containers":[{"name":7}]}}"#, "spec.containers[0].name"),
            (#"{"spec":{"restartPolicy":"Sometimes"}}"#, "spec.restartPolicy"),
            (#"{"status":{"phase":5}}"#, "status.phase"),
        ])
    func wrongType(text: String, path: String) {
        let error = #expect(throws: (any Error).self) { try decode(Pod.self, text) }
        #expect(error.map { JSON.describe($0) }?.contains(path) == true, "\(error.map { JSON.describe($0) } ?? "")")
    }

    @Test("items of a list have no kind of their own")
    func list() throws {
        let list = try decode(
            KubernetesList<Node>.self,
            #"{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"t"},"items":[{"metadata":{"name":"n"}}]}"#
        )
        #expect(list.items.map(\.metadata.name) == ["n"])
        #expect(list.metadata.resourceVersion == "7" && list.metadata.continue == "t")
    }

    @Test("a Status keeps its causes")
    func status() throws {
        let status = APIStatus(
            status: "Failure", message: "m", reason: "Invalid",
            details: .init(name: "x", causes: [.init(reason: "FieldValueInvalid", message: "bad", field: "spec.a")]), code: 422)
        let value = try JSON.encodeToValue(status)
        #expect(value["kind"] == "Status" && value["metadata"] == [:] && value["code"] == 422)
        #expect(try JSON.decode(APIStatus.self, from: value) == status)
    }

    @Test(
        "a toleration follows the rules of taints",
        arguments: [
            (Toleration(operator: "Exists"), true), (Toleration(key: "k", operator: "Exists"), true),
            (Toleration(key: "k", value: "v"), true), (Toleration(key: "k", operator: "Equal", value: "w"), false),
            (Toleration(key: "k", operator: "Exists", effect: .noExecute), false),
            (Toleration(key: "other", operator: "Exists"), false), (Toleration(), false),
            (Toleration(key: "k", value: "v", effect: .noSchedule), true),
        ])
    func toleration(toleration: Toleration, tolerates: Bool) {
        #expect(toleration.tolerates(Taint(key: "k", value: "v", effect: .noSchedule)) == tolerates)
    }
}
