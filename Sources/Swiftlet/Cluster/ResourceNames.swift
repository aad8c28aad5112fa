// How people name kinds on the command line, and where each kind is served.
import KubernetesModel

/// One kind as the command line knows it.
struct ResourceName: Sendable, Hashable {
    var kind: String
    var resource: GroupVersionResource
    var shortNames: [String]
    var namespaced: Bool

    /// "pods", "pod", "po", any case.
    func answers(to word: String) -> Bool {
        let word = word.lowercased()
        return word == resource.resource || word == kind.lowercased() || shortNames.contains(word)
            || word == resource.description
    }
}

extension ResourceName {
    private static func core(_ kind: String, _ plural: String, _ short: [String], namespaced: Bool = true) -> Self {
        Self(kind: kind, resource: .init(resource: plural), shortNames: short, namespaced: namespaced)
    }

    private static func kuscia(_ kind: String, _ plural: String, _ short: [String], namespaced: Bool) -> Self {
        Self(
            kind: kind, resource: .init(group: "kuscia.secretflow", version: "v1alpha1", resource: plural), shortNames: short,
            namespaced: namespaced)
    }

    static let namespace = core("Namespace", "namespaces", ["ns"], namespaced: false)
    static let node = core("Node", "nodes", ["no"], namespaced: false)
    static let pod = core("Pod", "pods", ["po"])
    static let event = core("Event", "events", ["ev"])
    static let kusciaJob = kuscia("KusciaJob", "kusciajobs", ["kj", "job", "jobs"], namespaced: true)
    static let kusciaTask = kuscia("KusciaTask", "kusciatasks", ["kt", "task", "tasks"], namespaced: true)
    static let appImage = kuscia("AppImage", "appimages", ["aimg"], namespaced: false)
    static let domain = kuscia("Domain", "domains", [], namespaced: false)

    static let all: [ResourceName] = [
        kusciaJob, kusciaTask, pod, node, domain, appImage, event, namespace,
        core("ConfigMap", "configmaps", ["cm"]), core("Secret", "secrets", []), core("Service", "services", ["svc"]),
        Self(
            kind: "Lease", resource: .init(group: "coordination.k8s.io", version: "v1", resource: "leases"), shortNames: [],
            namespaced: true),
        Self(
            kind: "CertificateSigningRequest",
            resource: .init(group: "certificates.k8s.io", version: "v1", resource: "certificatesigningrequests"),
            shortNames: ["csr"], namespaced: false),
    ]

    /// Throws a `CommandFailure` that lists what there is.
    static func named(_ word: String) throws -> ResourceName {
        if let known = all.first(where: { $0.answers(to: word) }) { return known }
        throw CommandFailure(
            "there is no kind \"\(word)\"", hint: "known: " + all.map(\.resource.resource).joined(separator: ", "))
    }

    /// The kind of a manifest, by its `apiVersion` and `kind`.
    static func of(apiVersion: String, kind: String) -> ResourceName? {
        all.first { $0.kind == kind && $0.resource.apiVersion == apiVersion }
    }

    /// Where objects of the kind live when nobody names a namespace: jobs and tasks in cross-domain, the rest in default.
    var defaultNamespace: String? {
        guard namespaced else { return nil }
        return resource.group == "kuscia.secretflow" ? "cross-domain" : "default"
    }
}
