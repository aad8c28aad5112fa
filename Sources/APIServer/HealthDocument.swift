// /healthz, /livez and /readyz: plain text as kube-apiserver writes it, one line a check with ?verbose, one check under its own path.
import KubernetesModel

extension APIHandler {
    private struct HealthCheck {
        var name: String
        /// nil: passed.
        var failure: String?
    }

    /// `segments`: the path, e.g. ["readyz"] or ["readyz", "store"]. 500 when a check failed, so that probes need not read.
    func health(_ segments: [String], _ request: APIRequest) throws(StatusError) -> APIDocument {
        let endpoint = segments.first ?? "healthz"
        var checks = [HealthCheck(name: "ping")]
        // A server whose store fails is not ready, but restarting it would not help: it lives.
        if endpoint == "readyz" {
            checks.append(HealthCheck(name: "store", failure: storeFailure()))
            checks.append(HealthCheck(name: "namespaces", failure: namespacesFailure()))
        }
        if segments.count > 1 {
            guard segments.count == 2, let check = checks.first(where: { $0.name == segments[1] }) else { throw .unknownPath }
            checks = [check]
        }
        let excluded = request.query.filter { $0.name == "exclude" }.map(\.value)
        checks.removeAll { excluded.contains($0.name) }
        let isWell = checks.allSatisfy { $0.failure == nil }
        guard !isWell || request.flag("verbose") else { return Self.healthText(200, "ok") }
        let lines = checks.map { check in check.failure.map { "[-]\(check.name) failed: \($0)" } ?? "[+]\(check.name) ok" }
        let verdict = "\(endpoint) check \(isWell ? "passed" : "failed")"
        return Self.healthText(isWell ? 200 : 500, (lines + [verdict]).joined(separator: "\n") + "\n")
    }

    /// The last write could be made durable.
    private func storeFailure() -> String? { store.writeFailure }

    /// Reading works, and the cluster has been set up.
    private func namespacesFailure() -> String? {
        guard let kind = kinds[GroupVersionResource(resource: "namespaces")] else { return nil }
        do {
            _ = try find(kind.key(namespace: nil, name: "default"))
            return nil
        } catch {
            return error.message
        }
    }

    private static func healthText(_ status: Int, _ text: String) -> APIDocument {
        APIDocument(
            status: status, contentType: "text/plain; charset=utf-8", headers: [("X-Content-Type-Options", "nosniff")],
            body: Array(text.utf8))
    }
}
