// A pod's place in a network: made with ADD, checked with CHECK, given back with DEL. The record holds the configuration as
// it was at ADD, so that DEL undoes what was done even after the operator changed the file.

import JSON

public struct NetworkAttachment: Sendable, Hashable, Codable {
    public var network: String
    public var version: String
    /// The list's plugins as JSON text.
    public var plugins: String
    public var target: AttachmentTarget
    /// The result of the last plugin as JSON text; nil: ADD did not get to its end.
    public var result: String?
    public var addresses: [String] = []
    public var nameservers: [String] = []

    /// Intent: written down before ADD is called.
    public init(_ list: NetworkList, target: AttachmentTarget) {
        network = list.name
        version = list.version
        plugins = JSONValue.array(list.plugins).serializedString()
        self.target = target
    }

    private var list: NetworkList {
        get throws(CNIError) {
            let text =
                #"{"name": \#(JSONValue.string(network)), "cniVersion": \#(JSONValue.string(version)), "plugins": \#(plugins)}"#
            return try NetworkList(parsing: Array(text.utf8), path: "the attachment's record")
        }
    }

    /// Calls every plugin with ADD. After a failure the ones that were called are told DEL, as the specification asks for.
    public mutating func add(programs: [String]) throws(CNIError) {
        let list = try list
        var previous: JSONValue?
        do throws(CNIError) {
            for index in list.plugins.indices {
                let call = list.call(.add, plugin: index, for: target, previous: previous, programs: programs)
                previous = try PluginProcess.run(call, network: network) ?? previous
            }
        } catch {
            try? delete(programs: programs)
            throw error
        }
        guard let previous else { throw CNIError(network: network, reason: "its plugins gave no result") }
        result = previous.serializedString()
        addresses = previous.resultAddresses
        nameservers = previous.resultNameservers
    }

    /// Repeatable; a network that is half gone is no error. Every plugin is called, the first failure is thrown at the end.
    public func delete(programs: [String]) throws(CNIError) {
        let list = try list
        let previous = result.flatMap { try? JSONValue(parsing: $0) }
        var first: CNIError?
        for index in list.plugins.indices.reversed() {
            let call = list.call(.del, plugin: index, for: target, previous: previous, programs: programs)
            do throws(CNIError) { _ = try PluginProcess.run(call, network: network) } catch { first = first ?? error }
        }
        if let first { throw first }
    }

    /// Whether the network still stands as it was made (specification 0.4 and later).
    public func check(programs: [String]) throws(CNIError) {
        let list = try list
        guard let result, let previous = try? JSONValue(parsing: result) else {
            throw CNIError(network: network, reason: "it was never attached")
        }
        for index in list.plugins.indices {
            _ = try PluginProcess.run(
                list.call(.check, plugin: index, for: target, previous: previous, programs: programs), network: network)
        }
    }
}
