// A command's connection to the master that its kubeconfig names.
import JSON
import KubernetesClient
import KubernetesClientHTTP
import Logging

struct Connection: Sendable {
    let server: String
    private let http: HTTPKubernetesAPI

    var api: any KubernetesAPI { http }
    var logs: any PodLogReading { http }

    /// `strict`: fields that the server does not know are refused, not left out.
    init(kubeconfigPath: String, strict: Bool = false) throws {
        guard let text = FileText.read(kubeconfigPath) else {
            throw CommandFailure(
                "there is no kubeconfig \(kubeconfigPath)",
                hint: "`swiftlet up` writes one; --kubeconfig or KUBECONFIG names another")
        }
        do {
            let kubeconfig = try Kubeconfig(parsing: text)
            let directory = FileText.directory(of: FileText.absolute(kubeconfigPath))
            let connection = try kubeconfig.connection(directory: directory)
            let (endpoint, credentials) = try connection.loaded()
            server = endpoint.server
            http = try HTTPKubernetesAPI(
                endpoint: endpoint, credentials: credentials, fieldValidation: strict ? "Strict" : nil, log: Self.quiet)
        } catch {
            throw CommandFailure(
                "\(kubeconfigPath): \(error)", hint: "is it a kubeconfig that `swiftlet up` or `swiftlet master` wrote?")
        }
    }

    /// Every failure reaches the person as an error of the command.
    private static let quiet = Logger(label: "kubernetes-client") { _ in SwiftLogNoOpLogHandler() }

    func close() async { await http.shutdown() }

    func table(_ kind: ResourceName, namespace: String?, options: ListOptions) async throws -> ServerTable {
        let document = try await http.listTable(kind.resource, namespace: namespace, options: options)
        return try ServerTable(JSONValue(parsing: document))
    }

    /// One object by name, wherever it is when no namespace is given.
    func find(_ kind: ResourceName, name: String, namespace: String?) async throws -> JSONValue {
        let options = ListOptions(fieldSelector: "metadata.name=\(name)")
        let list = try JSONValue(parsing: await api.list(kind.resource, namespace: namespace, options: options))
        let items = list["items"]?.arrayValue ?? []
        guard let object = items.first else {
            throw CommandFailure(
                "there is no \(kind.kind) \"\(name)\"\(namespace.map { " in namespace \($0)" } ?? "")",
                hint: "`swiftlet get \(kind.resource.resource) -A` lists what there is")
        }
        guard items.count == 1 else {
            let namespaces = items.compactMap { $0[path: "metadata", "namespace"]?.stringValue }.joined(separator: ", ")
            throw CommandFailure("\(kind.kind) \"\(name)\" is in several namespaces: \(namespaces)", hint: "choose one with -n")
        }
        return object
    }
}
