// kuscia.secretflow/v1alpha1 AppImage. Its rules are in Rules/AppImageRules.swift.
import KubernetesModel

extension ResourceKind {
    static let appImage = ResourceKind(
        resource: .kuscia("appimages"), kind: "AppImage", singular: "appimage", shortNames: ["aimg"], namespaced: false,
        isCustom: true, countsGeneration: true,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind AppImage -- How an engine's image is run.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec AppImageSpec! -- What is wanted.
            type AppImageSpec
              0 image AppImageInfo!
              0 configTemplates {}string -- Files by name; {{.TASK_ID}} and the like are filled in on the node.
              0 deployTemplates []DeployTemplate! -- The pods of each role.
            type AppImageInfo
              0 name string!
              0 tag string!
              0 id string
              0 sign string
            type DeployTemplate
              0 name string!
              0 role string
              0 replicas count
              0 networkPolicy NetworkPolicy
              0 spec PodSpec! -- What is wanted.
            type NetworkPolicy
              0 ingresses []Ingress
            type Ingress
              0 from IngressFrom
              0 ports []IngressPort
            type IngressFrom
              0 roles []string
            type IngressPort
              0 port string
            """#),
        columns: [
            .name, .text("Image", ["spec", "image", "name"]), .text("Tag", ["spec", "image", "tag"]),
            .count("Templates", ["spec", "deployTemplates"]), .age,
        ],
        validate: AppImageRules.validate)

    static let domainAppImage = ResourceKind(
        resource: .kuscia("domainappimages"), kind: "DomainAppImage", singular: "domainappimage", shortNames: ["daimg"],
        isCustom: true,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind DomainAppImage -- Images that a domain has.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec DomainAppImageSpec -- What is wanted.
            type DomainAppImageSpec
              0 images []DomainAppImageInfo
            type DomainAppImageInfo
              0 tag string
              0 id string
              0 sign string
            """#),
        columns: [.name, .count("Images", ["spec", "images"]), .age])
}
