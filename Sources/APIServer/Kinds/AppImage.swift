// kuscia.secretflow/v1alpha1 AppImage and Domain.
import JSON
import KubernetesModel

extension ResourceKind {
    static let appImage = ResourceKind(
        resource: .kuscia("appimages"), kind: "AppImage", singular: "appimage", shortNames: ["aimg"], namespaced: false,
        isCustom: true, countsGeneration: true,
        fields: [
            Field(
                "spec",
                .object(
                    nil, "",
                    [
                        Field(
                            "image",
                            .object(
                                nil, "",
                                [
                                    Field("name", .string, required: true), Field("tag", .string, required: true),
                                    Field("id", .string),
                                    Field("sign", .string),
                                ]), required: true),
                        Field(
                            "configTemplates", .stringMap, "Files by name; {{.TASK_ID}} and the like are filled in on the node."),
                        Field("deployTemplates", .array(deployTemplate), required: true),
                    ]), required: true)
        ],
        description: "AppImage says how an engine's image is run.",
        columns: [
            .name, .text("Image", ["spec", "image", "name"]), .text("Tag", ["spec", "image", "tag"]),
            .count("Templates", ["spec", "deployTemplates"]), .age,
        ],
        validate: validateAppImage)

    private static let deployTemplate = Schema.object(
        nil, "",
        [
            Field("name", .string, required: true), Field("role", .string), Field("replicas", .count),
            Field("networkPolicy", .any), Field("spec", KusciaSchemas.templateSpec, required: true),
        ])

    @Sendable private static func validateAppImage(_ image: JSONValue) -> [FieldError] {
        let templates = image["spec"]?["deployTemplates"]?.arrayValue ?? []
        var errors: [FieldError] = []
        if (image["spec"]?["image"]?["name"]?.stringValue ?? "").isEmpty { errors.append(.required("spec.image.name")) }
        if templates.isEmpty { errors.append(.required("spec.deployTemplates", "must have at least 1 template")) }
        errors += PodRules.duplicates(templates, member: "name", at: "spec.deployTemplates")
        let files = Set(image["spec"]?["configTemplates"]?.objectValue?.keys ?? [])
        for (index, template) in templates.enumerated() {
            errors += validate(template: template, at: "spec.deployTemplates[\(index)]", files: files)
        }
        return errors
    }

    private static func validate(template: JSONValue, at path: String, files: Set<String>) -> [FieldError] {
        var errors: [FieldError] = []
        let containers = template["spec"]?["containers"]?.arrayValue ?? []
        if containers.isEmpty { errors.append(.required("\(path).spec.containers", "must have at least 1 container")) }
        errors += PodRules.duplicates(containers, member: "name", at: "\(path).spec.containers")
        var ports: Set<String> = []
        for (index, container) in containers.enumerated() {
            let place = "\(path).spec.containers[\(index)]"
            let name = container["name"]?.stringValue ?? ""
            if name.isEmpty {
                errors.append(.required("\(place).name"))
            } else if let problem = NameFormat.labelProblem(name) {
                errors.append(.invalid("\(place).name", .string(name), problem))
            }
            for (number, port) in (container["ports"]?.arrayValue ?? []).enumerated() {
                let name = port["name"]?.stringValue ?? ""
                if let problem = NameFormat.labelProblem(name) {
                    errors.append(.invalid("\(place).ports[\(number)].name", .string(name), problem))
                } else if !ports.insert(name).inserted {
                    errors.append(.duplicate("\(place).ports[\(number)].name", .string(name)))
                }
                if let value = port["port"]?.intValue, value > 65535 {
                    errors.append(
                        .invalid("\(place).ports[\(number)].port", .int(value), "must be between 0 and 65535, inclusive"))
                }
            }
            for (number, mount) in (container["configVolumeMounts"]?.arrayValue ?? []).enumerated() {
                if let file = mount["subPath"]?.stringValue, !files.contains(file) {
                    errors.append(
                        .notFound("\(place).configVolumeMounts[\(number)].subPath", .string(file), "not in spec.configTemplates"))
                }
            }
            errors += ResourceRules.validate(container["resources"], at: "\(place).resources")
        }
        return errors
    }

    static let domain = ResourceKind(
        resource: .kuscia("domains"), kind: "Domain", singular: "domain", namespaced: false, isCustom: true, hasStatus: true,
        countsGeneration: true, nameRule: .label,
        fields: [
            Field(
                "spec",
                .object(
                    nil, "",
                    [
                        Field("role", .enumeration(["", "partner"])), Field("master", .string), Field("masterDomain", .string),
                        Field("interConnProtocols", .array(.enumeration(["kuscia", "bfia"]))), Field("cert", .string),
                        Field(
                            "authCenter",
                            .object(
                                nil, "",
                                [
                                    Field("authenticationType", .enumeration(["Token", "MTLS", "None"])),
                                    Field("tokenGenMethod", .string),
                                ])),
                        Field("resourceQuota", .object(nil, "", [Field("podMaxCount", .count)])),
                    ])),
            Field(
                "status",
                .object(
                    nil, "",
                    [
                        Field(
                            "nodeStatuses",
                            .array(
                                .object(
                                    nil, "",
                                    [
                                        Field("name", .string), Field("version", .string), Field("status", .string),
                                        Field("lastHeartbeatTime", .dateTime), Field("lastTransitionTime", .dateTime),
                                    ]))),
                        Field(
                            "deployTokenStatuses",
                            .array(
                                .object(
                                    nil, "",
                                    [
                                        Field("token", .string), Field("state", .string), Field("lastTransitionTime", .dateTime),
                                    ]))),
                    ])),
        ],
        description: "Domain is an organisation that takes part.",
        columns: [
            .name, .text("Role", ["spec", "role"]), .count("Nodes", ["status", "nodeStatuses"]), .age,
        ],
        applyDefaults: { $0.setDefault("spec", [:]) })
}
