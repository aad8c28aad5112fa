// Lays out a task: which pods each party gets, with which names and ports. Everything about a task's objects follows from
// its spec, its AppImages and its port numbers, so that doing it twice gives the same names.
import KubernetesModel
import KusciaModel

/// A replica of a party.
public struct TaskPod: Sendable, Hashable {
    public var domain: String
    public var role: String
    public var partyIndex: Int
    public var replica: Int
    public var name: String
    public var ports: [AppImagePort]
}

public struct TaskLayout: Sendable {
    /// Of one task, over all its parties. Its pods are placed together and described in one object.
    public static let maximumPods = 1_000

    /// Why a task cannot be laid out.
    public struct Defect: Error, Sendable, Hashable, CustomStringConvertible {
        public var field: String
        public var message: String
        public var description: String { "\(field): \(message)" }
    }

    public struct Party: Sendable {
        public var spec: KusciaTaskParty
        /// Empty, like `template`, in a layout of what was made: nothing more is made of it.
        public var image: AppImage
        public var template: DeployTemplate
        public var pods: [TaskPod]
        /// Pods that must be placed and succeed: all, unless the spec asks for fewer.
        public var minReservedPods: Int
    }

    public let task: KusciaTask
    public let parties: [Party]

    public init(_ task: KusciaTask, appImage: (String) -> AppImage?) throws(Defect) {
        self.task = task
        var laid: [Party] = []
        for (index, spec) in task.spec.parties.enumerated() {
            let field = "spec.parties[\(index)]"
            guard let image = appImage(spec.appImageRef) else {
                throw Defect(field: "\(field).appImageRef", message: "AppImage \"\(spec.appImageRef)\" not found")
            }
            guard let template = Self.template(of: image, role: spec.role ?? "") else {
                let known = image.spec.deployTemplates.map { "\"\($0.role ?? "")\"" }.joined(separator: ", ")
                throw Defect(
                    field: "\(field).role",
                    message:
                        "AppImage \"\(spec.appImageRef)\" has no deploy template for role \"\(spec.role ?? "")\"; it has \(known)"
                )
            }
            let replicas = spec.template?.replicas ?? template.replicas ?? 1
            guard replicas <= Self.maximumPods - laid.reduce(0, { $0 + $1.pods.count }) else {
                throw Defect(field: "\(field).template.replicas", message: "found \(replicas), a task has at most \(Self.maximumPods) pods")
            }
            let pods = Self.pods(task, index, replicas, template.spec.containers.flatMap(\.ports))
            let party = Party(
                spec: spec, image: image, template: template, pods: pods,
                minReservedPods: spec.minReservedPods.flatMap { $0 > 0 ? $0 : nil } ?? pods.count)
            try Self.check(party, field, among: laid)
            laid.append(party)
        }
        parties = laid
        guard !pods.isEmpty else { throw Defect(field: "spec.parties", message: "the task has no pods") }
        guard neededParties <= parties.count else {
            throw Defect(
                field: "spec.scheduleConfig.minReservedMembers",
                message: "\(neededParties) of \(parties.count) parties cannot succeed")
        }
    }

    /// What was made for the task as its status keeps it; nil when the status does not say (or says it of other parties).
    public init?(madeFor task: KusciaTask) {
        let made = task.status.partyLayouts
        guard !made.isEmpty, made.count == task.spec.parties.count else { return nil }
        self.task = task
        parties = zip(task.spec.parties, made).enumerated().map { index, pair in
            let ports = pair.1.reachablePorts.map { AppImagePort(name: $0, scope: .cluster) }
            return Party(
                spec: pair.0, image: AppImage(), template: DeployTemplate(),
                pods: Self.pods(task, index, min(pair.1.pods, Self.maximumPods), ports), minReservedPods: pair.1.minReservedPods)
        }
    }

    /// What the status keeps of it, for `init(madeFor:)`.
    public var partyLayouts: [PartyLayout] {
        parties.map { party in
            PartyLayout(
                domainID: party.spec.domainID, role: party.spec.role, pods: party.pods.count,
                minReservedPods: party.minReservedPods,
                reachablePorts: (party.pods.first?.ports ?? []).filter(\.isReachable).map(\.name))
        }
    }

    /// What would give two things one name, or could never succeed.
    private static func check(_ party: Party, _ field: String, among others: [Party]) throws(Defect) {
        let (domain, role) = (party.spec.domainID, party.spec.role ?? "")
        if let first = others.firstIndex(where: { $0.spec.domainID == domain && ($0.spec.role ?? "") == role }) {
            throw Defect(
                field: field,
                message:
                    "spec.parties[\(first)] is domain \"\(domain)\" in role \"\(role)\" already; use another role or replicas")
        }
        guard party.minReservedPods <= party.pods.count else {
            throw Defect(
                field: "\(field).minReservedPods", message: "\(party.minReservedPods) of \(party.pods.count) pods cannot succeed")
        }
        let given = party.spec.template?.spec?.containers ?? []
        if let stray = PartyOverrides.stray(among: given, of: party.template.spec.containers) {
            let known = party.template.spec.containers.map { "\"\($0.name)\"" }.joined(separator: ", ")
            throw Defect(
                field: "\(field).template.spec.containers[\(stray)]",
                message: "found \"\(given[stray].name)\", the deploy template has no such container; it has \(known)")
        }
        var names: Set<String> = []
        for port in party.template.spec.containers.flatMap(\.ports) where !names.insert(port.name).inserted {
            throw Defect(
                field: "\(field).appImageRef",
                message: "AppImage \"\(party.spec.appImageRef)\" has two ports named \"\(port.name)\"")
        }
    }

    /// Parties that must be placed and succeed: all, unless the spec asks for fewer.
    public var neededParties: Int {
        task.spec.scheduleConfig?.minReservedMembers.flatMap { $0 > 0 ? $0 : nil } ?? parties.count
    }

    /// Pods that must be placed together for the task to be able to succeed.
    public var neededPods: Int { parties.map(\.minReservedPods).sorted().prefix(neededParties).reduce(0, +) }

    public var pods: [TaskPod] { parties.flatMap(\.pods) }

    /// "pod/port" of every port to allocate, in a fixed order.
    public var portKeys: [(pod: TaskPod, port: AppImagePort)] { pods.flatMap { pod in pod.ports.map { (pod, $0) } } }

    /// The port numbers as the status keeps them, one entry a party.
    public func allocatedPorts(_ numbers: [Int]) -> [PartyAllocatedPorts] {
        var next = numbers.makeIterator()
        return parties.map { party in
            var named: [String: Int] = [:]
            for pod in party.pods { for port in pod.ports { named["\(pod.name)/\(port.name)"] = next.next() } }
            return PartyAllocatedPorts(domainID: party.spec.domainID, role: party.spec.role, namedPort: named)
        }
    }

    static func template(of image: AppImage, role: String) -> DeployTemplate? {
        let templates = image.spec.deployTemplates
        return DeployTemplate.index(forRole: role, among: templates.map { $0.role ?? "" }).map { templates[$0] }
    }

    private static func pods(_ task: KusciaTask, _ index: Int, _ replicas: Int, _ ports: [AppImagePort]) -> [TaskPod] {
        let spec = task.spec.parties[index]
        let role = spec.role ?? ""
        return (0..<max(0, replicas)).map { replica in
            TaskPod(
                domain: spec.domainID, role: role, partyIndex: index, replica: replica,
                name: "\(task.metadata.name)-\(role.isEmpty ? "" : "\(role)-")\(replica)", ports: ports)
        }
    }
}
