// What a pod's containers may use together: the limits of its common cgroup.
import KubernetesModel

public enum PodLimits {
    /// Main containers and sidecars side by side, or an init container at its turn with the sidecars that started before it, if that is
    /// more (KEP-753; `PodResources` counts requests in the same way). nil as soon as one container has no limit.
    public static func total(_ resource: String, of pod: Pod, in unit: (Quantity) -> Int64) -> Int64? {
        var running: Int64 = 0
        var peak: Int64 = 0
        for container in pod.spec.initContainers {
            guard let one = container.resources.limits[resource].map(unit) else { return nil }
            let beside = running.saturatingAdding(one)
            peak = max(peak, beside)
            if container.restartPolicy == "Always" { running = beside }
        }
        for container in pod.spec.containers {
            guard let one = container.resources.limits[resource].map(unit) else { return nil }
            running = running.saturatingAdding(one)
        }
        return max(peak, running).saturatingAdding(pod.spec.overhead[resource].map(unit) ?? 0)
    }

    /// How many containers run side by side when the pod is complete.
    public static func containersAtOnce(_ pod: Pod) -> Int {
        max(1, pod.spec.containers.count + pod.spec.initContainers.count { $0.restartPolicy == "Always" })
    }
}
