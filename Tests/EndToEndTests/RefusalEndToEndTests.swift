// Bad input is refused at the edge with the field's path, and nothing of it is stored.
import JSON
import Testing

@testable import Swiftlet

struct BadJob: Sendable, CustomTestStringConvertible {
    var title: String
    /// What the message must say: the field's path, and of what it complains.
    var expected: [String]
    /// Made wrong from a good job.
    var change: @Sendable (inout JSONValue) -> Void
    var testDescription: String { title }

    static func task(_ index: Int, _ change: @escaping @Sendable (inout JSONValue) -> Void) -> @Sendable (inout JSONValue) -> Void
    {
        { job in
            guard var tasks = job[path: "spec", "tasks"]?.arrayValue else { return }
            change(&tasks[index])
            job.set(["spec", "tasks"], to: .array(tasks))
        }
    }

    private static func party(_ change: @escaping @Sendable (inout JSONValue) -> Void) -> @Sendable (inout JSONValue) -> Void {
        task(0) { task in
            guard var parties = task["parties"]?.arrayValue else { return }
            change(&parties[0])
            task["parties"] = .array(parties)
        }
    }

    static let all = [
        BadJob(title: "missing tasks", expected: ["spec.tasks"]) { $0.set(["spec", "tasks"], to: nil) },
        BadJob(title: "unknown field", expected: ["spec.maxParalelism"]) { $0.set(["spec", "maxParalelism"], to: 2) },
        BadJob(title: "no tasks", expected: ["spec.tasks"]) { $0.set(["spec", "tasks"], to: []) },
        BadJob(title: "wrong type", expected: ["spec.maxParallelism"]) { $0.set(["spec", "maxParallelism"], to: "many") },
        BadJob(title: "out of range", expected: ["spec.maxParallelism"]) { $0.set(["spec", "maxParallelism"], to: 1000) },
        BadJob(title: "unknown mode", expected: ["spec.scheduleMode"]) { $0.set(["spec", "scheduleMode"], to: "Perhaps") },
        BadJob(title: "missing initiator", expected: ["spec.initiator"]) { $0.set(["spec", "initiator"], to: nil) },
        BadJob(
            title: "unknown dependency", expected: ["spec.tasks[1].dependencies", "nobody"],
            change: task(1) { $0["dependencies"] = ["nobody"] }),
        BadJob(title: "cycle", expected: ["spec.tasks"], change: task(0) { $0["dependencies"] = ["two"] }),
        BadJob(
            title: "duplicate alias", expected: ["spec.tasks[1].alias"],
            change: task(1) {
                $0["alias"] = "one"
                $0["dependencies"] = nil
            }),
        BadJob(title: "duplicate task id", expected: ["spec.tasks[1].taskID"], change: task(1) { $0["taskID"] = "bad-one" }),
        BadJob(
            title: "unknown app image", expected: ["appImage", "no-such-image"],
            change: task(0) { $0["appImage"] = "no-such-image" }),
        BadJob(title: "unknown domain", expected: ["domainID", "carol"], change: party { $0["domainID"] = "carol" }),
        BadJob(
            title: "malformed quantity", expected: ["memory", "64 Megs"],
            change: party { $0.set(["resources", "limits", "memory"], to: "64 Megs") }),
        BadJob(
            title: "more than every node has", expected: ["memory"],
            change: party {
                $0.set(["resources", "requests", "memory"], to: "900Ti")
                $0.set(["resources", "limits", "memory"], to: "900Ti")
            }),
        BadJob(title: "missing parties", expected: ["spec.tasks[0].parties"], change: task(0) { $0["parties"] = nil }),
        BadJob(title: "bad name", expected: ["metadata.name"]) { $0.set(["metadata", "name"], to: "Not_A_Name") },
    ]
}

@Suite(.serialized, .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct RefusalEndToEndTests {
    @Test("a wrong job is refused with the field's path, and nothing of it is stored", .timeLimit(.minutes(3)))
    func refusedJobs() async throws {
        try await TestCluster.with { cluster in
            let good = ShellJob(
                name: "bad",
                tasks: [
                    ShellTask(alias: "one", script: "exit 0"), ShellTask(alias: "two", script: "exit 0", dependencies: ["one"]),
                ])
            let images = good.documents.dropLast()
            try await submit(Array(images), cluster, expecting: 0)
            let job = try #require(good.documents.last)
            for bad in BadJob.all {
                var document = job
                bad.change(&document)
                let result = try await submit([document], cluster, expecting: 1)
                for part in bad.expected {
                    #expect(result.errors.contains(part), "\(bad.title): no \"\(part)\" in: \(result.errors)")
                }
            }
            #expect(try await cluster.objects("kusciajobs") == [])
            #expect(try await cluster.objects("kusciatasks") == [])
            #expect(try await cluster.objects("pods") == [])
        }
    }

    @Test("an empty name deletes nothing, whatever is there", .timeLimit(.minutes(2)))
    func emptyName() async throws {
        try await TestCluster.with(domains: ["alice"]) { cluster in
            let path = "\(cluster.directory)/two.yaml"
            let two = ["one", "two"].map { "{apiVersion: v1, kind: ConfigMap, metadata: {name: \($0), namespace: alice}}" }
            try FileText.write(two.joined(separator: "\n---\n"), to: path)
            try await cluster.run("submit", path)
            for words in [
                ["delete", "cm", ""], ["delete", "cm", "", "-n", "alice"], ["delete", "cm", "one", "", "-n", "alice"],
            ] {
                let result = try await cluster.run([EndToEnd.program("swiftlet")] + words, expecting: nil)
                #expect(result.status != 0 && result.errors.contains("expected a name"), "\(result)")
            }
            let left = try await cluster.objects("cm").compactMap { $0[path: "metadata", "name"]?.stringValue }
            #expect(Set(left).isSuperset(of: ["one", "two"]), "\(left)")
        }
    }

    @Test("what is no manifest is refused before anything is sent", .timeLimit(.minutes(2)))
    func refusedManifests() async throws {
        try await TestCluster.with(domains: ["alice"]) { cluster in
            let cases = [
                ("kind: Nonsense\napiVersion: v1\nmetadata: {name: x}", "Nonsense"), ("metadata: {name: x}", "apiVersion"),
                ("kind: Pod\napiVersion: v1\nmetadata: {}", "metadata.name"), ("a: [1", "manifest.yaml"),
            ]
            for (text, part) in cases {
                let path = "\(cluster.directory)/manifest.yaml"
                try FileText.write(text, to: path)
                let result = try await cluster.run("submit", path, expecting: 1)
                #expect(result.errors.contains(part) && result.errors.contains("Hint:"), "\(result)")
            }
        }
    }

    @discardableResult
    private func submit(_ documents: [JSONValue], _ cluster: TestCluster, expecting status: Int32) async throws -> CommandResult {
        let path = "\(cluster.directory)/submitted.yaml"
        try FileText.write(documents.map { $0.serializedString() }.joined(separator: "\n---\n"), to: path)
        return try await cluster.run("submit", path, expecting: status)
    }
}
