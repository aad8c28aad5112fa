// The namespaces that a master has from its first start.
import JSON
import KubernetesModel
import ResourceStore

extension APIHandler {
    /// Jobs and tasks live in `cross-domain`; each Domain's own namespace is made by its controller.
    public static let initialNamespaces = ["default", "kube-system", "kube-public", "kube-node-lease", "cross-domain"]

    /// Creates what is missing of them; called once before the server is opened.
    public func createInitialNamespaces() async throws {
        for name in Self.initialNamespaces {
            let body: JSONValue = ["kind": "Namespace", "apiVersion": "v1", "metadata": ["name": .string(name)]]
            let response = await handle(
                APIRequest(method: .post, path: "/api/v1/namespaces", body: body.serialized(), user: .master))
            guard case .document(let document) = response, document.status < 300 || document.status == 409 else {
                throw StatusError.internalError("namespace \(name) could not be created").clientError
            }
        }
    }
}
