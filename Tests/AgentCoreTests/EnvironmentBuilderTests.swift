// A container's environment: order, references, expansion, and what is refused.
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("environment")
struct EnvironmentBuilderTests {
    private func build(_ change: (inout Container) -> Void) throws -> [String: String] {
        var pod = makePod(limits: ["memory": Quantity(bytes: 64 << 20), "cpu": Quantity(millis: 1500)])
        change(&pod.spec.containers[0])
        let builder = EnvironmentBuilder(
            pod: pod, podIP: "10.0.0.7", hostIP: "10.0.0.7", allocatable: PodResources(cpuMillis: 4000, memoryBytes: 1 << 30),
            configMaps: ["settings": ["mode": "fast", "x": "1"]], secrets: ["token": ["value": "s3"]])
        return Dictionary(try builder.build(for: pod.spec.containers[0]).map { ($0.name, $0.value) }) { $1 }
    }

    @Test(
        "a field of the pod",
        arguments: [
            ("metadata.name", "task-0"), ("metadata.namespace", "alice"), ("metadata.uid", "uid-1"),
            ("metadata.labels['app']", "psi"),
            ("metadata.annotations['none']", ""), ("spec.nodeName", "node-1"), ("status.podIP", "10.0.0.7"),
            ("status.hostIP", "10.0.0.7"),
        ])
    func field(_ path: String, _ value: String) throws {
        let made = try build { $0.env = [EnvVar(name: "V", valueFrom: EnvVarSource(fieldRef: .init(fieldPath: path)))] }
        #expect(made == ["V": value])
    }

    @Test(
        "a resource of the container, rounded up by the divisor",
        arguments: [
            ("limits.cpu", nil, "2"), ("limits.cpu", "1m", "1500"), ("limits.memory", nil, "67108864"),
            ("limits.memory", "1Mi", "64"),
            ("requests.memory", nil, "0"),
        ] as [(String, String?, String)])
    func resource(_ name: String, _ divisor: String?, _ value: String) throws {
        let divisor = try divisor.map { try Quantity($0) }
        let made = try build {
            $0.env = [EnvVar(name: "V", valueFrom: EnvVarSource(resourceFieldRef: .init(resource: name, divisor: divisor)))]
        }
        #expect(made == ["V": value])
    }

    @Test("ConfigMaps and Secrets, whole with a prefix or by key; later definitions win")
    func sources() throws {
        let made = try build {
            $0.envFrom = [EnvFromSource(prefix: "P_", configMapRef: .init(name: "settings"))]
            $0.env = [
                EnvVar(name: "P_x", value: "2"),
                EnvVar(name: "T", valueFrom: EnvVarSource(secretKeyRef: .init(name: "token", key: "value"))),
                EnvVar(name: "O", valueFrom: EnvVarSource(configMapKeyRef: .init(name: "none", key: "k", optional: true))),
            ]
        }
        #expect(made == ["P_mode": "fast", "P_x": "2", "T": "s3"])
    }

    @Test("a missing source is refused with the variable's name")
    func missing() {
        let error = #expect(throws: EnvironmentError.self) {
            try build { $0.env = [EnvVar(name: "T", valueFrom: EnvVarSource(secretKeyRef: .init(name: "none", key: "k")))] }
        }
        #expect(error?.variable == "env[0] T")
        #expect(throws: EnvironmentError.self) {
            try build { $0.env = [EnvVar(name: "T", valueFrom: EnvVarSource(fieldRef: .init(fieldPath: "spec.secret")))] }
        }
    }

    @Test("what may still come is told apart from what is wrong, and named in a kubelet's words")
    func missingWords() {
        func reason(_ source: EnvVarSource) -> String? {
            let error = #expect(throws: EnvironmentError.self) { try build { $0.env = [EnvVar(name: "T", valueFrom: source)] } }
            return error?.isMissing == true ? error?.reason : nil
        }
        #expect(reason(EnvVarSource(configMapKeyRef: .init(name: "none", key: "k"))) == "configmap \"none\" not found")
        #expect(reason(EnvVarSource(secretKeyRef: .init(name: "none", key: "k"))) == "secret \"none\" not found")
        #expect(
            reason(EnvVarSource(configMapKeyRef: .init(name: "settings", key: "k")))
                == "couldn't find key k in ConfigMap alice/settings")
        #expect(reason(EnvVarSource(secretKeyRef: .init(name: "token", key: "k"))) == "couldn't find key k in Secret alice/token")
        #expect(reason(EnvVarSource(fieldRef: .init(fieldPath: "spec.secret"))) == nil)
    }

    @Test("only what a container cannot do without is fetched again; an ephemeral one's optional objects once")
    func unmet() {
        let container = Container(
            name: "c", envFrom: [EnvFromSource(configMapRef: .init(name: "absent"))],
            env: [
                EnvVar(name: "A", valueFrom: EnvVarSource(configMapKeyRef: .init(name: "has", key: "k"))),
                EnvVar(name: "B", valueFrom: EnvVarSource(configMapKeyRef: .init(name: "keyless", key: "k"))),
                EnvVar(name: "C", valueFrom: EnvVarSource(secretKeyRef: .init(name: "maybe", key: "k", optional: true))),
            ])
        let found = ["has": ["k": "1"], "keyless": ["x": "1"]]
        let main = EnvironmentReferences.unmet(container, isEphemeral: false, configMaps: found, secrets: [:])
        #expect(main.configMaps == ["keyless", "absent"] && main.secrets.isEmpty)
        let ephemeral = EnvironmentReferences.unmet(container, isEphemeral: true, configMaps: found, secrets: [:])
        #expect(ephemeral.secrets == ["maybe"])
    }

    @Test(
        "$(NAME) expands what is known before it",
        arguments: [
            ("$(A)", "1"), ("a$(A)b$(A)", "a1b1"), ("$$(A)", "$(A)"), ("$(NONE)", "$(NONE)"), ("$(A", "$(A"), ("$5", "$5"),
            ("$", "$"),
        ])
    func expansion(_ text: String, _ expected: String) {
        #expect(VariableExpansion.expand(text) { ["A": "1"][$0] } == expected)
    }
}
