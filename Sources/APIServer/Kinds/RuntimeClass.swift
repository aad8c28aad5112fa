// node.k8s.io/v1 RuntimeClass.
import JSON
import KubernetesModel

extension ResourceKind {
    static let runtimeClass = ResourceKind(
        resource: GroupVersionResource(group: "node.k8s.io", resource: "runtimeclasses"), kind: "RuntimeClass",
        singular: "runtimeclass", namespaced: false,
        types: TypeText(
            package: "io.k8s.api.node.v1",
            #"""
            kind RuntimeClass -- A way in which nodes run pods.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 handler string! -- What the node's runtime calls it.
              3 overhead Overhead -- What it needs beside the containers.
              4 scheduling Scheduling
            type Overhead
              1 podFixed {}quantity
            type Scheduling
              1 nodeSelector {}string
              2 tolerations []core.Toleration
            """#),
        columns: [.name, .text("Handler", ["handler"]), .age],
        validate: { value in
            let handler = value["handler"]?.stringValue ?? ""
            let errors = NameFormat.labelProblem(handler).map { [FieldError.invalid("handler", .string(handler), $0)] } ?? []
            return errors + QuantityRules.notNegative(value["overhead"]?["podFixed"], at: "overhead.podFixed")
        },
        validateUpdate: { immutable($0, $1, "handler") })

    /// For a member that may not change.
    static func immutable(_ old: JSONValue, _ new: JSONValue, _ member: String) -> [FieldError] {
        old[member] == new[member] ? [] : [.invalid(member, new[member] ?? .null, "field is immutable")]
    }
}
