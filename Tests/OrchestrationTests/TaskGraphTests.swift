// Graphs that can run and graphs that cannot.
import KusciaModel
import Orchestration
import Testing

@Suite("TaskGraph") struct TaskGraphTests {
    private func template(_ alias: String, _ dependencies: [String] = [], id: String? = nil, priority: Int? = nil)
        -> KusciaTaskTemplate
    {
        KusciaTaskTemplate(alias: alias, taskID: id, dependencies: dependencies, priority: priority)
    }

    private func defect(_ tasks: [KusciaTaskTemplate]) -> String? {
        do throws(TaskGraph.Defect) {
            _ = try TaskGraph(tasks)
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test("a job without tasks is refused")
    func empty() { #expect(defect([])?.hasPrefix("spec.tasks: Required value") == true) }

    @Test("a task without alias is refused, and an alias or task id given twice names both places")
    func duplicates() {
        #expect(defect([template("")]) == "spec.tasks[0].alias: Required value")
        #expect(
            defect([template("a"), template("b"), template("a")])
                == #"spec.tasks[2].alias: "a" is the alias of spec.tasks[0] already"#)
        #expect(
            defect([template("a", id: "x"), template("b", id: "x")])
                == #"spec.tasks[1].taskID: "x" is the task id of spec.tasks[0] already"#)
    }

    @Test("a dependency on no task is refused by its name")
    func unknownDependency() {
        #expect(
            defect([template("a"), template("b", ["a", "c"])])
                == #"spec.tasks[1].dependencies[1]: no task of this job has the alias "c""#)
    }

    @Test(
        "a cycle is refused and named in full",
        arguments: [
            (["a": ["a"]], "a -> a"), (["a": ["b"], "b": ["a"]], "a -> b -> a"),
            (["a": [], "b": ["a", "d"], "c": ["b"], "d": ["c"]], "b -> d -> c -> b"),
            // "a" only waits for a cycle; it is not part of it.
            (["a": ["b"], "b": ["c"], "c": ["b"]], "b -> c -> b"),
        ] as [([String: [String]], String)])
    func cycle(edges: [String: [String]], words: String) {
        let tasks = edges.sorted { $0.key < $1.key }.map { template($0.key, $0.value) }
        #expect(defect(tasks) == "spec.tasks: dependencies form a cycle: \(words)")
    }

    @Test("ready are those whose dependencies have all succeeded, by priority, and as written where that is equal")
    func ready() throws {
        let graph = try TaskGraph([
            template("low"), template("first"), template("high", priority: 9), template("second"),
            template("join", ["low", "high"], priority: 5),
        ])
        func ready(_ phases: [String: KusciaTaskPhase?]) -> [String] { graph.ready(phases: phases) { $0.alias }.map(\.alias) }
        #expect(ready([:]) == ["high", "low", "first", "second"])
        #expect(ready(["high": .running, "low": nil]) == ["first", "second"], "a task that was made is not made again")
        #expect(ready(["high": .succeeded, "low": .running]) == ["first", "second"])
        #expect(ready(["high": .succeeded, "low": .failed]) == ["first", "second"])
        #expect(ready(["high": .succeeded, "low": .succeeded]) == ["join", "first", "second"])
    }
}
