// A container's environment: env, envFrom, references into the pod, ConfigMaps and Secrets, and $(VAR) expansion.
import KubernetesModel

/// A variable that cannot be made.
public struct EnvironmentError: Error, Sendable, Hashable, CustomStringConvertible {
    /// e.g. "env[2] TOKEN".
    public var variable: String
    public var reason: String
    /// A ConfigMap, Secret or key is not there: it may come.
    public var isMissing = false
    public var description: String { "\(variable): \(reason)" }

    /// In a kubelet's words, whose message names the object alone.
    static func missing(_ reason: String, _ variable: String) -> EnvironmentError {
        EnvironmentError(variable: variable, reason: reason, isMissing: true)
    }
}

public struct EnvironmentBuilder: Sendable {
    public var pod: Pod
    public var podIP: String
    public var hostIP: String
    /// What an unlimited container may use: resourceFieldRef's answer when there is no limit.
    public var allocatable: PodResources
    /// By name; texts.
    public var configMaps: [String: [String: String]]
    /// By name; already decoded from base64.
    public var secrets: [String: [String: String]]

    public init(
        pod: Pod, podIP: String, hostIP: String, allocatable: PodResources = .init(),
        configMaps: [String: [String: String]] = [:], secrets: [String: [String: String]] = [:]
    ) {
        self.pod = pod
        self.podIP = podIP
        self.hostIP = hostIP
        self.allocatable = allocatable
        self.configMaps = configMaps
        self.secrets = secrets
    }

    /// In the order of definition; a later definition of a name replaces the earlier.
    public func build(for container: Container) throws(EnvironmentError) -> [(name: String, value: String)] {
        var variables = OrderedVariables()
        for (index, source) in container.envFrom.enumerated() {
            for (name, value) in try imported(source, "envFrom[\(index)]") { variables[name] = value }
        }
        for (index, entry) in container.env.enumerated() {
            let label = "env[\(index)] \(entry.name)"
            if let source = entry.valueFrom {
                if let value = try resolve(source, container, label) { variables[entry.name] = value }
            } else {
                variables[entry.name] = VariableExpansion.expand(entry.value ?? "") { variables[$0] }
            }
        }
        return variables.list
    }

    private func imported(_ source: EnvFromSource, _ label: String) throws(EnvironmentError) -> [(String, String)] {
        let prefix = source.prefix ?? ""
        let found: [String: String]
        if let reference = source.configMapRef {
            found = try object(reference.name, reference.optional, configMaps, "ConfigMap", label)
        } else if let reference = source.secretRef {
            found = try object(reference.name, reference.optional, secrets, "Secret", label)
        } else {
            return []
        }
        return found.sorted { $0.key < $1.key }.map { (prefix + $0.key, $0.value) }
    }

    private func object(
        _ name: String, _ optional: Bool?, _ all: [String: [String: String]], _ kind: String, _ label: String
    ) throws(EnvironmentError) -> [String: String] {
        if let found = all[name] { return found }
        if optional == true { return [:] }
        throw .missing("\(kind.lowercased()) \"\(name)\" not found", label)
    }

    private func resolve(
        _ source: EnvVarSource, _ container: Container, _ label: String
    ) throws(EnvironmentError) -> String? {
        do throws(ReferenceError) {
            if let field = source.fieldRef {
                return try FieldReference(pod: pod, podIP: podIP, hostIP: hostIP).variable(field.fieldPath)
            }
            if let resource = source.resourceFieldRef {
                return try ResourceReference(pod: pod, allocatable: allocatable).value(resource, own: container)
            }
        } catch { throw EnvironmentError(variable: label, reason: error.reason) }
        if let key = source.configMapKeyRef { return try self.key(key, configMaps, "ConfigMap", label) }
        if let key = source.secretKeyRef { return try self.key(key, secrets, "Secret", label) }
        throw EnvironmentError(variable: label, reason: "valueFrom names no source")
    }

    private func key(
        _ selector: KeySelector, _ all: [String: [String: String]], _ kind: String, _ label: String
    ) throws(EnvironmentError) -> String? {
        let found = try object(selector.name, selector.optional, all, kind, label)
        if let value = found[selector.key] { return value }
        if selector.optional == true { return nil }
        throw .missing("couldn't find key \(selector.key) in \(kind) \(pod.metadata.namespace ?? "")/\(selector.name)", label)
    }
}

/// `$(NAME)` in values, commands and arguments.
public enum VariableExpansion {
    /// An unknown name stays as written; `$$` is a single `$`, so `$$(NAME)` is never expanded.
    public static func expand(_ text: String, _ value: (String) -> String?) -> String {
        guard text.contains("$") else { return text }
        var output = ""
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            output += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            switch rest.first {
            case "$":
                output += "$"
                rest = rest.dropFirst()
            case "(":
                guard let close = rest.firstIndex(of: ")") else {
                    output += "$"
                    continue
                }
                let name = String(rest[rest.index(after: rest.startIndex)..<close])
                output += value(name) ?? "$(\(name))"
                rest = rest[rest.index(after: close)...]
            default:
                output += "$"
            }
        }
        return output + rest
    }
}

/// Keeps the order in which names first came.
private struct OrderedVariables {
    private(set) var list: [(name: String, value: String)] = []
    private var positions: [String: Int] = [:]

    subscript(name: String) -> String? {
        get { positions[name].map { list[$0].value } }
        set {
            guard let newValue else { return }
            if let position = positions[name] {
                list[position].value = newValue
            } else {
                positions[name] = list.count
                list.append((name, newValue))
            }
        }
    }
}
