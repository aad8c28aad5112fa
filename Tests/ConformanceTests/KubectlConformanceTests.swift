// Every action of the table, with each version of kubectl, against a real master; docs/CONFORMANCE.md is its outcome.
import Glibc
import Testing

@Suite("kubectl of two ages finds a Kubernetes API")
struct KubectlConformanceTests {
    static let versions = ["1.28", "newest"]

    @Test("each action does what Kubernetes would do, and the table in the documentation says so", .timeLimit(.minutes(5)))
    func everyAction() async throws {
        let outcomes = try await withThrowingTaskGroup(of: (String, [String: [String]]).self) { group in
            for version in Self.versions {
                group.addTask { (version, try await Self.outcomes(of: KubectlVersion.find(version))) }
            }
            var all: [String: [String: [String]]] = [:]
            for try await (version, outcomes) in group { all[version] = outcomes }
            return all
        }
        for version in Self.versions {
            for action in KubectlAction.all {
                let failures = outcomes[version]?[action.name] ?? ["it was not run"]
                #expect(failures.isEmpty, "kubectl \(version): \(action.name): \(failures.joined(separator: "\n"))")
            }
        }
        try ConformanceTable.check(outcomes, Self.versions)
    }

    @Test("no action of the recording is missing, and none is in the table twice") func complete() {
        #expect(KubectlAction.all.count == 77)
        #expect(Set(KubectlAction.all.map(\.name)).count == 77)
    }

    /// Action -> what did not hold.
    private static func outcomes(of version: KubectlVersion) async throws -> [String: [String]] {
        try await MasterLaboratory.run { laboratory in
            let session = KubectlSession(version, laboratory)
            return try await NodeDouble.run(laboratory) {
                var outcomes: [String: [String]] = [:]
                for action in KubectlAction.all { outcomes[action.name] = await session.run(action) }
                return outcomes
            }
        }
    }
}

/// docs/CONFORMANCE.md. Written anew when SWIFTLET_WRITE_CONFORMANCE is set, compared otherwise.
enum ConformanceTable {
    private static let path = "\(MasterLaboratory.repository)/docs/CONFORMANCE.md"

    static func check(_ outcomes: [String: [String: [String]]], _ versions: [String]) throws {
        let text = text(outcomes, versions)
        if getenv("SWIFTLET_WRITE_CONFORMANCE") != nil {
            try TextFile.write(text, to: path)
        } else {
            #expect(
                TextFile.read(path) == text,
                "docs/CONFORMANCE.md is not what this run found: SWIFTLET_WRITE_CONFORMANCE=1 writes it")
        }
    }

    static func text(_ outcomes: [String: [String: [String]]], _ versions: [String]) -> String {
        var lines = [
            "# What kubectl finds here", "",
            "The actions that were recorded against a stock API server, done by real kubectls against `swiftlet master`. Each checks what is",
            "printed (columns, values, messages), the calls that were made, and what the server holds afterwards: `Tests/ConformanceTests`",
            "(`KubectlActions+*.swift` is the table). A postponed action is tried as well: it must be refused in words, never break anything.",
            "",
            "This page is written by the test: `SWIFTLET_WRITE_CONFORMANCE=1 swift test --filter ConformanceTests.KubectlConformanceTests`.",
            "",
            "| action | " + versions.map { "kubectl \($0)" }.joined(separator: " | ") + " | |",
            "|---|" + versions.map { _ in "---|" }.joined() + "---|",
        ]
        for action in KubectlAction.all {
            let cells = versions.map { version in
                let passed = outcomes[version]?[action.name]?.isEmpty == true
                return passed ? (action.postponed == nil ? "passed" : "refused in words") : "FAILED"
            }
            lines.append(
                "| \(action.name) | \(cells.joined(separator: " | ")) | \(action.postponed.map { "postponed: \($0)" } ?? "") |")
        }
        let kept = KubectlAction.all.filter { $0.postponed == nil }.count
        lines += [
            "",
            "\(kept) of \(KubectlAction.all.count) actions are kept; \(KubectlAction.all.count - kept) are postponed. The recording's custom",
            "resources are ours here (AppImage), its `set image` is a pod's.", "",
        ]
        return lines.joined(separator: "\n")
    }
}
