// The tasks of a job as a graph: which may start now, and whether the graph is one that can end.
import KusciaModel

/// Dependencies name aliases; everything else names task ids.
public struct TaskGraph: Sendable {
    /// Why a graph cannot be run; `field` is the path below the job.
    public struct Defect: Error, Sendable, Hashable, CustomStringConvertible {
        public var field: String
        public var message: String

        public var description: String { "\(field): \(message)" }
    }

    public let tasks: [KusciaTaskTemplate]
    private let indexOfAlias: [String: Int]

    /// Refuses no tasks at all, duplicate or empty aliases, duplicate task ids, unknown dependencies and cycles (named in full).
    public init(_ tasks: [KusciaTaskTemplate]) throws(Defect) {
        guard !tasks.isEmpty else { throw Defect(field: "spec.tasks", message: "Required value: a job has at least one task") }
        var aliases: [String: Int] = [:]
        var ids: [String: Int] = [:]
        for (index, task) in tasks.enumerated() {
            guard !task.alias.isEmpty else { throw Defect(field: "spec.tasks[\(index)].alias", message: "Required value") }
            if let first = aliases.updateValue(index, forKey: task.alias) {
                throw Defect(
                    field: "spec.tasks[\(index)].alias", message: "\"\(task.alias)\" is the alias of spec.tasks[\(first)] already"
                )
            }
            if let id = task.taskID, let first = ids.updateValue(index, forKey: id) {
                throw Defect(
                    field: "spec.tasks[\(index)].taskID", message: "\"\(id)\" is the task id of spec.tasks[\(first)] already")
            }
        }
        for (index, task) in tasks.enumerated() {
            for (position, dependency) in task.dependencies.enumerated() where aliases[dependency] == nil {
                throw Defect(
                    field: "spec.tasks[\(index)].dependencies[\(position)]",
                    message: "no task of this job has the alias \"\(dependency)\"")
            }
        }
        self.tasks = tasks
        indexOfAlias = aliases
        if let cycle = findCycle() {
            throw Defect(field: "spec.tasks", message: "dependencies form a cycle: \(cycle.joined(separator: " -> "))")
        }
    }

    /// Aliases that depend on each other in a circle, the first repeated at the end.
    private func findCycle() -> [String]? {
        // Peel tasks without unfinished dependencies (Kahn); what stays is on or behind a cycle.
        var left = Set(tasks.indices)
        while let free = left.first(where: { task in !tasks[task].dependencies.contains { left.contains(indexOfAlias[$0] ?? -1) }
            })
        {
            left.remove(free)
        }
        guard var at = left.min() else { return nil }
        var path: [Int] = []
        while !path.contains(at) {
            path.append(at)
            guard let next = tasks[at].dependencies.lazy.compactMap({ indexOfAlias[$0] }).first(where: { left.contains($0) })
            else { return nil }
            at = next
        }
        return (path.drop { $0 != at } + [at]).map { tasks[$0].alias }
    }

    /// A task that failed and on which `task` depends, directly or through others.
    func failedAncestor(
        of task: KusciaTaskTemplate, phases: [String: KusciaTaskPhase?], id: (KusciaTaskTemplate) -> String
    ) -> KusciaTaskTemplate? {
        var left = task.dependencies
        var seen: Set<String> = []
        while let alias = left.popLast() {
            guard seen.insert(alias).inserted, let index = indexOfAlias[alias] else { continue }
            if phases[id(tasks[index])] == .some(.failed) { return tasks[index] }
            left += tasks[index].dependencies
        }
        return nil
    }

    /// Tasks that may start: not started, all dependencies succeeded. Highest priority first, then as written.
    public func ready(phases: [String: KusciaTaskPhase?], id: (KusciaTaskTemplate) -> String) -> [KusciaTaskTemplate] {
        tasks.enumerated()
            .filter { _, task in
                phases[id(task)] == nil
                    && task.dependencies.allSatisfy { alias in
                        indexOfAlias[alias].map { phases[id(tasks[$0])] == .some(.succeeded) } ?? false
                    }
            }
            .sorted { left, right in
                let (a, b) = (left.element.priority ?? 0, right.element.priority ?? 0)
                return a != b ? a > b : left.offset < right.offset
            }
            .map(\.element)
    }
}
