// core/v1 ServiceAccount.
import KubernetesModel

extension ResourceKind {
    static let serviceAccount = ResourceKind(
        resource: GroupVersionResource(resource: "serviceaccounts"), kind: "ServiceAccount", singular: "serviceaccount",
        shortNames: ["sa"],
        subresources: [
            Subresource(
                name: "token", kind: GroupVersionKind(group: "authentication.k8s.io", version: "v1", kind: "TokenRequest"),
                verbs: ["create"])
        ],
        types: TypeText(
            package: "io.k8s.api.core.v1",
            #"""
            kind ServiceAccount -- An identity for programs in pods.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 secrets []ObjectReference merge(name) -- Secrets that pods of this account may use.
              3 imagePullSecrets []LocalObjectReference -- Secrets with which images are pulled.
              4 automountServiceAccountToken bool? -- Whether pods get a token mounted.
            """#),
        columns: [.name, .count("Secrets", ["secrets"]), .age])
}
