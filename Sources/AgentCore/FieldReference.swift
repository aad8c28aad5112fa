// Fields of a pod as texts: what env's fieldRef and the files of a downwardAPI volume may name.
// https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
import KubernetesModel

/// A reference that leads nowhere.
public struct ReferenceError: Error, Sendable, Hashable, CustomStringConvertible {
    public var reason: String
    public init(_ reason: String) { self.reason = reason }
    public var description: String { reason }
}

public struct FieldReference: Sendable {
    public var pod: Pod
    public var podIP: String
    public var hostIP: String

    public init(pod: Pod, podIP: String, hostIP: String) {
        self.pod = pod
        self.podIP = podIP
        self.hostIP = hostIP
    }

    /// For a variable: single values. Whether a value can change while the pod runs does not matter: it is read at the start.
    public func variable(_ path: String) throws(ReferenceError) -> String {
        switch path {
        case "spec.nodeName": return pod.spec.nodeName ?? ""
        case "spec.serviceAccountName": return pod.spec.serviceAccountName ?? "default"
        case "status.podIP", "status.podIPs": return podIP
        case "status.hostIP", "status.hostIPs": return hostIP
        default: return try common(path)
        }
    }

    /// For a file: the pod's metadata, maps as a whole too.
    public func file(_ path: String) throws(ReferenceError) -> String {
        switch path {
        case "metadata.labels": return Self.lines(pod.metadata.labels)
        case "metadata.annotations": return Self.lines(pod.metadata.annotations)
        default: return try common(path)
        }
    }

    private func common(_ path: String) throws(ReferenceError) -> String {
        switch path {
        case "metadata.name": return pod.metadata.name
        case "metadata.namespace": return pod.metadata.namespace ?? ""
        case "metadata.uid": return pod.metadata.uid ?? ""
        default:
            if let key = Self.subscriptKey(path, of: "metadata.labels") { return pod.metadata.labels[key] ?? "" }
            if let key = Self.subscriptKey(path, of: "metadata.annotations") { return pod.metadata.annotations[key] ?? "" }
            throw ReferenceError("fieldPath \(path) is not supported")
        }
    }

    /// `metadata.labels['key']`
    private static func subscriptKey(_ path: String, of prefix: String) -> String? {
        guard path.hasPrefix(prefix + "['"), path.hasSuffix("']"), path.count >= prefix.count + 4 else { return nil }
        return String(path.dropFirst(prefix.count + 2).dropLast(2))
    }

    // MARK: Maps

    /// `key="value"` a line, sorted, values quoted as a Go program quotes them: the format that readers of these files parse.
    static func lines(_ map: [String: String]) -> String {
        map.sorted { $0.key < $1.key }.map { "\($0.key)=\(quoted($0.value))" }.joined(separator: "\n")
    }

    private static func quoted(_ text: String) -> String {
        var output = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            case "\u{07}": output += "\\a"
            case "\u{08}": output += "\\b"
            case "\u{0C}": output += "\\f"
            case "\n": output += "\\n"
            case "\r": output += "\\r"
            case "\t": output += "\\t"
            case "\u{0B}": output += "\\v"
            default: output += isPrintable(scalar) ? String(scalar) : escaped(scalar.value)
            }
        }
        return output + "\""
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: scalar == " "
        default: true
        }
    }

    private static func escaped(_ value: UInt32) -> String {
        func hexadecimal(_ width: Int) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        if value < 0x80 { return "\\x" + hexadecimal(2) }
        return value < 0x10000 ? "\\u" + hexadecimal(4) : "\\U" + hexadecimal(8)
    }
}

/// `limits.cpu` and the like of a container, as a whole number of the divisor's unit, rounded up.
public struct ResourceReference: Sendable {
    public var pod: Pod
    /// What an unlimited container may use.
    public var allocatable: PodResources

    public init(pod: Pod, allocatable: PodResources) {
        self.pod = pod
        self.allocatable = allocatable
    }

    /// `own`: the container that asks; nil for a volume's file, which must name one.
    public func value(_ selector: ResourceFieldSelector, own: Container?) throws(ReferenceError) -> String {
        let container = try container(selector.containerName, own)
        let parts = selector.resource.split(separator: ".", maxSplits: 1).map(String.init)
        guard parts.count == 2, parts[0] == "limits" || parts[0] == "requests" else {
            throw ReferenceError("resource \(selector.resource) is neither limits.* nor requests.*")
        }
        guard Self.isKnown(parts[1]) else {
            throw ReferenceError("resource \(selector.resource): expected cpu, memory, ephemeral-storage or hugepages-*")
        }
        let isLimit = parts[0] == "limits"
        let amount =
            (isLimit ? container.resources.limits : container.resources.requests)[parts[1]] ?? (isLimit ? node(parts[1]) : .zero)
        // Counted in milli-units of a processor and in bytes; the divisor is 1 when absent or 0.
        let divisor = selector.divisor.map { $0.isZero ? Quantity(1) : $0 } ?? Quantity(1)
        let (top, bottom) = parts[1] == "cpu" ? (amount.milliValue, divisor.milliValue) : (amount.value, divisor.value)
        guard top > 0 else { return "0" }
        let (whole, rest) = top.quotientAndRemainder(dividingBy: max(1, bottom))
        return String(rest > 0 ? whole + 1 : whole)
    }

    private static func isKnown(_ name: String) -> Bool {
        ["cpu", "memory", "ephemeral-storage"].contains(name) || name.hasPrefix("hugepages-")
    }

    private func node(_ name: String) -> Quantity {
        switch name {
        case "cpu": Quantity(millis: allocatable.cpuMillis)
        case "memory": Quantity(bytes: allocatable.memoryBytes)
        case "ephemeral-storage": Quantity(bytes: allocatable.ephemeralStorageBytes)
        default: .zero
        }
    }

    private func container(_ name: String?, _ own: Container?) throws(ReferenceError) -> Container {
        guard let name = name.flatMap({ $0.isEmpty ? nil : $0 }) else {
            guard let own else { throw ReferenceError("resourceFieldRef of a volume must name its container") }
            return own
        }
        guard let found = (pod.spec.initContainers + pod.spec.containers).first(where: { $0.name == name }) else {
            throw ReferenceError("the pod has no container \(name)")
        }
        return found
    }
}
