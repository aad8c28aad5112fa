// Network configuration lists (CNI specification 1.0, section 1): what the operator puts into the node's CNI directory.

import Glibc
import JSON

public struct CNIError: Error, Sendable, Hashable, CustomStringConvertible {
    public var network: String
    public var reason: String
    public var hint: String?

    public init(network: String, reason: String, hint: String? = nil) {
        self.network = network
        self.reason = reason
        self.hint = hint
    }

    public var description: String { "network \(network): \(reason)" + (hint.map { "; \($0)" } ?? "") }
}

public struct NetworkList: Sendable, Hashable {
    public var name: String
    public var version: String
    /// Each with its `type`; called in this order to attach, backwards to detach.
    public var plugins: [JSONValue]

    /// More plugins than any real chain has; each is a process.
    static let pluginsMaximum = 16

    /// `path` is for messages. A single plugin's `.conf` is a list of one.
    public init(parsing bytes: [UInt8], path: String) throws(CNIError) {
        let document: JSONValue
        do { document = try JSONValue(parsing: bytes) } catch { throw CNIError(network: path, reason: "is not JSON: \(error)") }
        guard let name = document["name"]?.stringValue, !name.isEmpty else {
            throw CNIError(network: path, reason: "has no \"name\"")
        }
        self.name = name
        version = document["cniVersion"]?.stringValue ?? "0.1.0"
        plugins = document["plugins"]?.arrayValue ?? [document]
        guard !plugins.isEmpty, plugins.count <= Self.pluginsMaximum else {
            throw CNIError(network: name, reason: "\(path): found \(plugins.count) plugins, expected 1 to \(Self.pluginsMaximum)")
        }
        for (index, plugin) in plugins.enumerated() {
            let type = plugin["type"]?.stringValue ?? ""
            // The type is the name of a program: never a path.
            guard !type.isEmpty, !type.contains("/"), type != ".", type != ".." else {
                throw CNIError(
                    network: name, reason: "\(path): plugins[\(index)].type: found \"\(type)\", expected a plugin's name")
            }
        }
    }

    /// The list of this name in `directory`, whose files are read in order of their names (.conflist, .conf, .json).
    public static func find(_ name: String, in directory: String) throws(CNIError) -> NetworkList {
        var broken: CNIError?
        for file in files(in: directory) {
            let path = "\(directory)/\(file)"
            guard let bytes = SmallFile.read(path) else { continue }
            do throws(CNIError) {
                let list = try NetworkList(parsing: bytes, path: path)
                if list.name == name { return list }
            } catch { broken = broken ?? error }
        }
        if let broken { throw broken }
        throw CNIError(
            network: name, reason: "no network of this name in \(directory)",
            hint: "put its configuration list there as \(name).conflist")
    }

    private static func files(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if [".conflist", ".conf", ".json"].contains(where: name.hasSuffix) { names.append(name) }
        }
        return names.sorted()
    }
}
