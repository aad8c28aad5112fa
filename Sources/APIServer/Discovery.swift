// Discovery documents: which groups, versions and resources there are, plain (APIResourceList) and aggregated.
import JSON
import KubernetesModel

struct Discovery: Sendable {
    let registry: KindRegistry

    // MARK: Plain

    var coreVersions: JSONValue {
        [
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [["clientCIDR": "0.0.0.0/0", "serverAddress": ""]],
        ]
    }

    private var groups: [String] { Set(registry.groupVersions.map(\.group)).filter { !$0.isEmpty }.sorted() }

    var groupList: JSONValue {
        [
            "kind": "APIGroupList", "apiVersion": "v1",
            "groups": .array(
                groups.map { name in
                    var group = self.group(name)
                    group["kind"] = nil
                    group["apiVersion"] = nil
                    return group
                }),
        ]
    }

    func group(_ name: String) -> JSONValue {
        let versions = registry.groupVersions.filter { $0.group == name }.map { version -> JSONValue in
            ["groupVersion": .string(version.apiVersion), "version": .string(version.version)]
        }
        return [
            "kind": "APIGroup", "apiVersion": "v1", "name": .string(name), "versions": .array(versions),
            "preferredVersion": versions.first ?? [:],
        ]
    }

    func resourceList(_ groupVersion: KindRegistry.GroupVersion) -> JSONValue {
        var resources: [JSONValue] = []
        for kind in registry.kinds(of: groupVersion) {
            resources.append(resource(kind.declaration))
            for subresource in Self.subresources(kind.declaration) {
                var entry: JSONValue = [
                    "name": .string("\(kind.resource.resource)/\(subresource.name)"), "singularName": "",
                    "namespaced": .bool(kind.declaration.namespaced), "kind": .string(subresource.kind.kind),
                ]
                // Named where it is not this document's: kubectl drain looks for policy/v1 at pods/eviction.
                if subresource.kind.group != groupVersion.group || subresource.kind.version != groupVersion.version {
                    entry["group"] = .string(subresource.kind.group)
                    entry["version"] = .string(subresource.kind.version)
                }
                entry["verbs"] = .array(subresource.verbs.map { .string($0) })
                resources.append(entry)
            }
        }
        return [
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": .string(groupVersion.apiVersion),
            "resources": .array(resources),
        ]
    }

    private func resource(_ kind: ResourceKind) -> JSONValue {
        var entry: JSONValue = [
            "name": .string(kind.resource.resource), "singularName": .string(kind.singular),
            "namespaced": .bool(kind.namespaced), "kind": .string(kind.kind),
            "verbs": .array(kind.verbs.map { .string($0) }),
        ]
        if !kind.shortNames.isEmpty { entry["shortNames"] = .array(kind.shortNames.map { .string($0) }) }
        if !kind.categories.isEmpty { entry["categories"] = .array(kind.categories.map { .string($0) }) }
        return entry
    }

    static func subresources(_ kind: ResourceKind) -> [ResourceKind.Subresource] {
        let status = ResourceKind.Subresource(name: "status", kind: kind.gvk, verbs: ["get", "patch", "update"])
        return kind.subresources + (kind.hasStatus ? [status] : [])
    }

    // MARK: Aggregated

    /// `version` is that of the document: "v2" or "v2beta1".
    func aggregated(core: Bool, _ version: String) -> JSONValue {
        let names = core ? [""] : groups
        return [
            "kind": "APIGroupDiscoveryList", "apiVersion": .string("apidiscovery.k8s.io/\(version)"), "metadata": [:],
            "items": .array(names.map(aggregated(group:))),
        ]
    }

    private func aggregated(group: String) -> JSONValue {
        let versions = registry.groupVersions.filter { $0.group == group }.map { version -> JSONValue in
            [
                "version": .string(version.version), "freshness": "Current",
                "resources": .array(registry.kinds(of: version).map { aggregated($0.declaration) }),
            ]
        }
        var metadata: JSONValue = ["creationTimestamp": .null]
        if !group.isEmpty { metadata["name"] = .string(group) }
        return ["metadata": metadata, "versions": .array(versions)]
    }

    private func aggregated(_ kind: ResourceKind) -> JSONValue {
        var entry: JSONValue = [
            "resource": .string(kind.resource.resource), "responseKind": responseKind(kind.gvk),
            "scope": kind.namespaced ? "Namespaced" : "Cluster", "singularResource": .string(kind.singular),
            "verbs": .array(kind.verbs.map { .string($0) }),
        ]
        if !kind.shortNames.isEmpty { entry["shortNames"] = .array(kind.shortNames.map { .string($0) }) }
        if !kind.categories.isEmpty { entry["categories"] = .array(kind.categories.map { .string($0) }) }
        let subresources = Self.subresources(kind)
        if !subresources.isEmpty {
            entry["subresources"] = .array(
                subresources.map { subresource in
                    [
                        "subresource": .string(subresource.name), "responseKind": responseKind(subresource.kind),
                        "verbs": .array(subresource.verbs.map { .string($0) }),
                    ]
                })
        }
        return entry
    }

    private func responseKind(_ kind: GroupVersionKind) -> JSONValue {
        ["group": .string(kind.group), "version": .string(kind.version), "kind": .string(kind.kind)]
    }
}
