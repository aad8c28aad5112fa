// What an AppImage must satisfy: templates with containers, ports with names of their own, mounts of declared files, and files that
// can be rendered.
import JSON
import KusciaModel

enum AppImageRules {
    @Sendable static func validate(_ image: JSONValue) -> [FieldError] {
        let templates = image["spec"]?["deployTemplates"]?.arrayValue ?? []
        var errors: [FieldError] = []
        if templates.isEmpty { errors.append(.required("spec.deployTemplates", "must have at least 1 template")) }
        errors += DuplicateRules.find(templates, member: "name", at: "spec.deployTemplates")
        for (file, text) in image["spec"]?["configTemplates"]?.objectValue ?? [:] {
            guard let text = text.stringValue, let defect = ConfigTemplate(file: file, text: text).defect else { continue }
            let detail = "cannot be rendered, line \(defect.line): \(defect.reason)"
            errors.append(.invalid("spec.configTemplates[\(file)]", .string(defect.expression), detail))
        }
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
        errors += DuplicateRules.find(containers, member: "name", at: "\(path).spec.containers")
        if let name = template["spec"]?["runtimeClassName"]?.stringValue, let problem = NameFormat.subdomainProblem(name) {
            errors.append(.invalid("\(path).spec.runtimeClassName", .string(name), problem))
        }
        var ports: Set<String> = []
        for (index, container) in containers.enumerated() {
            errors += validate(container: container, at: "\(path).spec.containers[\(index)]", files: files, &ports)
        }
        return errors
    }

    private static func validate(
        container: JSONValue, at path: String, files: Set<String>, _ ports: inout Set<String>
    ) -> [FieldError] {
        var errors: [FieldError] = []
        let name = container["name"]?.stringValue ?? ""
        if name.isEmpty {
            errors.append(.required("\(path).name"))
        } else if let problem = NameFormat.labelProblem(name) {
            errors.append(.invalid("\(path).name", .string(name), problem))
        }
        for (number, port) in (container["ports"]?.arrayValue ?? []).enumerated() {
            let name = port["name"]?.stringValue ?? ""
            if let problem = NameFormat.labelProblem(name), !name.isEmpty {
                errors.append(.invalid("\(path).ports[\(number)].name", .string(name), problem))
            } else if !ports.insert(name).inserted {
                errors.append(.duplicate("\(path).ports[\(number)].name", .string(name)))
            }
            if let value = port["port"]?.intValue, value > 65535 {
                errors.append(.invalid("\(path).ports[\(number)].port", .int(value), "must be between 0 and 65535, inclusive"))
            }
        }
        for (number, mount) in (container["configVolumeMounts"]?.arrayValue ?? []).enumerated() {
            if let file = mount["subPath"]?.stringValue, !files.contains(file) {
                errors.append(
                    .notFound("\(path).configVolumeMounts[\(number)].subPath", .string(file), "not in spec.configTemplates"))
            }
        }
        return errors + ResourceRules.validate(container["resources"], at: "\(path).resources")
    }
}
