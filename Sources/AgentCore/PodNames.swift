// Names of a pod that the node makes directories, files and cgroups of. A server checks them too; the node does not rely on it: neither
// on a master that it does not own, nor for a pod of a file, which no server has seen.
import KubernetesModel

public enum PodNames {
    /// Longer ones are no directory's name on any file system.
    private static let maximumUIDLength = 128

    /// The first field that cannot be taken, with what is wrong; nil: all of them can. A pod without a uid has none yet.
    public static func problem(_ pod: Pod) -> String? {
        if let problem = DNSSubdomain.problems(with: pod.metadata.name).first { return "metadata.name: \(problem)" }
        if let namespace = pod.metadata.namespace, let problem = DNSLabel.problems(with: namespace).first {
            return "metadata.namespace: \(problem)"
        }
        if let uid = pod.metadata.uid, !isDirectoryName(uid) {
            return
                "metadata.uid: must consist of at most \(maximumUIDLength) letters, digits, '-' and '.', and must not start with '.'"
        }
        let containers = pod.spec.initContainers + pod.spec.containers
        for (kind, names) in [("containers", containers.map(\.name)), ("volumes", pod.spec.volumes.map(\.name))] {
            for name in names {
                if let problem = DNSLabel.problems(with: name).first { return "spec.\(kind): found \"\(name)\": \(problem)" }
            }
            // One of them would be taken for the other, and never go.
            if Set(names).count < names.count { return "spec.\(kind): a name stands there twice" }
        }
        return nil
    }

    private static func isDirectoryName(_ text: String) -> Bool {
        let good = text.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        return good && !text.isEmpty && text.utf8.count <= maximumUIDLength && text.utf8.first != UInt8(ascii: ".")
    }
}
