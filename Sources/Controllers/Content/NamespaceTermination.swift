// What a namespace that is being deleted still holds, and what its status says about that: kube-controller-manager's
// conditions, pure.
import KubernetesModel

/// I-NS-1: the finalizer `kubernetes` is taken off only when a look at every kind found the namespace empty.
struct NamespaceContent: Sendable, Hashable {
    /// Objects that are still there, by kind ("pods", "kusciatasks.kuscia.secretflow").
    var remaining: [String: Int] = [:]
    /// Objects that hold each finalizer.
    var finalizers: [String: Int] = [:]
    /// Kinds that could not be looked at or emptied, with the reason.
    var failures: [String] = []

    /// Nothing is there, and everything was looked at.
    var isEmpty: Bool { remaining.isEmpty && failures.isEmpty }

    mutating func count(_ resource: GroupVersionResource, _ objects: [LifeMetadata]) {
        guard !objects.isEmpty else { return }
        remaining[resource.description, default: 0] += objects.count
        for finalizer in objects.flatMap(\.finalizers) { finalizers[finalizer, default: 0] += 1 }
    }

    /// The status conditions; the time changes only where the status does.
    func conditions(after old: [NamespaceCondition], now: Timestamp) -> [NamespaceCondition] {
        func told(_ counts: [String: Int], _ what: String) -> String {
            counts.sorted { $0.key < $1.key }.map { "\($0.key) \(what) \($0.value) resource instances" }.joined(separator: ", ")
        }
        let wanted = [
            NamespaceCondition(
                type: "NamespaceDeletionDiscoveryFailure", status: .false, reason: "ResourcesDiscovered",
                message: "All resources successfully discovered"),
            NamespaceCondition(
                type: "NamespaceDeletionGroupVersionParsingFailure", status: .false, reason: "ParsedGroupVersions",
                message: "All legacy kube types successfully parsed"),
            failures.isEmpty
                ? NamespaceCondition(
                    type: "NamespaceDeletionContentFailure", status: .false, reason: "ContentDeleted",
                    message: "All content successfully deleted, may be waiting on finalization")
                : NamespaceCondition(
                    type: "NamespaceDeletionContentFailure", status: .true, reason: "ContentDeletionFailed",
                    message:
                        "Failed to delete all resource types, \(failures.count) remaining: \(failures.sorted().joined(separator: ", "))"
                ),
            remaining.isEmpty
                ? NamespaceCondition(
                    type: "NamespaceContentRemaining", status: .false, reason: "ContentRemoved",
                    message: "All content successfully removed")
                : NamespaceCondition(
                    type: "NamespaceContentRemaining", status: .true, reason: "SomeResourcesRemain",
                    message: "Some resources are remaining: \(told(remaining, "has"))"),
            finalizers.isEmpty
                ? NamespaceCondition(
                    type: "NamespaceFinalizersRemaining", status: .false, reason: "ContentHasNoFinalizers",
                    message: "All content-preserving finalizers finished")
                : NamespaceCondition(
                    type: "NamespaceFinalizersRemaining", status: .true, reason: "SomeFinalizersRemain",
                    message: "Some content in the namespace has finalizers remaining: \(told(finalizers, "in"))"),
        ]
        return wanted.map { condition in
            var condition = condition
            let before = old.first { $0.type == condition.type }
            condition.lastTransitionTime = before?.status == condition.status ? before?.lastTransitionTime : now
            return condition
        }
    }
}
