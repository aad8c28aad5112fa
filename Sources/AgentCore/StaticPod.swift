// Pods that a file on the node asks for, not the API server: how such a pod is named and marked, and the mirror pod that
// shows it there. https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/
import KubernetesModel

public enum StaticPod {
    public static let sourceAnnotation = "kubernetes.io/config.source"
    public static let hashAnnotation = "kubernetes.io/config.hash"
    public static let mirrorAnnotation = "kubernetes.io/config.mirror"

    public static func isStatic(_ pod: Pod) -> Bool { pod.metadata.annotations[sourceAnnotation] == "file" && !isMirror(pod) }
    public static func isMirror(_ pod: Pod) -> Bool { pod.metadata.annotations[mirrorAnnotation] != nil }

    /// The pod of a file. A changed text is another pod (another uid) of the same name, as with the kubelet.
    public static func pod(_ manifest: Pod, text: [UInt8], node: String, defaultNamespace: String) -> Pod {
        var pod = manifest
        let hash = contentHash(text + Array(node.utf8))
        pod.metadata.name = "\(manifest.metadata.name)-\(node)"
        pod.metadata.namespace = manifest.metadata.namespace ?? defaultNamespace
        pod.metadata.uid = hash
        pod.metadata.resourceVersion = nil
        pod.metadata.annotations[sourceAnnotation] = "file"
        pod.metadata.annotations[hashAnnotation] = hash
        pod.metadata.annotations[mirrorAnnotation] = nil
        pod.spec.nodeName = node
        // No taint drives it away: only its file does.
        pod.spec.tolerations = [Toleration(operator: "Exists", effect: .noExecute)]
        pod.status = PodStatus()
        pod.status.phase = .pending
        return pod
    }

    /// What no server has checked, and what can only be had from one: a static pod must not depend on it, and a node may not write it.
    public static func problem(_ pod: Pod) -> String? {
        if pod.metadata.name.isEmpty { return "metadata.name is missing" }
        if pod.spec.containers.isEmpty { return "spec.containers is empty" }
        if let problem = PodNames.problem(pod) ?? PodNumbers.problem(pod) { return problem }
        if let name = pod.spec.serviceAccountName, !name.isEmpty { return "spec.serviceAccountName: a static pod has none" }
        for volume in pod.spec.volumes
        where volume.configMap != nil || volume.secret != nil || volume.persistentVolumeClaim != nil || volume.projected != nil {
            return "spec.volumes: \(volume.name) comes from the API server, which a static pod must not need"
        }
        return nil
    }

    /// What the API server shows of it.
    public static func mirror(of pod: Pod, owner node: OwnerReference?) -> Pod {
        var mirror = pod
        mirror.metadata.uid = nil
        mirror.metadata.annotations[mirrorAnnotation] = pod.metadata.annotations[hashAnnotation] ?? ""
        mirror.metadata.ownerReferences = node.map { [$0] } ?? []
        mirror.status = PodStatus()
        return mirror
    }

    /// Two FNV-1a hashes of 64 bits as a UUID's text: equal texts, equal pods; nobody attacks a node by its own files.
    static func contentHash(_ bytes: [UInt8]) -> String {
        func hash(_ basis: UInt64) -> UInt64 { bytes.reduce(basis) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 } }
        func hexadecimal(_ value: UInt64) -> String {
            let text = String(value, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
        let digits = Array(hexadecimal(hash(0xCBF2_9CE4_8422_2325)) + hexadecimal(hash(0x9E37_79B9_7F4A_7C15)))
        let parts = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(digits[$0]) }
        return parts.joined(separator: "-")
    }
}
