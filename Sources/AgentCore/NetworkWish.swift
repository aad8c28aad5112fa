// The network that a pod asks for: annotations and declared ports, read and checked.
import KubernetesModel
import KusciaModel

public struct PodWishError: Error, Sendable, Hashable, CustomStringConvertible {
    public var annotation: String
    public var found: String
    public var expected: String

    public var description: String { "metadata.annotations[\(annotation)]: found \"\(found)\", expected \(expected)" }
}

public enum NetworkWish: Sendable, Hashable {
    /// nil: any port.
    case host(bind: [UInt16]?, connect: [UInt16]?)
    case none
    case cni(String)

    /// More than this many ports in a rule is a mistake, and each costs a system call at every start.
    public static let portsMaximum = 1024

    public init(_ pod: Pod) throws(PodWishError) {
        let annotations = pod.metadata.annotations
        switch annotations[KusciaAnnotation.network] ?? "host" {
        case "host":
            // On the node's own network a pod that declares ports is held to them, one that declares none serves nobody.
            let declared = Self.declaredPorts(pod)
            let bind = try Self.ports(KusciaAnnotation.tcpBind, annotations)
            let connect = try Self.ports(KusciaAnnotation.tcpConnect, annotations)
            self = .host(bind: bind == nil ? declared : bind?.ports, connect: connect?.ports)
        case "none": self = .none
        case let other:
            let name = other.dropFirst("cni/".count)
            guard other.hasPrefix("cni/"), !name.isEmpty, name.utf8.count <= 64, Self.isNetworkName(name) else {
                throw PodWishError(annotation: KusciaAnnotation.network, found: other, expected: "host, none or cni/NAME")
            }
            self = .cni(String(name))
        }
    }

    /// The pod shares the node's network: its address and ports are the node's.
    public static func isHost(_ pod: Pod) -> Bool { (pod.metadata.annotations[KusciaAnnotation.network] ?? "host") == "host" }

    /// The pod has an address of its own, and port mappings to it.
    public static func hasAddress(_ pod: Pod) -> Bool {
        pod.metadata.annotations[KusciaAnnotation.network]?.hasPrefix("cni/") == true
    }

    /// libcni's rule for a network's name: a letter or digit, then letters, digits, '_', '.', '-'.
    private static func isNetworkName(_ name: Substring) -> Bool {
        name.first.map { $0.isASCII && ($0.isLetter || $0.isNumber) } == true
            && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_.-".contains($0)) }
    }

    /// Of every container, as the rule is the pod's; by either number, as a program binds the container's port also where another is the
    /// node's.
    private static func declaredPorts(_ pod: Pod) -> [UInt16] {
        let ports = (pod.spec.initContainers + pod.spec.containers).flatMap(\.ports).filter { NodePort.isTCP($0.protocol) }
        return Set(ports.flatMap { [$0.containerPort, $0.givenHostPort ?? $0.containerPort] }.compactMap(UInt16.init(exactly:)))
            .sorted()
    }

    /// A rule was given; its `ports` are nil for "*".
    private struct Rule: Hashable { var ports: [UInt16]? }

    private static func ports(_ annotation: String, _ annotations: [String: String]) throws(PodWishError) -> Rule? {
        guard let text = annotations[annotation] else { return nil }
        if text == "*" { return Rule(ports: nil) }
        var ports: Set<UInt16> = []
        for part in text.split(separator: ",") {
            let ends = part.filter { $0 != " " }.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map {
                UInt16($0)
            }
            guard let low = ends.first ?? nil, let high = ends.last ?? nil, low <= high, Int(high - low) < portsMaximum else {
                throw PodWishError(annotation: annotation, found: text, expected: "\"*\" or ports as in 443,8000-8010")
            }
            ports.formUnion(low...high)
        }
        guard ports.count <= portsMaximum else {
            throw PodWishError(annotation: annotation, found: "\(ports.count) ports", expected: "at most \(portsMaximum)")
        }
        return Rule(ports: ports.sorted())
    }
}
