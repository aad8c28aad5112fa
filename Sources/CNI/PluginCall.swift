// One call of one plugin as data: environment and standard input out of a network list (CNI specification 1.0, sections 2-4).

import Glibc
import JSON

public struct PluginCall: Sendable, Hashable {
    public enum Command: String, Sendable, Hashable {
        case add = "ADD"
        case del = "DEL"
        case check = "CHECK"
    }

    public var program: String
    public var environment: [String]
    public var input: [UInt8]
}

/// Whose interface it is.
public struct AttachmentTarget: Sendable, Hashable, Codable {
    /// Unique on the machine; the pod's UID.
    public var containerID: String
    public var networkNamespace: String
    public var interface: String
    /// KEY=VALUE;KEY=VALUE for plugins that care, e.g. K8S_POD_NAMESPACE.
    public var arguments: String
    public var portMappings: [PortMapping]

    public init(
        containerID: String, networkNamespace: String, interface: String = "eth0", arguments: String = "",
        portMappings: [PortMapping] = []
    ) {
        self.containerID = containerID
        self.networkNamespace = networkNamespace
        self.interface = interface
        self.arguments = arguments
        self.portMappings = portMappings
    }
}

/// A port of the node that leads to one of the pod's, for plugins with the capability `portMappings`.
public struct PortMapping: Sendable, Hashable, Codable {
    public var hostPort: Int64
    public var containerPort: Int64
    public var `protocol`: String

    public init(hostPort: Int64, containerPort: Int64, protocol: String = "tcp") {
        self.hostPort = hostPort
        self.containerPort = containerPort
        self.protocol = `protocol`
    }
}

extension NetworkList {
    /// The call of plugin `index`. `previous` is the result of the plugin before it (ADD), or of the whole chain (DEL, CHECK).
    public func call(
        _ command: PluginCall.Command, plugin index: Int, for target: AttachmentTarget, previous: JSONValue?, programs: [String]
    ) -> PluginCall {
        let plugin = plugins[index]
        let type = plugin["type"]?.stringValue ?? ""
        var configuration = plugin
        configuration.set(["name"], to: .string(name))
        configuration.set(["cniVersion"], to: .string(version))
        if let previous { configuration.set(["prevResult"], to: previous) }
        if plugin["capabilities"]?["portMappings"]?.boolValue == true, !target.portMappings.isEmpty {
            configuration.set(
                ["runtimeConfig", "portMappings"],
                to: .array(
                    target.portMappings.map {
                        [
                            "hostPort": .int($0.hostPort), "containerPort": .int($0.containerPort),
                            "protocol": .string($0.protocol),
                        ]
                    }))
        }
        configuration.set(["capabilities"], to: nil)
        return PluginCall(
            program: Self.find(type, in: programs),
            environment: [
                "CNI_COMMAND=\(command.rawValue)", "CNI_CONTAINERID=\(target.containerID)",
                "CNI_NETNS=\(target.networkNamespace)",
                "CNI_IFNAME=\(target.interface)", "CNI_ARGS=\(target.arguments)", "CNI_PATH=\(programs.joined(separator: ":"))",
                // Plugins call iptables, nft and ip by name.
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ],
            input: configuration.serialized())
    }
}

extension NetworkList {
    /// In the first directory that has it; else where it is expected, for the message.
    private static func find(_ type: String, in directories: [String]) -> String {
        let places = directories.map { "\($0)/\(type)" }
        return places.first { access($0, X_OK) == 0 } ?? places.first ?? type
    }
}

extension JSONValue {
    /// The addresses in a plugin's result, without their prefix lengths.
    var resultAddresses: [String] {
        (self["ips"]?.arrayValue ?? []).compactMap { entry in
            entry["address"]?.stringValue?.split(separator: "/").first.map(String.init)
        }
    }

    var resultNameservers: [String] { (self["dns"]?["nameservers"]?.arrayValue ?? []).compactMap(\.stringValue) }
}
