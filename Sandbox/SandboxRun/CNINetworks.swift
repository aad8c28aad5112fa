// `swiftlet run --network cni:NAME`: this machine's networks, through the same client as RunP's pods.
import CNI

public struct CNINetworks: RunNetworkProvider {
    /// Where packages and operators put them (CNI_PATH and the kubelet's defaults).
    static let programs = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"]
    static let configurations = "/etc/cni/net.d"

    public init() {}

    public func attach(network: String, id: String, namespace: String, ports: [UInt16]) throws(RunFailure) -> RunAttachment {
        do throws(CNIError) {
            let list = try NetworkList.find(network, in: Self.configurations)
            let mappings = ports.map { PortMapping(hostPort: Int64($0), containerPort: Int64($0), protocol: "tcp") }
            var attachment = NetworkAttachment(
                list,
                target: AttachmentTarget(
                    containerID: id, networkNamespace: namespace, arguments: "IgnoreUnknown=1", portMappings: mappings))
            try attachment.add(programs: Self.programs)
            let made = attachment
            return RunAttachment(nameservers: made.nameservers) {
                do throws(CNIError) { try made.delete(programs: Self.programs) } catch { return "\(error)" }
                return nil
            }
        } catch {
            throw RunFailure(
                field: "--network", found: "cni:\(network): \(error.reason)", expected: "a network that its plugins can make",
                hint: error.hint)
        }
    }
}
