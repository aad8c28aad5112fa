// What a person sees of a job: one row per task and party, out of the job, its tasks and the time. Pure.
import JSON
import KusciaModel

struct JobView: Sendable {
    struct Row: Sendable, Hashable {
        var task: String
        var taskID: String
        var party: String
        /// "" where the party has none.
        var role: String
        var node: String
        var phase: String
        /// nil before the pod started.
        var elapsedSeconds: Double?
        var reason: String
        /// "namespace/name"; nil before there is a pod.
        var pod: String?
        var cpuSeconds: Double?
        var peakMemoryBytes: Int64?
        var cpuLimit: String?
        var memoryLimit: String?

        var isFinished: Bool { ["Succeeded", "Failed"].contains(phase) }
    }

    private(set) var job: JSONValue?
    private var tasks: [String: JSONValue] = [:]
    let name: String

    init(name: String) { self.name = name }

    // MARK: Input

    mutating func apply(job change: ObjectChange) {
        switch change {
        case .snapshot(let objects): job = objects.first { Self.name(of: $0) == name }
        case .changed(let object): if Self.name(of: object) == name { job = object }
        case .deleted(let object): if Self.name(of: object) == name { job = nil }
        }
    }

    mutating func apply(task change: ObjectChange) {
        switch change {
        case .snapshot(let objects): tasks = Dictionary(objects.map { (Self.name(of: $0), $0) }, uniquingKeysWith: { _, b in b })
        case .changed(let object): tasks[Self.name(of: object)] = object
        case .deleted(let object): tasks[Self.name(of: object)] = nil
        }
    }

    private static func name(of object: JSONValue) -> String { object[path: "metadata", "name"]?.stringValue ?? "" }

    // MARK: The job

    var phase: String { job?[path: "status", "phase"]?.stringValue ?? "Submitted" }
    var isFinished: Bool { ["Succeeded", "Failed", "Cancelled", "Suspended", "ApprovalReject"].contains(phase) }
    var succeeded: Bool { phase == "Succeeded" }

    /// The first cause as the master names it; else whatever task says something.
    var message: String {
        let status = job?["status"]
        let own = [status?["message"]?.stringValue, status?["reason"]?.stringValue].compactMap { $0 }.first { !$0.isEmpty }
        if let own { return own }
        let failed = tasks.values.filter { $0[path: "status", "phase"]?.stringValue == "Failed" }
        return failed.compactMap { $0[path: "status", "message"]?.stringValue }.sorted().first ?? ""
    }

    /// What the job waits for, as the master says it; nil when it ended or waits for nothing.
    var waitsFor: String? { isFinished ? nil : job?[path: "status", "message"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 } }

    func elapsedSeconds(now: Double) -> Double? {
        guard let start = time(job?[path: "status", "startTime"] ?? job?[path: "metadata", "creationTimestamp"]) else {
            return nil
        }
        return (time(job?[path: "status", "completionTime"]) ?? now) - start
    }

    // MARK: Its rows

    func rows(now: Double) -> [Row] {
        (job?[path: "spec", "tasks"]?.arrayValue ?? []).flatMap { task in
            (task["parties"]?.arrayValue ?? []).map { row(task: task, party: $0, now: now) }
        }
    }

    private func row(task: JSONValue, party: JSONValue, now: Double) -> Row {
        let alias = task["alias"]?.stringValue ?? ""
        // The master names a task that the job gives no id; the task says of which job it is, and which.
        let made = tasks.first { isTask($0.value, alias) }
        let id = task["taskID"]?.stringValue ?? made?.key ?? alias
        let domain = party["domainID"]?.stringValue ?? ""
        let role = party["role"]?.stringValue ?? ""
        let limits = party[path: "resources", "limits"]
        var row = Row(
            task: alias, taskID: id, party: domain, role: role, node: "", phase: "Waiting", reason: "",
            cpuLimit: Self.quantity(limits?["cpu"]), memoryLimit: Self.quantity(limits?["memory"]))
        guard let object = tasks[id], isOwn(object) else {
            row.phase = isFinished ? "NotStarted" : "Waiting"
            return row
        }
        let status = object["status"]
        row.phase = status?["phase"]?.stringValue ?? "Pending"
        guard let (pod, podStatus) = podStatus(of: domain, task: id, role: role, in: status) else { return row }
        row.pod = pod
        row.node = podStatus["nodeName"]?.stringValue ?? ""
        row.phase = podStatus["podPhase"]?.stringValue ?? row.phase
        row.reason = podStatus["reason"]?.stringValue ?? ""
        row.elapsedSeconds = elapsed(podStatus, task: status, finished: row.isFinished, now: now)
        readUsage(podStatus["usage"], into: &row)
        return row
    }

    private func isTask(_ task: JSONValue, _ alias: String) -> Bool {
        let metadata = task["metadata"]
        let said = metadata?["annotations"]?[KusciaAnnotation.taskAlias] ?? metadata?["labels"]?[KusciaLabel.taskAlias]
        return isOwn(task) && said?.stringValue == alias
    }

    /// Another job's task may have the name or the alias of one of this job's.
    private func isOwn(_ task: JSONValue) -> Bool { task[path: "metadata", "labels"]?[KusciaLabel.jobID]?.stringValue == name }

    /// The one of the party's pods that tells most: that which the task's message names as the cause, else one that failed by
    /// itself, else the first. A pod's name is `<task>-<role>-<index>`.
    private func podStatus(of domain: String, task: String, role: String, in status: JSONValue?) -> (String, JSONValue)? {
        let prefix = "\(domain)/\(task)-" + (role.isEmpty ? "" : "\(role)-")
        var pods: [(index: Int, key: String, value: JSONValue)] = []
        for (key, value) in status?["podStatuses"]?.objectValue ?? [:] where key.hasPrefix(prefix) {
            if let index = Int(key.dropFirst(prefix.count)) { pods.append((index, key, value)) }
        }
        pods.sort { $0.index < $1.index }
        let message = status?["message"]?.stringValue ?? ""
        let culprit = pods.first { message.contains("party \(domain), pod \($0.key.dropFirst(domain.count + 1)):") }
        let failed = pods.first { $0.value["podPhase"]?.stringValue == "Failed" && $0.value["reason"]?.stringValue != "Stopped" }
        return (culprit ?? failed ?? pods.first).map { ($0.key, $0.value) }
    }

    private func elapsed(_ pod: JSONValue, task: JSONValue?, finished: Bool, now: Double) -> Double? {
        guard let start = time(pod["startTime"]) else { return nil }
        let end = time(pod["finishTime"]) ?? time(pod["completionTime"]) ?? (finished ? time(task?["completionTime"]) : nil)
        return max(0, (end ?? now) - start)
    }

    private func readUsage(_ usage: JSONValue?, into row: inout Row) {
        // The annotation's text may have been copied as it stands.
        let usage = usage?.stringValue.flatMap { try? JSONValue(parsing: $0) } ?? usage
        guard let containers = usage?["containers"]?.objectValue, !containers.isEmpty else { return }
        row.cpuSeconds = containers.values.compactMap { $0["cpuSeconds"]?.doubleValue }.reduce(0, +)
        row.peakMemoryBytes = containers.values.compactMap { $0["peakMemoryBytes"]?.intValue }.reduce(0, +)
    }

    private func time(_ value: JSONValue?) -> Double? { value?.stringValue.flatMap(HumanText.unixSeconds) }

    private static func quantity(_ value: JSONValue?) -> String? {
        switch value {
        case .string(let text): text
        case .int, .double: value?.serializedString()
        case .null, .bool, .array, .object, nil: nil
        }
    }
}
