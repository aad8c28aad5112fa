// The end of a namespace: its content goes first, then the name itself.
import JSON
import KubernetesModel
import ResourceStore

extension APIHandler {
    private static let namespaces = GroupVersionResource(resource: "namespaces")

    /// Deletes what is in a terminating namespace. Pods with a node get their grace; the last one takes the namespace along.
    func emptyNamespace(_ name: String) async {
        let parameters = DeletionParameters.plain
        for kind in kinds.kinds where kind.declaration.namespaced {
            let request = ListRequest(collection: kind.collection, namespace: name)
            guard let list = try? await store.list(request) else { continue }
            for object in list.objects {
                // Whatever stays is found again by the next deletion in this namespace.
                _ = try? await delete(kind, object.key, parameters, user: .master)
            }
        }
        await removeNamespaceIfEmpty(name)
    }

    /// After a removal: was that the last object of a terminating namespace?
    func finishNamespace(of key: ResourceKey) async {
        guard !key.namespace.isEmpty, let kind = kinds[Self.namespaces],
            let namespace = try? find(kind.key(namespace: nil, name: key.namespace)),
            namespace.index.fields["status.phase"] == "Terminating"
        else { return }
        await removeNamespaceIfEmpty(key.namespace)
    }

    private func removeNamespaceIfEmpty(_ name: String) async {
        guard let kind = kinds[Self.namespaces] else { return }
        for one in kinds.kinds where one.declaration.namespaced {
            let request = ListRequest(collection: one.collection, namespace: name, limit: 1)
            guard let list = try? await store.list(request), list.objects.isEmpty else { return }
        }
        let key = kind.key(namespace: nil, name: name)
        guard let current = try? find(key) else { return }
        _ = try? await store.commit([.delete(key, expectedRevision: current.revision)])
    }
}
