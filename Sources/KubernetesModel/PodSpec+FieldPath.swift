// How an event names the part of a pod that it is about, as a kubelet does (pkg/kubelet/container/ref.go).

extension PodSpec {
    /// `spec.containers{NAME}`, with the list that has it; nil: no container has that name.
    public func fieldPath(ofContainer name: String) -> String? {
        if containers.contains(where: { $0.name == name }) { return "spec.containers{\(name)}" }
        if initContainers.contains(where: { $0.name == name }) { return "spec.initContainers{\(name)}" }
        return ephemeralContainers.contains { $0.name == name } ? "spec.ephemeralContainers{\(name)}" : nil
    }
}
