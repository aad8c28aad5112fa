// Which kernel parameters a pod may set: those of its own namespaces. The kubelet refuses the others by the same reason.
import KubernetesModel

public enum KernelParameterPolicy {
    /// The pod's status reason.
    public static let reason = "SysctlForbidden"

    /// Of the IPC namespace, which every pod has of its own (k8s.io/component-helpers sysctl, "namespaced").
    private static let own = ["kernel.shm", "kernel.msg", "fs.mqueue."]

    /// The first parameter that would be the machine's, with what is expected; nil: there is none.
    public static func refusal(_ pod: Pod) -> String? {
        let sharesNetwork = NetworkWish.isHost(pod)
        for parameter in pod.spec.securityContext?.sysctls ?? [] {
            // "net/ipv4/..." means the same.
            let name = parameter.name.contains(".") ? parameter.name : String(parameter.name.map { $0 == "/" ? "." : $0 })
            if name == "kernel.sem" || own.contains(where: name.hasPrefix) { continue }
            if name.hasPrefix("net."), !sharesNetwork { continue }
            let why = name.hasPrefix("net.") ? "the pod shares the node's network" : "it is the whole machine's"
            return "forbidden sysctl: spec.securityContext.sysctls[\(parameter.name)]: \(why); "
                + "expected one of the pod's own namespaces: kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.*"
                + (sharesNetwork ? "" : ", net.*")
        }
        return nil
    }
}
