// What `swiftlet doctor --config` looks at beside the sandbox: whether this Lite can work here and reach its master, each
// finding with the fix.
import Agent
import AgentCore
import KubernetesClient
import KubernetesModel
import PKI

struct NodeCheck: Sendable, Hashable {
    var name: String
    var isFine: Bool
    /// What was found.
    var finding: String
    /// nil when there is nothing to do.
    var fix: String?

    static func fine(_ name: String, _ finding: String) -> NodeCheck { NodeCheck(name: name, isFine: true, finding: finding) }
    static func wrong(_ name: String, _ finding: String, fix: String) -> NodeCheck {
        NodeCheck(name: name, isFine: false, finding: finding, fix: fix)
    }
}

struct NodeChecks {
    let settings: LiteSettings
    /// A node that does not answer within it is told as unreachable.
    static let connectionLimit = Duration.seconds(10)

    func run() async -> [NodeCheck] {
        let (certificate, identity) = certificate()
        return pressures() + [certificate] + [await connection(identity)]
    }

    /// The node's own thresholds, measured now.
    private func pressures() -> [NodeCheck] {
        let directory = FileText.isDirectory(settings.stateDirectory) ? settings.stateDirectory : "/"
        let load = NodeMeasurement.measure(directory: directory)
        let met = settings.agentConfig(stopPolicy: .leave).evictionThresholds.pressures(load)
        return [
            check(
                .memory, met, "\(HumanText.bytes(load.memoryAvailableBytes)) available",
                "end something, or give the machine more memory"),
            check(
                .disk, met, "\(HumanText.bytes(load.diskFreeBytes)) and \(load.inodesFree) inodes free in \(directory)",
                "make room there, or set swiftlet.stateDirectory to a larger file system"),
            check(.processes, met, "\(load.processes) of \(load.processLimit) processes", "raise kernel.pid_max"),
        ]
    }

    private func check(_ pressure: NodePressure, _ met: Set<NodePressure>, _ finding: String, _ fix: String) -> NodeCheck {
        let name = pressure.rawValue
        return met.contains(pressure) ? .wrong(name, "\(finding): below the eviction threshold", fix: fix) : .fine(name, finding)
    }

    private func certificate() -> (NodeCheck, LiteIdentity?) {
        let name = "certificate"
        do {
            guard let identity = try known() else {
                if let expired = try LiteIdentity.expired(stateDirectory: settings.stateDirectory), settings.membership == nil {
                    let found = "\(expired.path): it ended on \(HumanText.date(expired.end))"
                    let check =
                        settings.deployToken == nil
                        ? NodeCheck.wrong(name, "\(found), and no liteDeployToken", fix: newToken)
                        : .fine(name, "\(found); the node asks for another at its start")
                    return (check, nil)
                }
                let isGiven = settings.deployToken != nil || settings.membership != nil
                let check =
                    isGiven
                    ? NodeCheck.fine(name, "none yet; the node asks for one at its start")
                    : .wrong(name, "none, and no liteDeployToken", fix: newToken)
                return (check, nil)
            }
            let information = try CertificateInfo(pem: identity.pair.certificatePEM)
            let now = unixNow()
            if now < information.notBefore {
                return (
                    .wrong(name, "it begins in the future: this machine's clock is behind", fix: "set the clock (NTP)"), identity
                )
            }
            let left = HumanText.duration(seconds: Double(information.notAfter - now))
            return (.fine(name, "\(information.commonName), \(left) left"), identity)
        } catch let failure as CommandFailure {
            return (.wrong(name, failure.message, fix: failure.hint ?? newToken), nil)
        } catch {
            return (.wrong(name, "\(error)", fix: "remove it and start with a new deploy token: \(newToken)"), nil)
        }
    }

    private var newToken: String { "liteDeployToken: `swiftlet token \(settings.domain ?? "DOMAIN")` on the master prints one" }

    private func known() throws -> LiteIdentity? {
        if case .certificate(let pair)? = settings.membership?.credentials { return LiteIdentity(pair: pair) }
        let stored = try LiteIdentity.load(stateDirectory: settings.stateDirectory)
        try stored?.check(node: settings.nodeName, domain: settings.domain, stateDirectory: settings.stateDirectory)
        return stored
    }

    /// Asks for the node's own object: that it is not there yet is an answer too.
    private func connection(_ identity: LiteIdentity?) async -> NodeCheck {
        let name = "connection"
        let fix = "is \(settings.masterURL) right, up and reachable from here (firewall, proxy, DNS)?"
        do {
            let connection = try MasterConnection(settings)
            let api = try identity.map(connection.api) ?? connection.anonymous()
            defer { Task { await api.shutdown() } }
            let node = settings.nodeName
            let found = try await withThrowingTaskGroup(of: Bool?.self) { group in
                group.addTask { try await api.find(Node.self, name: node) != nil }
                group.addTask {
                    try await Task.sleep(for: Self.connectionLimit)
                    return nil
                }
                defer { group.cancelAll() }
                return try await group.next() ?? nil
            }
            guard let found else { return .wrong(name, "\(settings.masterURL) does not answer", fix: fix) }
            return .fine(name, "\(settings.masterURL) answers; node \(node) is \(found ? "" : "not yet ")registered")
        } catch let error as KubernetesAPIError where identity == nil && error.code != nil {
            // Refused, as anybody is who shows no certificate: so it is there, and is the one that this node trusts.
            return .fine(name, "\(settings.masterURL) answers; the node is not registered without a certificate")
        } catch let failure as CommandFailure {
            return .wrong(name, failure.message, fix: failure.hint ?? fix)
        } catch let error as KubernetesAPIError where error.code == nil && settings.membership == nil {
            return .wrong(name, "\(error)", fix: LiteRefusal.hint(error, settings))
        } catch let error as KubernetesAPIError where error.code == 401 {
            let files = LiteIdentity.certificatePath(stateDirectory: settings.stateDirectory)
            return .wrong(
                name, "\(error)",
                fix:
                    "another authority signed this certificate, or it is over: remove \(files) and its key, and start with a new "
                    + newToken)
        } catch let error as KubernetesAPIError where error.code == 403 {
            return .wrong(
                name, "\(error)",
                fix: "the master knows this certificate, and gives it no right to node \(settings.nodeName): are domainID and "
                    + "swiftlet.nodeName those of its first start, and is the domain still registered (`swiftlet get domains`)?")
        } catch {
            return .wrong(name, "\(error)", fix: fix)
        }
    }
}
