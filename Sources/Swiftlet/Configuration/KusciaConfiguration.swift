// kuscia.yaml: what a master or Lite is told at its start. Kuscia's own keys keep their names and meaning; what Kuscia
// does not know stands under `swiftlet:`.
import Agent
import JSON
import KubernetesModel
import SandboxPolicy

struct KusciaConfiguration: Sendable, Hashable {
    enum Mode: String, Sendable, CaseIterable { case master, lite, autonomy }
    enum Runtime: String, Sendable, CaseIterable { case runp, runc, runk }
    enum LogLevel: String, Sendable, CaseIterable {
        case debug = "DEBUG"
        case info = "INFO"
        case warn = "WARN"
        case error = "ERROR"
    }
    enum TransportProtocol: String, Sendable, CaseIterable {
        case notls = "NOTLS"
        case tls = "TLS"
        case mtls = "MTLS"
    }

    /// Quantities in Kubernetes' notation ("4", "500m", "8Gi"); nil means measured.
    struct Resources: Sendable, Hashable {
        var cpu: String?
        var memory: String?
        var pods: String?
        var ephemeralStorage: String?
        /// `kuscia.io/bandwidth`, in Mbit/s.
        var bandwidth: String?
    }

    /// Our own settings.
    struct Extensions: Sendable, Hashable {
        /// Where everything of this process lies; absolute or relative to the file's directory.
        var stateDirectory: String?
        /// The master's address to listen at, and the names and addresses that its certificate is for.
        var listenAddress: String?
        var port: Int?
        var certificateNames: [String] = []
        /// The authority that a Lite trusts for the master's certificate (PEM file).
        var masterCAFile: String?
        /// The node's name; the domain's id when absent.
        var nodeName: String?
        /// The address under which other nodes reach this node's tasks.
        var nodeAddress: String?
        /// Files of the domain, seen read-only by its tasks.
        var dataDirectory: String?
        /// Below this cgroup the node makes its own.
        var cgroupParent: String?
        var sandbox = Sandbox()
        /// RuntimeClass handler -> command line of an OCI runtime ("crun": "/usr/bin/crun").
        var runtimes: [String: String] = [:]
        var node = Node()
    }

    /// How a Lite's node behaves.
    struct Node: Sendable, Hashable {
        /// "leave" (tasks run on when the Lite stops) or "drain".
        var stopPolicy: String?
        /// Beside those that the node gives itself.
        var labels: [String: String] = [:]
        /// Resources of other names than Kubernetes' own: "kuscia.io/tokens": "8".
        var extendedResources: [String: String] = [:]
        /// Resource -> pattern of device paths; as many as match.
        var devices: [String: String] = [:]
        /// "memory.available<100Mi,nodefs.available<10%"; the kubelet's signals.
        var evictionHard: String?
        var evictionSoft: String?
        var evictionSoftGraceSeconds: Int?
        /// How long a pressure stays told after it is over.
        var evictionPressureTransitionSeconds: Int?
        /// Processes and threads of one container, at most (the kubelet's podPidsLimit).
        var podPidsLimit: Int?
        /// A directory of pod manifests that run without the master.
        var podManifests: String?
        /// /metrics, /healthz, ... on this port of 127.0.0.1; none when absent.
        var metricsPort: Int?
        /// Absolute paths of this machine at or below which a pod's hostPath volumes may lie.
        var hostPaths: [String] = []
        /// How long, and in how many MiB together, logs of pods that are gone are kept; 0 days: not at all.
        var keepLogsDays: Int?
        var keepLogsMB: Int?
        /// How long what a job left on this node stays when no pod of it is here any more; nil: for ever.
        var keepJobDataDays: Int?
    }

    /// Kuscia's bounds of a container's log.
    struct LogRotation: Sendable, Hashable {
        var maxFiles: Int?
        var maxFileSizeMB: Int?
        var maxAgeDays: Int?
    }

    /// What a Lite grants its tasks beyond a plain sandbox, and where it finds profiles and networks.
    struct Sandbox: Sendable, Hashable {
        var permitPrivileged = false
        var permitUnconfined = false
        var permitHostUsers = false
        /// Run tasks whose limits this machine cannot enforce, instead of refusing them.
        var allowUnenforced = false
        /// Capabilities that a pod may add; nil: the harmless ones.
        var capabilities: [String]?
        /// Directory of `Localhost` seccomp profiles.
        var seccompProfiles: String?
        /// Directory of CNI network configuration lists, and those of the plugins.
        var cniConfigurations: String?
        var cniPlugins: [String] = []
    }

    var mode: Mode
    var domainID: String
    var logLevel: LogLevel = .info
    var transport: TransportProtocol = .tls
    var liteDeployToken: String?
    var masterEndpoint: String?
    var runtime: Runtime = .runp
    var capacity = Resources()
    var reserved = Resources()
    var logRotation = LogRotation()
    /// The organisation's own cluster, for RunK.
    var cluster: Cluster?
    var images = Images()
    var extensions = Extensions()
}

extension KusciaConfiguration {
    /// Ids that Kuscia and Kubernetes keep for themselves.
    static let reservedDomainIDs: Set = ["default", "kube-system", "kube-public", "kube-node-lease", "master", "cross-domain"]

    /// Reads a file. Throws `CommandFailure` that lists every wrong field; unknown keys come back as warnings.
    /// `joining`: the node joins a cluster by its kubeconfig, so that domain and master need not be given.
    /// `mode` is what the caller runs, for the hint.
    static func load(path: String, joining: Bool = false, mode: Mode = .lite) throws -> (
        configuration: KusciaConfiguration, warnings: [String]
    ) {
        let bytes: [UInt8]
        do throws(FileText.Unreadable) { bytes = try FileText.contents(path) } catch {
            throw CommandFailure(
                "cannot read the configuration \(path): \(error.reason)",
                hint: error.isMissing
                    ? "--config names another; `swiftlet init --mode \(mode.rawValue) --domain ID > kuscia.yaml` writes one"
                    : "--config names the file that `swiftlet init --mode \(mode.rawValue)` wrote")
        }
        return try parse(String(decoding: bytes, as: UTF8.self), source: path, joining: joining)
    }

    static func parse(_ text: String, source: String, joining: Bool = false) throws -> (
        configuration: KusciaConfiguration, warnings: [String]
    ) {
        let documents = try YAMLText.documents(text, source: source)
        guard documents.count <= 1 else {
            throw CommandFailure(
                "\(source): found \(documents.count) documents, expected one",
                hint: "a file configures one process: give the document behind `---` a file of its own, or take that line out")
        }
        guard case .object(let object)? = documents.first else {
            throw CommandFailure("\(source): expected a mapping of settings", hint: "`swiftlet init` prints a commented one")
        }
        let reader = ConfigurationReader(object)
        let configuration = read(reader, joining)
        reader.finish()
        guard let configuration, reader.findings.problems.isEmpty else {
            throw CommandFailure(
                "\(source):\n  " + reader.findings.problems.map(\.description).joined(separator: "\n  "),
                hint: "`swiftlet init` prints a commented configuration with every key")
        }
        return (configuration, reader.findings.unknownKeys.map { "\(source): unknown key \($0) is ignored" })
    }

    /// Every key that is read, but those within lists.
    static var keys: Set<String> {
        let reader = ConfigurationReader(JSONObject())
        _ = read(reader, true)
        return reader.findings.askedKeys
    }

    private static func read(_ reader: ConfigurationReader, _ joining: Bool) -> KusciaConfiguration? {
        let mode = reader.choice("mode", Mode.self)
        if mode == nil, !joining, reader.findings.problems.isEmpty { reader.fail("mode", "missing; expected master or lite") }
        let domain = reader.string("domainID")
        if let domain { checkDomainID(domain, reader) } else if !joining { reader.fail("domainID", "missing") }
        var configuration = KusciaConfiguration(mode: mode ?? .lite, domainID: domain ?? "")
        configuration.logLevel = reader.choice("logLevel", LogLevel.self) ?? .info
        configuration.transport = reader.choice("protocol", TransportProtocol.self) ?? .tls
        configuration.liteDeployToken = reader.string("liteDeployToken")
        configuration.masterEndpoint = reader.string("masterEndpoint")
        configuration.runtime = reader.choice("runtime", Runtime.self) ?? .runp
        configuration.capacity = resources(reader.mapping("capacity"))
        configuration.reserved = resources(reader.mapping("reservedResources"))
        configuration.logRotation = logRotation(reader.mapping("logrotate"))
        let own = reader.mapping("swiftlet")
        configuration.cluster = cluster(
            reader.mapping("runk"), agent: reader.mapping("agent"), own: own.mapping("runk"),
            isRunK: configuration.runtime == .runk)
        configuration.images = images(reader.mapping("image"), own: own.mapping("image"))
        configuration.extensions = extensions(own)
        // Keys of Kuscia's that a file may hold; their rooms come with later issues.
        reader.accept(
            "domainKeyData", "metricUpdatePeriod", "debug", "debugPort", "dataMesh",
            "datastoreEndpoint", "clusterToken", "enableWorkloadApprove", "garbageCollection", "apiWhitelist", "kusciaAPI",
            "kusciaAPISans", "confManager", "domainRoute")
        configuration.check(reader, joining)
        return configuration
    }

    private static func resources(_ reader: ConfigurationReader) -> Resources {
        let resources = Resources(
            cpu: reader.string("cpu"), memory: reader.string("memory"), pods: reader.string("pods"),
            ephemeralStorage: reader.string("ephemeralStorage") ?? reader.string("storage"),
            bandwidth: reader.string("bandwidth"))
        reader.accept("storage")
        reader.finish()
        return resources
    }

    private static func logRotation(_ reader: ConfigurationReader) -> LogRotation {
        let rotation = LogRotation(
            maxFiles: reader.int("maxFiles", in: 1...1000), maxFileSizeMB: reader.int("maxFileSizeMB", in: 1...(1 << 20)),
            maxAgeDays: reader.int("maxAgeDays", in: 0...36_500))
        reader.finish()
        return rotation
    }

    private static func extensions(_ reader: ConfigurationReader) -> Extensions {
        func check(_ text: String?, _ field: String, _ expected: String, _ isGood: (String) -> Bool) {
            if let text, !isGood(text) { reader.fail(field, "expected \(expected), found \"\(text)\"") }
        }
        func isHost(_ text: String) -> Bool { IPAddressText.isAddress(text) || DNSSubdomain.isValid(text.lowercased()) }
        defer {
            for (index, name) in reader.strings("certificateNames").enumerated() {
                // "*.example" is a name that certificates may have.
                check(name, "certificateNames[\(index)]", "a host name (a-z, 0-9, '-' and '.') or an IP address") {
                    isHost($0.hasPrefix("*.") ? String($0.dropFirst(2)) : $0)
                }
            }
            check(reader.string("listenAddress"), "listenAddress", "an IP address of this machine, or its name", isHost)
            check(reader.string("nodeAddress"), "nodeAddress", "an IP address of this machine", IPAddressText.isAddress)
            check(
                reader.string("nodeName"), "nodeName", "a name of a-z, 0-9, '-' and '.', with a letter or digit at both ends",
                DNSSubdomain.isValid)
            check(
                reader.string("cgroupParent"), "cgroupParent", "names of cgroups joined by '/', without '..' and spaces", isCgroup
            )
        }
        let extensions = Extensions(
            stateDirectory: reader.string("stateDirectory"), listenAddress: reader.string("listenAddress"),
            port: reader.int("port", in: 1...65535), certificateNames: reader.strings("certificateNames"),
            masterCAFile: reader.string("masterCAFile"), nodeName: reader.string("nodeName"),
            nodeAddress: reader.string("nodeAddress"), dataDirectory: reader.string("dataDirectory"),
            cgroupParent: reader.string("cgroupParent"), sandbox: sandbox(reader.mapping("sandbox")),
            runtimes: reader.texts("runtimes"),
            node: node(reader.mapping("node")))
        reader.finish()
        return extensions
    }

    /// A path below the cgroups' root that stays there.
    private static func isCgroup(_ path: String) -> Bool {
        path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { name in
            !name.isEmpty && name != "." && name != ".."
                && name.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F && $0.isASCII }
        }
    }

    private static func node(_ reader: ConfigurationReader) -> Node {
        let node = Node(
            stopPolicy: reader.choice("stopPolicy", AgentConfig.StopPolicy.self)?.rawValue, labels: reader.texts("labels"),
            extendedResources: reader.texts("extendedResources"), devices: reader.texts("devices"),
            evictionHard: reader.string("evictionHard"), evictionSoft: reader.string("evictionSoft"),
            evictionSoftGraceSeconds: reader.int("evictionSoftGraceSeconds", in: 0...86_400),
            evictionPressureTransitionSeconds: reader.int("evictionPressureTransitionSeconds", in: 0...86_400),
            podPidsLimit: reader.int("podPidsLimit", in: 16...(1 << 22)), podManifests: reader.string("podManifests"),
            metricsPort: reader.int("metricsPort", in: 1...65535),
            hostPaths: reader.strings("hostPaths"), keepLogsDays: reader.int("keepLogsDays", in: 0...36_500),
            keepLogsMB: reader.int("keepLogsMB", in: 0...(1 << 24)),
            keepJobDataDays: reader.int("keepJobDataDays", in: 1...36_500))
        for (key, value) in node.labels.sorted(by: { $0.key < $1.key }) {
            if let problem = LabelKey.problems(with: key).first { reader.fail("labels", "\"\(key)\": \(problem)") }
            if let problem = LabelValue.problems(with: value).first {
                reader.fail("labels", "\"\(key)\": \"\(value)\": \(problem)")
            }
        }
        for name in node.extendedResources.keys.sorted() {
            if let problem = LabelKey.problems(with: name).first { reader.fail("extendedResources", "\"\(name)\": \(problem)") }
        }
        reader.finish()
        return node
    }

    private static func sandbox(_ reader: ConfigurationReader) -> Sandbox {
        let capabilities = reader.strings("capabilities")
        for (index, name) in capabilities.enumerated() where name.uppercased() != "ALL" && Capability(name: name) == nil {
            reader.fail(
                "capabilities[\(index)]", "expected a capability (capabilities(7)), e.g. NET_BIND_SERVICE, found \"\(name)\"")
        }
        let sandbox = Sandbox(
            permitPrivileged: reader.bool("permitPrivileged") ?? false,
            permitUnconfined: reader.bool("permitUnconfined") ?? false,
            permitHostUsers: reader.bool("permitHostUsers") ?? false, allowUnenforced: reader.bool("allowUnenforced") ?? false,
            capabilities: capabilities.isEmpty ? nil : capabilities, seccompProfiles: reader.string("seccompProfiles"),
            cniConfigurations: reader.string("cniConfigurations"), cniPlugins: reader.strings("cniPlugins"))
        reader.finish()
        return sandbox
    }

    private func check(_ reader: ConfigurationReader, _ joining: Bool) {
        switch mode {
        case .master: break
        case .autonomy: reader.fail("mode", "autonomy is not supported: run a master and a lite side by side")
        case .lite where joining: break
        case .lite:
            guard let masterEndpoint else {
                reader.fail("masterEndpoint", "missing; expected https://HOST:PORT of the master")
                return
            }
            if MasterEndpoint(masterEndpoint) == nil {
                reader.fail("masterEndpoint", "expected https://HOST:PORT, found \"\(masterEndpoint)\"")
            }
            if Self.domainIDProblem(domainID) == nil, let problem = Self.domainProblem(domainID) {
                reader.fail("domainID", problem)
            }
        }
        if transport == .notls { reader.fail("protocol", "NOTLS is not supported: the API is always served over TLS") }
    }

    static func checkDomainID(_ id: String, _ reader: ConfigurationReader) {
        if let reason = domainIDProblem(id) { reader.fail("domainID", reason) }
    }

    /// Why a text cannot be a domain's id (an RFC 1123 label that is not reserved); nil when it can.
    static func domainIDProblem(_ id: String) -> String? {
        let letters = Set("abcdefghijklmnopqrstuvwxyz0123456789-")
        guard !id.isEmpty, id.count <= 63, id.allSatisfy(letters.contains), id.first != "-", id.last != "-" else {
            return "\"\(id)\" must be 1 to 63 characters a-z, 0-9 or '-', and not begin or end with '-'"
        }
        return nil
    }

    /// As `domainIDProblem`, for an organisation's id: not one that Kuscia and Kubernetes keep for themselves.
    static func domainProblem(_ id: String) -> String? {
        if let problem = domainIDProblem(id) { return problem }
        guard reservedDomainIDs.contains(id) else { return nil }
        return "\"\(id)\" is reserved; expected another id than \(reservedDomainIDs.sorted().joined(separator: ", "))"
    }
}
