// kuscia.secretflow/v1alpha1 KusciaDeployment and its summary for partners.
import KubernetesModel

extension ResourceKind {
    private static let deploymentColumns: [PrinterColumn] = [
        .name, .text("TotalParties", ["status", "totalParties"], type: "integer"),
        .text("AvailableParties", ["status", "availableParties"], type: "integer"), .text("Phase", ["status", "phase"]), .age,
    ]

    static let kusciaDeployment = ResourceKind(
        resource: .kuscia("kusciadeployments"), kind: "KusciaDeployment", singular: "kusciadeployment", shortNames: ["kd"],
        isCustom: true, hasStatus: true, countsGeneration: true, nameRule: .label,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind KusciaDeployment -- A service that several domains run together.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec KusciaDeploymentSpec! -- What is wanted.
              0 status KusciaDeploymentStatus -- What was last observed; written by the system.
            type KusciaDeploymentSpec
              0 initiator string!
              0 inputConfig string
              0 parties []KusciaDeploymentParty!
            type KusciaDeploymentParty
              0 domainID string!
              0 appImageRef string!
              0 role string
              0 template KusciaDeploymentPartyTemplate
              0 serviceNamePrefix string
            type KusciaDeploymentPartyTemplate
              0 replicas count
              0 strategy apps.DeploymentStrategy
              0 spec PodSpec -- What is wanted.
            type KusciaDeploymentStatus
              0 phase string -- Where it stands.
              0 reason string -- Why, in a word.
              0 message string -- Why, for people.
              0 totalParties int32
              0 availableParties int32
              0 partyDeploymentStatuses {}{}KusciaDeploymentPartyStatus
              0 lastReconcileTime time
            type KusciaDeploymentPartyStatus
              0 phase string -- Where it stands.
              0 role string
              0 replicas int32
              0 updatedReplicas int32
              0 availableReplicas int32
              0 unavailableReplicas int32
              0 conditions []apps.DeploymentCondition
              0 creationTimestamp time
            """#),
        columns: deploymentColumns, warning: "KusciaDeployment is stored, and nothing is deployed: no controller serves it yet")

    static let kusciaDeploymentSummary = ResourceKind(
        resource: .kuscia("kusciadeploymentsummaries"), kind: "KusciaDeploymentSummary", singular: "kusciadeploymentsummary",
        shortNames: ["kds"], isCustom: true, hasStatus: true, nameRule: .label,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind KusciaDeploymentSummary -- A deployment as a partner's master sees it.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 status KusciaDeploymentStatus -- What was last observed; written by the system.
            """#),
        columns: deploymentColumns)
}
