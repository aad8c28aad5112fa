// metrics.k8s.io/v1beta1 NodeMetrics and PodMetrics: what nodes report of their use. Kept in memory only; a node sends the
// next figures soon enough.
import JSON
import KubernetesModel

extension ResourceKind {
    static let nodeMetrics = ResourceKind(
        resource: GroupVersionResource(group: "metrics.k8s.io", version: "v1beta1", resource: "nodes"), kind: "NodeMetrics",
        singular: "", namespaced: false, isPersistent: false,
        types: TypeText(
            package: "io.k8s.metrics.pkg.apis.metrics.v1beta1",
            #"""
            kind NodeMetrics -- What a node uses.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 timestamp time
              3 window string
              4 usage {}quantity
            kind PodMetrics -- What the containers of a pod use.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 timestamp time
              3 window string
              4 containers []ContainerMetrics
            type ContainerMetrics
              1 name string
              2 usage {}quantity
            """#),
        columns: [
            .name, .text("CPU", ["usage", "cpu"]), .text("Memory", ["usage", "memory"]), .text("Window", ["window"]),
        ])

    static let podMetrics = ResourceKind(
        resource: GroupVersionResource(group: "metrics.k8s.io", version: "v1beta1", resource: "pods"), kind: "PodMetrics",
        singular: "", isPersistent: false,
        columns: [
            .name, .computed("CPU") { total($0, "cpu") }, .computed("Memory") { total($0, "memory") },
            .text("Window", ["window"]),
        ])

    /// The sum over a pod's containers.
    private static func total(_ tape: JSONTape, _ resource: String) -> String {
        let containers = tape.node(["containers"]).map { Array(tape.elements(of: $0)) } ?? []
        let amounts = containers.compactMap { container in
            tape.node(["usage", resource], from: container).flatMap { QuantityForm.quantity(tape.value($0)) }
        }
        return amounts.reduce(Quantity.zero, +).canonical
    }
}
