// Every pod runs as a service account of its namespace: the default one unless it names another.
// https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#serviceaccount-admission-controller
import JSON
import KubernetesModel
import ResourceStore

struct ServiceAccountAdmission: AdmissionStep {
    let name = "ServiceAccount"

    /// Whether containers find a token of their account at `tokenPath` when neither pod nor account says `automountServiceAccountToken`.
    /// Off, unlike a stock server: an organisation's engine has no business with the API, and each token costs the start of a pod a
    /// request.
    var mountsTokens = false

    static let tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"
    static let volumePrefix = "kube-api-access-"
    /// As Kubernetes: an hour, and a little by which these tokens are told from others.
    static let tokenSeconds: Int64 = 3607
    /// Made with each namespace; a pod need not wait for it.
    static let defaultAccount = "default"

    func handles(_ attributes: AdmissionAttributes) -> Bool { attributes.operation == .create && attributes.concerns("", "pods") }

    func mutate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {
        guard review.object["metadata"]?["annotations"]?[NodeRestriction.mirrorAnnotation] == nil else { return }
        let spec = review.object["spec"] ?? [:]
        let named = [spec["serviceAccountName"], spec["serviceAccount"]].compactMap { $0?.stringValue }.first { !$0.isEmpty }
        let account = named ?? Self.defaultAccount
        let namespace = review.attributes.namespace ?? ""
        let found = try lookup.object(ResourceKey(group: "", resource: "serviceaccounts", namespace: namespace, name: account))
        guard found != nil || account == Self.defaultAccount else {
            throw .forbidden(
                "pods", group: "", name: review.object["metadata"]?["name"]?.stringValue ?? "",
                "error looking up service account \(namespace)/\(account): serviceaccount \"\(account)\" not found")
        }
        review.object.set(["spec", "serviceAccountName"], to: .string(account))
        review.object.set(["spec", "serviceAccount"], to: .string(account))
        if spec["imagePullSecrets"]?.arrayValue?.isEmpty ?? true, let secrets = found?["imagePullSecrets"], secrets[0] != nil {
            review.object.set(["spec", "imagePullSecrets"], to: secrets)
        }
        let wantsToken = spec["automountServiceAccountToken"] ?? found?["automountServiceAccountToken"] ?? .bool(mountsTokens)
        if wantsToken == .bool(true), found != nil { Self.mountToken(in: &review.object) }
    }

    // MARK: The token's volume

    private static func mountToken(in pod: inout JSONValue) {
        let volume = volumeName(pod)
        let mount: JSONValue = ["name": .string(volume), "readOnly": true, "mountPath": .string(tokenPath)]
        var isNeeded = false
        for list in ["initContainers", "containers"] {
            guard let containers = pod["spec"]?[list]?.arrayValue else { continue }
            let mounted = containers.map { container -> JSONValue in
                let mounts = container["volumeMounts"]?.arrayValue ?? []
                // Whoever puts something else there wants that.
                guard !mounts.contains(where: { $0["mountPath"]?.stringValue == tokenPath }) else { return container }
                isNeeded = true
                var container = container
                container["volumeMounts"] = .array(mounts + [mount])
                return container
            }
            pod.set(["spec", list], to: .array(mounted))
        }
        guard isNeeded else { return }
        pod.set(["spec", "volumes"], to: .array((pod["spec"]?["volumes"]?.arrayValue ?? []) + [projectedVolume(volume)]))
    }

    /// Five letters that follow from the pod, because a step has no randomness.
    private static func volumeName(_ pod: JSONValue) -> String {
        let alphabet = Array("bcdfghjklmnpqrstvwxz2456789".utf8)
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in (pod["metadata"]?["uid"]?.stringValue ?? "").utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let letters = (0..<5).map { place in alphabet[Int((hash >> UInt64(12 * place)) % UInt64(alphabet.count))] }
        return volumePrefix + String(decoding: letters, as: UTF8.self)
    }

    private static func projectedVolume(_ name: String) -> JSONValue {
        [
            "name": .string(name),
            "projected": [
                "defaultMode": 420,
                "sources": [
                    ["serviceAccountToken": ["expirationSeconds": .int(tokenSeconds), "path": "token"]],
                    ["configMap": ["name": "kube-root-ca.crt", "items": [["key": "ca.crt", "path": "ca.crt"]]]],
                    [
                        "downwardAPI": [
                            "items": [
                                ["path": "namespace", "fieldRef": ["apiVersion": "v1", "fieldPath": "metadata.namespace"]]
                            ]
                        ]
                    ],
                ],
            ],
        ]
    }
}
