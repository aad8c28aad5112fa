// coordination.k8s.io/v1 Lease.
import JSON
import KubernetesModel

extension ResourceKind {
    static let lease = ResourceKind(
        resource: GroupVersionResource(group: "coordination.k8s.io", resource: "leases"), kind: "Lease", singular: "lease",
        types: TypeText(
            package: "io.k8s.api.coordination.v1",
            #"""
            kind Lease -- Who holds something, and until when.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec LeaseSpec -- What is wanted.
            type LeaseSpec
              1 holderIdentity string? -- Who holds it.
              2 leaseDurationSeconds int32? -- How long after renewTime it is held.
              3 acquireTime microTime -- When the holder got it.
              4 renewTime microTime -- When it was last renewed.
              5 leaseTransitions int32? -- How often the holder changed.
              6 strategy string?
              7 preferredHolder string?
            """#),
        columns: [.name, .text("Holder", ["spec", "holderIdentity"]), .age],
        validate: { lease in
            var errors: [FieldError] = []
            if let seconds = lease["spec"]?["leaseDurationSeconds"], (seconds.intValue ?? 1) <= 0 {
                errors.append(.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
            }
            if let transitions = lease["spec"]?["leaseTransitions"], (transitions.intValue ?? 0) < 0 {
                errors.append(.invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
            }
            return errors
        })
}
