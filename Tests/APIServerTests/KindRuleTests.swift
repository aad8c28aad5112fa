// One refusal for each rule: the status is 422, the cause names the field, the message says what Kubernetes says.
import JSON
import KubernetesModel
import Testing

@testable import APIServer

struct KindRuleTests {
    struct Rule: Sendable, CustomTestStringConvertible {
        var kind: String
        /// Where the good object is changed, and to what.
        var path: String
        var value: JSONValue?
        var field: String
        var says: String

        init(_ kind: String, _ path: String, _ value: JSONValue?, _ field: String, _ says: String) {
            self.kind = kind
            self.path = path
            self.value = value
            self.field = field
            self.says = says
        }

        var testDescription: String { "\(kind): \(path.isEmpty ? field : path)" }
    }

    static let container: JSONValue = ["name": "c", "image": "busybox"]

    static let rules: [Rule] = [
        // Pod
        Rule("Pod", "spec/containers", [], "spec.containers", "Required value"),
        Rule("Pod", "spec/containers/0/name", "Not_A_Label", "spec.containers[0].name", "RFC 1123 label"),
        Rule("Pod", "spec/containers/0/image", "", "spec.containers[0].image", "Required value"),
        Rule(
            "Pod", "spec/containers/0/imagePullPolicy", "Sometimes", "spec.containers[0].imagePullPolicy",
            "Unsupported value: \"Sometimes\": supported values:"),
        Rule(
            "Pod", "spec/containers/0/ports", [["containerPort": 0]], "spec.containers[0].ports[0].containerPort",
            "must be between 1 and 65535, inclusive"),
        Rule(
            "Pod", "spec/containers/0/ports", [["containerPort": 1, "protocol": "ICMP"]], "spec.containers[0].ports[0].protocol",
            "Unsupported value"),
        Rule(
            "Pod", "spec/containers/0/ports", [["containerPort": 1, "name": "Too-Long-Port-Name"]],
            "spec.containers[0].ports[0].name", "must be no more than 15 characters"),
        Rule(
            "Pod", "spec/containers/0/ports", [["containerPort": 1, "name": "a"], ["containerPort": 2, "name": "a"]],
            "spec.containers[0].ports[1].name", "Duplicate value: \"a\""),
        Rule("Pod", "spec/containers/0/env", [["name": "A=B"]], "spec.containers[0].env[0].name", "environment variable name"),
        Rule(
            "Pod", "spec/containers/0/env",
            [["name": "A", "value": "x", "valueFrom": ["fieldRef": ["fieldPath": "metadata.name"]]]],
            "spec.containers[0].env[0].valueFrom", "may not be specified when `value` is not empty"),
        Rule(
            "Pod", "spec/containers/0/volumeMounts", [["name": "v", "mountPath": "/v"]],
            "spec.containers[0].volumeMounts[0].name", "Not found: \"v\""),
        Rule(
            "Pod", "spec/containers/0/resources", ["limits": ["cpu": "1"], "requests": ["cpu": "2"]],
            "spec.containers[0].resources.requests", "must be less than or equal to cpu limit"),
        Rule(
            "Pod", "spec/containers/0/resources", ["limits": ["memory": "-1"]], "spec.containers[0].resources.limits[memory]",
            "must be greater than or equal to 0"),
        Rule(
            "Pod", "spec/containers/0/livenessProbe", ["periodSeconds": 3], "spec.containers[0].livenessProbe",
            "must specify a handler type"),
        Rule(
            "Pod", "spec/containers/0/livenessProbe", ["exec": ["command": ["a"]], "successThreshold": 2],
            "spec.containers[0].livenessProbe.successThreshold", "must be 1"),
        Rule(
            "Pod", "spec/containers/0/lifecycle", ["preStop": ["exec": ["command": ["a"]], "sleep": ["seconds": 1]]],
            "spec.containers[0].lifecycle.preStop.sleep", "may not specify more than 1 handler type"),
        Rule(
            "Pod", "spec/containers/0/lifecycle", ["stopSignal": "QUIT"], "spec.containers[0].lifecycle.stopSignal",
            "Unsupported value: \"QUIT\""),
        Rule("Pod", "spec/initContainers", [["name": "c", "image": "i"]], "spec.containers[0].name", "Duplicate value: \"c\""),
        Rule("Pod", "spec/volumes", [["name": "v"], ["name": "v"]], "spec.volumes[1].name", "Duplicate value: \"v\""),
        Rule(
            "Pod", "spec/volumes", [["name": "v", "emptyDir": [:], "hostPath": ["path": "/"]]], "spec.volumes[0].hostPath",
            "may not specify more than 1 volume type"),
        Rule("Pod", "spec/volumes", [["name": "v", "secret": [:]]], "spec.volumes[0].secret.secretName", "Required value"),
        Rule(
            "Pod", "spec/volumes", [["name": "v", "configMap": ["name": "m", "items": [["key": "k", "path": "../x"]]]]],
            "spec.volumes[0].configMap.items[0].path", "must not contain '..'"),
        Rule(
            "Pod", "spec/volumes", [["name": "v", "configMap": ["name": "m", "defaultMode": 4096]]],
            "spec.volumes[0].configMap.defaultMode", "must be a number between 0 and 0777"),
        Rule(
            "Pod", "spec/restartPolicy", "Perhaps", "spec.restartPolicy", "supported values: \"Always\", \"OnFailure\", \"Never\""
        ),
        Rule("Pod", "spec/dnsPolicy", "None", "spec.dnsConfig.nameservers", "must provide at least one DNS nameserver"),
        Rule("Pod", "spec/activeDeadlineSeconds", 0, "spec.activeDeadlineSeconds", "must be between 1 and 2147483647"),
        Rule("Pod", "spec/securityContext", ["runAsUser": -1], "spec.securityContext.runAsUser", "must be between 0 and 2147483647"),
        Rule(
            "Pod", "spec/securityContext", ["supplementalGroups": [1, 4_294_967_295]], "spec.securityContext.supplementalGroups[1]",
            "must be between 0 and 2147483647"),
        Rule(
            "Pod", "spec/containers/0/securityContext", ["runAsGroup": 2_147_483_648], "spec.containers[0].securityContext.runAsGroup",
            "must be between 0 and 2147483647"),
        Rule(
            "Pod", "spec/tolerations", [["operator": "Equal", "value": "x"]], "spec.tolerations[0].operator",
            "operator must be Exists when `key` is empty"),
        Rule(
            "Pod", "spec/tolerations", [["key": "k", "operator": "Exists", "tolerationSeconds": 3, "effect": "NoSchedule"]],
            "spec.tolerations[0].effect", "effect must be 'NoExecute'"),
        Rule(
            "Pod", "spec/topologySpreadConstraints", [["maxSkew": -1, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule"]],
            "spec.topologySpreadConstraints[0].maxSkew", "must be greater than zero"),
        Rule(
            "Pod", "spec/affinity",
            ["nodeAffinity": ["requiredDuringSchedulingIgnoredDuringExecution": ["nodeSelectorTerms": []]]],
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms",
            "must have at least one node selector term"),
        Rule(
            "Pod", "spec/affinity",
            [
                "podAffinity": [
                    "preferredDuringSchedulingIgnoredDuringExecution": [["weight": 101, "podAffinityTerm": ["topologyKey": "k"]]]
                ]
            ], "spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight", "must be in the range 1-100"
        ),
        Rule(
            "Pod", "spec/hostAliases", [["ip": "here", "hostnames": ["a"]]], "spec.hostAliases[0].ip",
            "must be a valid IP address"),
        Rule("Pod", "spec/nodeSelector", ["a b": "c"], "spec.nodeSelector", "name part must consist of"),
        Rule("Pod", "metadata/labels", ["a": "b c"], "metadata.labels", "a valid label must be"),
        // Others
        Rule("Node", "spec", ["taints": [["key": "k", "effect": "Never"]]], "spec.taints[0].effect", "Unsupported value"),
        Rule(
            "Node", "spec", ["taints": [["key": "k", "effect": "NoSchedule"], ["key": "k", "effect": "NoSchedule"]]],
            "spec.taints[1]", "Duplicate value"),
        Rule("Node", "status", ["capacity": ["cpu": "-1"]], "status.capacity[cpu]", "must be greater than or equal to 0"),
        Rule("Namespace", "metadata/name", "No.Dots", "metadata.name", "RFC 1123 label"),
        Rule("ConfigMap", "data", ["a/b": "c"], "data[a/b]", "a valid config key must consist of"),
        Rule("ConfigMap", "binaryData", ["a": "%%%"], "binaryData[a]", "base64"),
        Rule("Secret", "type", "kubernetes.io/tls", "data[tls.crt]", "Required value"),
        Rule(
            "Secret", "type", "kubernetes.io/service-account-token", "metadata.annotations[kubernetes.io/service-account.name]",
            "Required value"),
        Rule("Service", "spec/ports", [], "spec.ports", "Required value"),
        Rule("Service", "spec/ports", [["port": 70000]], "spec.ports[0].port", "must be between 1 and 65535, inclusive"),
        Rule("Service", "spec/ports", [["port": 1], ["port": 2]], "spec.ports[0].name", "Required value"),
        Rule(
            "Service", "spec/ports", [["port": 1, "name": "a"], ["port": 1, "name": "b"]], "spec.ports[1]", "Duplicate value"),
        Rule("Service", "spec/type", "ExternalName", "spec.externalName", "Required value"),
        Rule("Service", "spec/clusterIP", "here", "spec.clusterIPs", "must be a valid IP address"),
        Rule("Endpoints", "subsets", [["ports": [["port": 1]]]], "subsets[0]", "must specify `addresses` or `notReadyAddresses`"),
        Rule("Event", "involvedObject/namespace", "other", "involvedObject.namespace", "does not match event.namespace"),
        Rule("ResourceQuota", "spec", ["hard": ["pods": "-1"]], "spec.hard[pods]", "must be greater than or equal to 0"),
        Rule("Lease", "spec", ["leaseDurationSeconds": 0], "spec.leaseDurationSeconds", "must be greater than 0"),
        Rule("RuntimeClass", "handler", "No Handler", "handler", "RFC 1123 label"),
        Rule("RuntimeClass", "handler", nil, "handler", "Required value"),
        Rule("PriorityClass", "value", 1_000_000_001, "value", "maximum allowed value of a user defined priority is 1000000000"),
        Rule("PriorityClass", "metadata/name", "system-mine", "metadata.name", "reserved for system use only"),
        Rule("EndpointSlice", "addressType", "IPX", "addressType", "Unsupported value"),
        Rule("EndpointSlice", "endpoints", [["addresses": []]], "endpoints[0].addresses", "must contain at least 1 address"),
        Rule("PodDisruptionBudget", "spec", ["minAvailable": "150%"], "spec.minAvailable", "must not be greater than 100%"),
        Rule("PodDisruptionBudget", "spec", ["minAvailable": 1, "maxUnavailable": 1], "spec", "cannot be both set"),
        Rule("CertificateSigningRequest", "spec/signerName", "no-slash", "spec.signerName", "fully qualified domain and path"),
        Rule("CertificateSigningRequest", "spec/expirationSeconds", 599, "spec.expirationSeconds", "600 seconds"),
        Rule(
            "Role", "rules", [["verbs": ["get"], "apiGroups": [""]]], "rules[0].resources",
            "resource rules must supply at least one resource"),
        Rule(
            "Role", "rules", [["verbs": ["get"], "nonResourceURLs": ["/x"]]], "rules[0].nonResourceURLs",
            "namespaced rules cannot apply"),
        Rule(
            "ClusterRole", "rules", [["verbs": [], "apiGroups": [""], "resources": ["pods"]]], "rules[0].verbs",
            "verbs must contain at least one value"),
        Rule("RoleBinding", "roleRef/kind", "Thing", "roleRef.kind", "supported values: \"Role\", \"ClusterRole\""),
        Rule("ClusterRoleBinding", "roleRef/kind", "Role", "roleRef.kind", "supported values: \"ClusterRole\""),
        Rule("RoleBinding", "subjects", [["kind": "ServiceAccount", "name": "a"]], "subjects[0].namespace", "Required value"),
        Rule("RoleBinding", "subjects", [["kind": "Robot", "name": "a"]], "subjects[0].kind", "supported values"),
        Rule("PersistentVolumeClaim", "spec/accessModes", [], "spec.accessModes", "at least 1 access mode is required"),
        Rule("PersistentVolume", "spec/accessModes", ["Sometimes"], "spec.accessModes[0]", "Unsupported value"),
        Rule(
            "ReplicaSet", "spec/selector", ["matchLabels": ["a": "c"]], "spec.template.metadata.labels",
            "`selector` does not match template `labels`"),
        Rule("StorageClass", "volumeBindingMode", "Later", "volumeBindingMode", "Unsupported value"),
        Rule("ClusterDomainRoute", "spec/authenticationType", "Password", "spec.authenticationType", "Unsupported value"),
        Rule(
            "ClusterDomainRoute", "spec/endpoint", ["host": "h", "ports": [["port": 70000]]], "spec.endpoint.ports[0].port",
            "must be between 1 and 65535"),
        Rule("DomainData", "spec/name", nil, "spec.name", "Required value"),
        Rule("KusciaTask", "spec/parties", [], "spec.parties", "must have at least 1 party"),
        Rule(
            "AppImage", "spec/configTemplates", ["task.conf": "a\n{{range .PARTIES}}"], "spec.configTemplates[task.conf]",
            "\"{{range .PARTIES}}\": cannot be rendered, line 2: must begin with a dot and a name"),
        Rule(
            "AppImage", "spec/configTemplates", ["task.conf": "{{.TASK_ID"], "spec.configTemplates[task.conf]",
            "cannot be rendered, line 1: not closed by }}"),
        Rule(
            "KusciaTask", "spec/parties/0/template", ["spec": ["containers": [["image": "other"]]]],
            "spec.parties[0].template.spec.containers[0].image", "a party changes command, args, env and resources only"),
        Rule(
            "KusciaTask", "spec/parties/0/template", ["spec": ["affinity": ["podAffinity": [:]]]],
            "spec.parties[0].template.spec.affinity", "is not carried out"),
        Rule("KusciaTask", "spec/parties/0/appImageRef", "nowhere", "spec.parties[0].appImageRef", "no such AppImage"),
        Rule("KusciaTask", "spec/parties/0/domainID", "nobody", "spec.parties[0].domainID", "no such Domain"),
        Rule("KusciaTask", "spec/initiator", "nobody", "spec.initiator", "no such Domain"),
    ]

    @Test("a rule is held, and its refusal names the field", arguments: rules)
    func refusal(_ rule: Rule) async throws {
        let laboratory = try await Laboratory()
        let kind = try #require(KindRegistry.all.first { $0.kind == rule.kind && $0.group != "events.k8s.io" })
        let namespace = kind.kind == "KusciaTask" ? "cross-domain" : "alice"
        let group = kind.group.isEmpty ? "/api/v1" : "/apis/\(kind.group)/\(kind.resource.version)"
        let collection = (kind.namespaced ? "\(group)/namespaces/\(namespace)/" : "\(group)/") + kind.resource.resource
        var object = EveryKindTests.minimal[rule.kind] ?? [:]
        object["metadata"] = ["name": "one"]
        let answer = try await laboratory.send(
            .post, collection, object.with(rule.path.split(separator: "/").map(String.init), rule.value))
        #expect(answer.status == 422, "\(answer.message)")
        #expect(answer.fields.contains(rule.field), "\(answer.fields)")
        #expect(answer.message.contains(rule.says), "\(answer.message)")
    }

    @Test(
        "what cannot change is refused with its field",
        arguments: [
            ("/api/v1/namespaces/alice/configmaps", ["data": ["a": "b"], "immutable": true], ["data": ["a": "c"]], "data"),
            ("/api/v1/namespaces/alice/secrets", ["type": "a/b"], ["type": "c/d"], "type"),
            ("/apis/scheduling.k8s.io/v1/priorityclasses", ["value": 1], ["value": 2], "value"),
            ("/apis/node.k8s.io/v1/runtimeclasses", ["handler": "a"], ["handler": "b"], "handler"),
            (
                "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", ["roleRef": ["kind": "ClusterRole", "name": "a"]],
                ["roleRef": ["name": "b"]], "roleRef"
            ),
            (
                "/api/v1/namespaces/alice/services", ["spec": ["clusterIP": "10.0.0.1", "ports": [["port": 1]]]],
                ["spec": ["clusterIP": "10.0.0.2"]], "spec.clusterIPs[0]"
            ),
        ] as [(String, JSONValue, JSONValue, String)])
    func immutable(_ collection: String, _ object: JSONValue, _ change: JSONValue, _ field: String) async throws {
        let laboratory = try await Laboratory()
        try await laboratory.must(.post, collection, object.with(["metadata"], ["name": "one"]))
        let answer = try await laboratory.send(
            .patch, "\(collection)/one", change, type: "application/merge-patch+json")
        #expect(answer.status == 422)
        #expect(answer.fields.contains(field), "\(answer.message)")
    }
}
