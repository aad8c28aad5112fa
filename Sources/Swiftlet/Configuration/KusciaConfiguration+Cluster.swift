// The part of kuscia.yaml about the organisation's own cluster: Kuscia's `runk` and `agent.provider.k8s`, ours in `swiftlet.runk`.
import JSON
import RunK

extension KusciaConfiguration {
    /// Where RunK sends pods; nil when nothing of it is configured.
    struct Cluster: Sendable, Hashable {
        var namespace: String
        /// None: the service account of the pod that this agent is in.
        var kubeconfigFile: String?
        var dnsServers: [String] = []
        var dnsSearches: [String] = []
        /// Calls a second, and how many at once.
        var qps: Int?
        var burst: Int?
        var labels: [String: String] = [:]
        var annotations: [String: String] = [:]
        var nodeSelector: [String: String] = [:]
        var affinity: JSONValue?
        var tolerations: [JSONValue] = []
        var runtimeClassName: String?
        var serviceAccountName: String?
        var claims: [String: String] = [:]
        var localData: RunKConfiguration.LocalData = .refuse
        var exposure: RunKConfiguration.Exposure = .clusterIP
        /// Several replicas of the agent, one of which leads.
        var leaderElection = false
    }

    /// `kuscia`: the mapping `runk`; `agent`: the mapping `agent`; `own`: `swiftlet.runk`.
    static func cluster(
        _ kuscia: ConfigurationReader, agent: ConfigurationReader, own: ConfigurationReader, isRunK: Bool
    ) -> Cluster? {
        kuscia.accept("enableLogging", "logDirectory", "logMaxFiles", "logMaxSize")
        agent.accept("allowPrivileged", "plugins")
        let provider = agent.mapping("provider").mapping("k8s")
        provider.accept("enableLogging", "logDirectory", "logMaxFiles", "logMaxSize", "endpoint", "timeout")
        let namespace = kuscia.string("namespace") ?? provider.string("namespace")
        var cluster = Cluster(namespace: namespace ?? "")
        cluster.kubeconfigFile = kuscia.string("kubeconfigFile") ?? provider.string("kubeconfigFile")
        cluster.dnsServers = kuscia.strings("dnsServers")
        let dns = provider.mapping("dns")
        cluster.dnsServers += dns.strings("servers")
        cluster.dnsSearches = dns.strings("searches")
        dns.accept("policy")
        cluster.qps = provider.int("qps", in: 1...100_000)
        cluster.burst = provider.int("burst", in: 1...100_000)
        cluster.labels = provider.texts("labelsToAdd")
        cluster.annotations = provider.texts("annotationsToAdd")
        cluster.nodeSelector = provider.texts("nodeSelector")
        cluster.affinity = provider.json("affinity")
        cluster.tolerations = provider.json("tolerations")?.arrayValue ?? []
        cluster.runtimeClassName = provider.string("runtimeClassName")
        cluster.serviceAccountName = provider.string("serviceAccountName")
        cluster.claims = own.texts("claims")
        cluster.localData = own.choice("localData", RunKConfiguration.LocalData.self) ?? .refuse
        cluster.exposure = own.choice("exposure", RunKConfiguration.Exposure.self) ?? .clusterIP
        cluster.leaderElection = own.bool("leaderElection") ?? false
        for reader in [kuscia, dns, provider, own] { reader.finish() }
        if isRunK, namespace == nil { kuscia.fail("namespace", "missing; the namespace of the cluster that tasks go to") }
        return namespace == nil ? nil : cluster
    }
}
