// Whose the name of a job's task is already: a task that is there, or one that another job is going to make.
import JSON
import KubernetesModel
import KusciaModel

struct TaskNames {
    /// The job whose names are looked at.
    let job: String
    private let namespace: String
    /// What was looked up: the names that each job is going to use.
    private var wanted: [String: Set<String>] = [:]

    init(_ job: JSONValue) {
        self.job = job["metadata"]?["name"]?.stringValue ?? ""
        namespace = job["metadata"]?["namespace"]?.stringValue ?? ""
    }

    /// Who else has the name; nil when nobody is known to. A KusciaTask of another job would keep this job waiting for ever;
    /// one of a former job of the same name is about to be collected and does no harm.
    ///
    /// A name that another job made up begins with that job's name, so few jobs can have done it, and only they are read. One
    /// that another job gives as a taskID and has not used yet is found by the job controller.
    mutating func owner(of id: String, _ lookup: any ObjectLookup) async throws(StatusError) -> String? {
        if let present = try await lookup.object(.kuscia("kusciatasks"), namespace: namespace, name: id) {
            let owners = (present["metadata"]?["ownerReferences"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue }
            if !owners.contains(job) { return owners.first.map { "KusciaJob \"\($0)\"" } ?? "no job" }
        }
        for (place, letter) in zip(id.indices, id) where letter == "-" {
            let other = String(id[..<place])
            if other.isEmpty || other == job { continue }
            if try await names(of: other, lookup).contains(id) { return "KusciaJob \"\(other)\"" }
        }
        return nil
    }

    private mutating func names(of other: String, _ lookup: any ObjectLookup) async throws(StatusError) -> Set<String> {
        if let known = wanted[other] { return known }
        var names: Set<String> = []
        if let job = try await lookup.object(.kuscia("kusciajobs"), namespace: namespace, name: other), !Self.isOver(job) {
            for task in job["spec"]?["tasks"]?.arrayValue ?? [] {
                let alias = task["alias"]?.stringValue ?? ""
                names.insert(KusciaTaskID.of(taskID: task["taskID"]?.stringValue, alias: alias, job: other))
            }
        }
        wanted[other] = names
        return names
    }

    /// A job that makes no task any more, unless it is restarted.
    private static func isOver(_ job: JSONValue) -> Bool {
        let phase = job["status"]?["phase"]?.stringValue.flatMap(KusciaJobPhase.init(rawValue:))
        return switch phase {
        case .succeeded, .failed, .cancelled, .approvalReject: true
        case nil, .initialized, .awaitingApproval, .pending, .running, .suspended: false
        }
    }
}
