// core/v1 Service and Endpoints.
import JSON
import KubernetesModel

extension ResourceKind {
    private static let servicePort = Schema.object(
        "io.k8s.api.core.v1.ServicePort", "",
        [
            Field("name", .string), Field("protocol", .enumeration(["TCP", "UDP", "SCTP"])), Field("appProtocol", .string),
            Field("port", .port, required: true), Field("targetPort", .intOrString), Field("nodePort", .count),
        ])

    static let service = ResourceKind(
        resource: GroupVersionResource(resource: "services"), kind: "Service", singular: "service", shortNames: ["svc"],
        categories: ["all"], hasStatus: true, statusOnCreate: .reset(["loadBalancer": [:]]), nameRule: .label,
        selectableFields: ["spec.clusterIP", "spec.type"],
        fields: [
            Field(
                "spec",
                .object(
                    "io.k8s.api.core.v1.ServiceSpec", "",
                    [
                        Field("ports", .array(servicePort, mergeKey: "port")), Field("selector", .stringMap),
                        Field("clusterIP", .string), Field("clusterIPs", .array(.string)),
                        Field("type", .enumeration(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])),
                        Field("externalName", .string), Field("externalIPs", .array(.string)),
                        Field("publishNotReadyAddresses", .boolean), Field("sessionAffinity", .string),
                        Field("sessionAffinityConfig", .any), Field("ipFamilies", .array(.string)),
                        Field("ipFamilyPolicy", .string),
                        Field("internalTrafficPolicy", .string), Field("externalTrafficPolicy", .string),
                        Field("healthCheckNodePort", .integer), Field("allocateLoadBalancerNodePorts", .boolean),
                        Field("loadBalancerIP", .string), Field("loadBalancerClass", .string),
                        Field("loadBalancerSourceRanges", .array(.string)), Field("trafficDistribution", .string),
                    ])),
            Field(
                "status",
                .object(
                    "io.k8s.api.core.v1.ServiceStatus", "",
                    [
                        Field("loadBalancer", .any), Field("conditions", CommonSchemas.conditions),
                    ])),
        ],
        description: "Service is a named abstraction of an application's address.",
        columns: [
            .name, .text("Type", ["spec", "type"]), .text("Cluster-IP", ["spec", "clusterIP"], missing: "<none>"),
            .text("External-IP", ["spec", "externalName"], missing: "<none>"), .computed("Port(s)", ports), .age,
        ],
        applyDefaults: { service in
            service.setDefault("spec", [:])
            service.setDefault("status", ["loadBalancer": [:]])
            guard var spec = service["spec"] else { return }
            spec.setDefault("type", "ClusterIP")
            spec.setDefault("sessionAffinity", "None")
            // There is no service network yet: every service is headless.
            if spec["type"] == "ClusterIP" { spec.setDefault("clusterIP", "None") }
            spec["ports"] = spec["ports"]?.arrayValue.map { ports in
                .array(
                    ports.map { port in
                        var port = port
                        port.setDefault("protocol", "TCP")
                        if let number = port["port"] { port.setDefault("targetPort", number) }
                        return port
                    })
            }
            service["spec"] = spec
        })

    @Sendable private static func ports(_ tape: JSONTape) -> String {
        guard let list = tape.node(["spec", "ports"]) else { return "<none>" }
        let texts = tape.elements(of: list).map { port in
            let number = tape.member(of: port, "port").flatMap { tape.integer($0, as: Int64.self) } ?? 0
            return "\(number)/\(tape.text(at: ["protocol"], from: port) ?? "TCP")"
        }
        return texts.isEmpty ? "<none>" : texts.joined(separator: ",")
    }

    static let endpoints = ResourceKind(
        resource: GroupVersionResource(resource: "endpoints"), kind: "Endpoints", singular: "endpoints", shortNames: ["ep"],
        fields: [
            Field(
                "subsets",
                .array(
                    .object(
                        "io.k8s.api.core.v1.EndpointSubset", "",
                        [
                            Field("addresses", .array(.any)), Field("notReadyAddresses", .array(.any)),
                            Field("ports", .array(.any)),
                        ])))
        ],
        description: "Endpoints is the collection of addresses behind a service.",
        columns: [.name, .count("Endpoints", ["subsets"]), .age])
}
