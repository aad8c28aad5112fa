// The organisation's own cluster, as a node with RunK reaches it: by a kubeconfig, or from inside by the pod's service account.
import Agent
import AgentCore
import FoundationEssentials
import Glibc
import KubernetesClient
import KubernetesClientHTTP
import KubernetesModel
import Logging
import PKI
import RunK
import RuntimeInterface

struct NodeCluster: Sendable {
    /// The RuntimeClass whose pods go to the cluster.
    static let handler = "runk"
    static let accountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount"
    /// A kubelet renews a mounted token long before its end.
    static let tokenInterval = Duration.seconds(60)
    static let defaultQPS = 50
    static let defaultBurst = 100

    let settings: LiteSettings
    let cluster: KusciaConfiguration.Cluster
    private let endpoint: APIServerEndpoint
    private let load: HTTPKubernetesAPI.CredentialSource
    let http: HTTPKubernetesAPI
    let api: any KubernetesAPI

    init(_ settings: LiteSettings, _ cluster: KusciaConfiguration.Cluster) throws {
        self.settings = settings
        self.cluster = cluster
        let load: @Sendable () throws -> (APIServerEndpoint, ClientCredentials)
        if let file = cluster.kubeconfigFile {
            load = {
                guard let text = FileText.read(file) else {
                    throw CommandFailure("cannot read runk.kubeconfigFile \(file)", hint: "leave it out inside a cluster")
                }
                return try Kubeconfig(parsing: text).connection(directory: FileText.directory(of: file)).loaded()
            }
        } else {
            load = { try Self.inCluster() }
        }
        let (endpoint, credentials) = try load()
        self.endpoint = endpoint
        let source: HTTPKubernetesAPI.CredentialSource = { try await BlockingCall.run { Result { try load().1 } }.get() }
        self.load = source
        http = try HTTPKubernetesAPI(
            endpoint: endpoint, credentials: credentials, credentialSource: source, log: Logger(label: "cluster"))
        api = RateLimitedAPI(
            http, perSecond: Double(cluster.qps ?? Self.defaultQPS),
            burst: cluster.burst ?? cluster.qps.map { $0 * 2 } ?? Self.defaultBurst)
    }

    var server: String { endpoint.server }

    private static func inCluster() throws -> (APIServerEndpoint, ClientCredentials) {
        guard let host = getenv("KUBERNETES_SERVICE_HOST"), let port = getenv("KUBERNETES_SERVICE_PORT"),
            let token = FileText.read("\(accountDirectory)/token")
        else {
            throw CommandFailure(
                "runk.kubeconfigFile is not set, and this is no pod of a cluster: there is no \(accountDirectory)/token",
                hint: "set runk.kubeconfigFile, or run the Lite in the cluster (docs/RUNK.md)")
        }
        let name = String(cString: host)
        let server = "https://\(name.contains(":") ? "[\(name)]" : name):\(String(cString: port))"
        return (
            APIServerEndpoint(server: server, authorityPEM: FileText.read("\(accountDirectory)/ca.crt")),
            ClientCredentials(bearerToken: token.split(whereSeparator: \.isWhitespace).first.map(String.init))
        )
    }

    /// Tokens and certificates are renewed in their files: the newest is used. Until cancelled.
    func renewCredentials(_ logger: Logger) async throws {
        var last: ClientCredentials?
        while true {
            try await Task.sleep(for: Self.tokenInterval)
            do {
                let credentials = try await load()
                if credentials != last { try http.replaceCredentials(credentials) }
                last = credentials
            } catch {
                logger.warning("credentials for the cluster not read again", metadata: ["error": "\(error)"])
            }
        }
    }

    /// What the agent gets. `isStandard`: pods without a RuntimeClass go to the cluster too.
    func remotePods(source: any KubernetesAPI, isStandard: Bool) -> @Sendable (any PodReporter) -> RemotePods {
        let configuration = RunKConfiguration(
            node: settings.nodeName, source: settings.masterURL, namespace: cluster.namespace, labelsToAdd: cluster.labels,
            annotationsToAdd: cluster.annotations, affinity: cluster.affinity, tolerations: cluster.tolerations,
            nodeSelector: cluster.nodeSelector, runtimeClassName: cluster.runtimeClassName,
            serviceAccountName: cluster.serviceAccountName,
            dnsServers: cluster.dnsServers, dnsSearches: cluster.dnsSearches, claims: cluster.claims,
            localData: cluster.localData,
            exposure: cluster.exposure)
        let (api, http) = (api, http)
        return { reporter in
            let pods = ClusterPods(
                configuration: configuration, source: source, target: api, streams: http, logs: http, reporter: reporter,
                now: { Timestamp(unixSeconds: unixNow()) }, logger: Logger(label: "runk"))
            return RemotePods(provider: pods, handlers: [Self.handler], isStandard: isStandard)
        }
    }

    /// Waits for a cluster that is away or busy; only a refusal is an answer.
    private func measuredCapacity() async throws -> PodResources? {
        var pause = Backoff(first: .milliseconds(500), longest: .seconds(15))
        while true {
            do { return try await ClusterCapacity.read(api, namespace: cluster.namespace) } catch let error as KubernetesAPIError
            {
                Logger(label: "cluster").warning("the cluster's capacity is not known yet", metadata: ["error": "\(error)"])
            }
            try await Task.sleep(for: pause.next())
        }
    }

    /// What is configured, and for the rest what quota or nodes of the cluster offer. Capacity of the wrong machine is none.
    func capacity(_ config: inout AgentConfig) async throws {
        // What is configured needs no cluster: a Lite starts while it is away.
        if config.capacityCPUMillis != nil, config.capacityMemoryBytes != nil { return }
        let found = try await measuredCapacity()
        if settings.configuredPods == nil, let pods = found?.pods, pods > 0 { config.maxPods = pods }
        config.capacityCPUMillis = config.capacityCPUMillis ?? found?.cpuMillis
        config.capacityMemoryBytes = config.capacityMemoryBytes ?? found?.memoryBytes
        config.capacityStorageBytes = config.capacityStorageBytes ?? found?.ephemeralStorageBytes
        guard config.capacityCPUMillis != nil, config.capacityMemoryBytes != nil else {
            throw CommandFailure(
                "namespace \(cluster.namespace) has no quota, and nodes of the cluster are not to be seen",
                hint: "set capacity.cpu and capacity.memory, give the namespace a quota, or let a ClusterRole list nodes")
        }
    }
}
