// Which labels a node may say of itself where NodeRestriction is on: told at the start, rather than as a refusal later.
// https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction

public enum NodeLabelPolicy {
    private static let ownLabels: Set = [
        "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type", "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
    ]
    private static let ownPrefixes = ["kubelet.kubernetes.io", "node.kubernetes.io"]
    private static let clusterPrefixes = ["kubernetes.io", "k8s.io"]

    public static func mayWrite(_ label: String) -> Bool {
        guard let slash = label.firstIndex(of: "/") else { return true }
        let prefix = label[..<slash]
        func isBelow(_ domain: String) -> Bool { prefix == domain || prefix.hasSuffix("." + domain) }
        guard clusterPrefixes.contains(where: isBelow) else { return true }
        return ownLabels.contains(label) || ownPrefixes.contains(where: isBelow)
    }

    public static func refused(_ labels: [String: String]) -> [String] { labels.keys.filter { !mayWrite($0) }.sorted() }
}
