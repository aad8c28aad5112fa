// kuscia.secretflow/v1alpha1 Domain.
import KubernetesModel

extension ResourceKind {
    static let domain = ResourceKind(
        resource: .kuscia("domains"), kind: "Domain", singular: "domain", namespaced: false, isCustom: true, hasStatus: true,
        countsGeneration: true, nameRule: .label,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind Domain -- An organisation that takes part.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec DomainSpec -- What is wanted.
              0 status DomainStatus -- What was last observed; written by the system.
            type DomainSpec
              0 role enum(partner) -- partner for a domain behind another master.
              0 master string
              0 interConnProtocols []enum(kuscia|bfia)
              0 cert string
              0 authCenter AuthCenter
              0 resourceQuota DomainResourceQuota
            type AuthCenter
              0 authenticationType enum(Token|MTLS|None)
              0 tokenGenMethod string
            type DomainResourceQuota
              0 podMaxCount count
            type DomainStatus
              0 nodeStatuses []NodeStatus
              0 deployTokenStatuses []DeployTokenStatus
            type NodeStatus
              0 name string
              0 version string
              0 status string -- What was last observed; written by the system.
              0 lastHeartbeatTime time
              0 lastTransitionTime time -- When it last changed.
            type DeployTokenStatus
              0 token string
              0 state string
              0 lastTransitionTime time -- When it last changed.
            """#),
        columns: [.name, .text("Role", ["spec", "role"]), .count("Nodes", ["status", "nodeStatuses"]), .age],
        applyDefaults: { $0.setDefault("spec", [:]) })
}
