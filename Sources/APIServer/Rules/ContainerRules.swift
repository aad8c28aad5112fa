// What one container of a pod must satisfy.
import JSON

struct ContainerRules {
    let container: JSONValue
    /// Place of the pod's spec.
    let spec: String
    /// "containers", "initContainers" or "ephemeralContainers".
    let list: String
    let index: Int
    let volumes: Set<String>

    /// Places are made into text only for an error: most containers have none, and making the texts cost more than all rules.
    private var path: String { "\(spec).\(list)[\(index)]" }

    var errors: [FieldError] {
        var errors: [FieldError] = []
        let name = container["name"]?.stringValue ?? ""
        if let problem = NameFormat.labelProblem(name), !name.isEmpty {
            errors.append(.invalid("\(path).name", .string(name), problem))
        }
        let image = container["image"]?.stringValue ?? ""
        if image.isEmpty {
            errors.append(.required("\(path).image"))
        } else if image.utf8.first == 0x20 || image.utf8.last == 0x20 {
            errors.append(.invalid("\(path).image", .string(image), "must not have leading or trailing whitespace"))
        }
        errors += ports
        errors += environment
        errors += mounts
        errors += probes
        errors += ResourceRules.validate(container["resources"], at: "\(path).resources")
        errors += SecurityContextRules.validate(container["securityContext"], at: "\(path).securityContext")
        if let policy = container["restartPolicy"], list != "initContainers" {
            errors.append(.forbidden("\(path).restartPolicy", "may not be set for non-init containers (found \(policy))"))
        }
        return errors
    }

    private var ports: [FieldError] {
        var errors: [FieldError] = []
        var names: Set<String> = []
        for (index, port) in (container["ports"]?.arrayValue ?? []).enumerated() {
            func place() -> String { "\(path).ports[\(index)]" }
            if let name = port["name"]?.stringValue, !name.isEmpty {
                if let problem = NameFormat.portNameProblem(name) {
                    errors.append(.invalid("\(place()).name", .string(name), problem))
                } else if !names.insert(name).inserted {
                    errors.append(.duplicate("\(place()).name", .string(name)))
                }
            }
            errors += PortRules.number(port["containerPort"], at: "\(place()).containerPort")
            if port["hostPort"] != 0 { errors += PortRules.number(port["hostPort"], at: "\(place()).hostPort") }
        }
        return errors
    }

    private var environment: [FieldError] {
        var errors: [FieldError] = []
        for (index, variable) in (container["env"]?.arrayValue ?? []).enumerated() {
            let name = variable["name"]?.stringValue ?? ""
            if !name.isEmpty, let problem = NameFormat.environmentNameProblem(name) {
                errors.append(.invalid("\(path).env[\(index)].name", .string(name), problem))
            }
            guard let source = variable["valueFrom"] else { continue }
            func place() -> String { "\(path).env[\(index)].valueFrom" }
            let count = source.objectValue?.count ?? 0
            if count == 0 {
                errors.append(
                    .invalid(
                        place(), "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"))
            }
            if count > 1 { errors.append(.invalid(place(), "", "may not have more than one field specified at a time")) }
            if !(variable["value"]?.stringValue ?? "").isEmpty {
                errors.append(.invalid(place(), "", "may not be specified when `value` is not empty"))
            }
            for reference in ["configMapKeyRef", "secretKeyRef"] {
                guard let selector = source[reference] else { continue }
                if (selector["name"]?.stringValue ?? "").isEmpty { errors.append(.required("\(place()).\(reference).name")) }
                if let key = selector["key"]?.stringValue, let problem = NameFormat.dataKeyProblem(key) {
                    errors.append(.invalid("\(place()).\(reference).key", .string(key), problem))
                }
            }
        }
        return errors
    }

    private var mounts: [FieldError] {
        let mounts = container["volumeMounts"]?.arrayValue ?? []
        var errors: [FieldError] = []
        for (index, mount) in mounts.enumerated() {
            func place() -> String { "\(path).volumeMounts[\(index)]" }
            if let volume = mount["name"]?.stringValue, !volumes.contains(volume) {
                errors.append(.notFound("\(place()).name", .string(volume)))
            }
            if let subPath = mount["subPath"]?.stringValue, let problem = VolumeRules.relativePathProblem(subPath) {
                errors.append(.invalid("\(place()).subPath", .string(subPath), problem))
            }
            if mount["subPath"] != nil, mount["subPathExpr"] != nil {
                errors.append(
                    .invalid(
                        "\(place()).subPathExpr", mount["subPathExpr"] ?? "", "subPathExpr and subPath are mutually exclusive")
                )
            }
        }
        var seen: Set<String> = []
        for (index, mount) in mounts.enumerated() {
            guard let place = mount["mountPath"]?.stringValue, !seen.insert(place).inserted else { continue }
            errors.append(.invalid("\(path).volumeMounts[\(index)].mountPath", .string(place), "must be unique"))
        }
        return errors
    }

    private var probes: [FieldError] {
        var errors: [FieldError] = []
        for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
            guard let probe = container[name] else { continue }
            func place() -> String { "\(path).\(name)" }
            if list == "ephemeralContainers" {
                errors.append(.forbidden(place(), "cannot be set for an Ephemeral Container"))
                continue
            }
            errors += handler(probe, at: place())
            for member in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
                guard let number = probe[member]?.intValue, number < 0 else { continue }
                errors.append(.invalid("\(place()).\(member)", .int(number), "must be greater than or equal to 0"))
            }
            if name != "readinessProbe", let number = probe["successThreshold"]?.intValue, number != 1 {
                errors.append(.invalid("\(place()).successThreshold", .int(number), "must be 1"))
            }
        }
        // Nobody counted it when the pod was placed.
        if list == "ephemeralContainers" {
            for member in ["lifecycle", "resources"] where container[member].map({ $0 != [:] && $0 != .null }) ?? false {
                errors.append(.forbidden("\(path).\(member)", "cannot be set for an Ephemeral Container"))
            }
        }
        for hook in ["postStart", "preStop"] {
            guard let action = container["lifecycle"]?[hook] else { continue }
            errors += handler(action, at: "\(path).lifecycle.\(hook)")
        }
        if let signal = container["lifecycle"]?["stopSignal"], !Self.stopSignals.contains(signal.stringValue ?? "") {
            errors.append(.notSupported("\(path).lifecycle.stopSignal", signal, supported: Self.stopSignals))
        }
        return errors
    }

    /// KEP-4960: by name only, and of the real-time ones those that glibc gives out.
    private static let stopSignals: [String] = {
        let usual = [
            "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL", "PROF", "PWR", "QUIT",
            "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
            "RTMIN", "RTMAX",
        ]
        return (usual + (1...15).map { "RTMIN+\($0)" } + (1...14).map { "RTMAX-\($0)" }).map { "SIG" + $0 }
    }()

    private static let handlers = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"]

    private func handler(_ value: JSONValue, at path: @autoclosure () -> String) -> [FieldError] {
        let found = Self.handlers.filter { value[$0] != nil }
        var errors: [FieldError] = []
        if found.isEmpty { errors.append(.required(path(), "must specify a handler type")) }
        for extra in found.dropFirst() {
            errors.append(.forbidden("\(path()).\(extra)", "may not specify more than 1 handler type"))
        }
        if let action = value["httpGet"] { errors += PortRules.reference(action["port"], at: "\(path()).httpGet.port") }
        if let action = value["tcpSocket"] { errors += PortRules.reference(action["port"], at: "\(path()).tcpSocket.port") }
        if let action = value["grpc"] { errors += PortRules.number(action["port"], at: "\(path()).grpc.port") }
        if let action = value["exec"], (action["command"]?.arrayValue ?? []).isEmpty {
            errors.append(.required("\(path()).exec.command"))
        }
        return errors
    }
}
