// Whether a store was written under this master's authority: one that was restored beside new keys has a cluster in it to which this
// master is a stranger.
import JSON
import KubernetesClient
import KubernetesModel

enum MasterAuthority {
    /// Every namespace has the authority's certificate in a ConfigMap of this name.
    private static let mapName = "kube-root-ca.crt"
    private static let mapNamespace = "kube-system"

    /// nil when it is the same, or nothing is known. Ask before the controllers run: they bring the ConfigMap up to date.
    static func warning(_ api: any KubernetesAPI, authority: String) async -> String? {
        let resource = GroupVersionResource(resource: "configmaps")
        guard let bytes = try? await api.get(resource, namespace: mapNamespace, name: mapName, subresource: nil),
            let stored = (try? JSONValue(parsing: bytes))?[path: "data", "ca.crt"]?.stringValue,
            !stored.isEmpty, stored != authority
        else { return nil }
        return
            "the store was written under another authority than pki/ca.crt: its nodes and kubeconfigs do not know this master. "
            + "Stop it and bring back the pki directory that belongs to the store, or give every node a new token and the new ca.crt"
    }

    /// What is missing beside a store that is to be put back; nil when everything is there.
    static func missingWarning(_ state: MasterState) -> String? {
        let missing = ["\(state.pki)/ca.key", "\(state.pki)/sa.key", state.encryptionKeys].filter { !FileText.exists($0) }
        guard !missing.isEmpty else { return nil }
        return "warning: \(missing.joined(separator: ", ")) not there: a backup holds none of them. Without pki/ the nodes and "
            + "kubeconfigs of the backup do not know this master, and without encryption.keys its secrets cannot be read. Bring them "
            + "back before the master starts"
    }
}
