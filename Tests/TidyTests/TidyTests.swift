// The code checks itself: the arrows between the rooms, and what a room must not do.
import FoundationEssentials
import Testing

@Suite struct TidyTests {
    private static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    struct Source: Sendable, CustomTestStringConvertible {
        /// Relative to the repository.
        var path: String
        var lines: [String]
        var testDescription: String { path }

        /// Lines without what stands behind `//`.
        var code: [String] { lines.map { line in line.firstRange(of: "//").map { String(line[..<$0.lowerBound]) } ?? line } }
    }

    static func sources(_ roots: [String], suffixes: [String] = [".swift"]) -> [Source] {
        roots.flatMap { root -> [Source] in
            let names = (try? FileManager.default.subpathsOfDirectory(atPath: "\(repository)/\(root)")) ?? []
            return names.filter { name in suffixes.contains { name.hasSuffix($0) } }.sorted().compactMap { name in
                guard let data = FileManager.default.contents(atPath: "\(repository)/\(root)/\(name)") else { return nil }
                let text = String(decoding: data, as: UTF8.self)
                return Source(
                    path: "\(root)/\(name)", lines: text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
                )
            }
        }
    }

    private static let swiftRoots = [
        "Sources", "Runtimes", "Sandbox/SandboxPolicy", "Sandbox/SandboxRun", "Sandbox/OCIRuntime", "Sandbox/oci",
    ]

    /// "Sources/Agent/X.swift" -> "Agent"; a Swift room is the folder below its root.
    private static func room(_ path: String) -> String {
        let parts = path.split(separator: "/").map(String.init)
        return parts[1]
    }

    /// What each room may import of ours: arrows point down only (docs/ARCHITECTURE.md).
    private static let arrows: [String: Set<String>] = {
        let models: Set = ["JSON", "KubernetesModel", "KusciaModel"]
        // What a runtime of this machine stands on; Runtimes/Local is module LocalRuntime.
        let local: Set = [
            "JSON", "KubernetesModel", "RuntimeInterface", "SandboxPolicy", "Cgroups", "ImageStore", "CLinux", "Spawn", "CNI",
        ]
        return [
            "JSON": [], "CLinux": [], "CZlib": [], "CSQLite": [], "PKI": [],
            "KubernetesModel": ["JSON"], "KusciaModel": ["JSON", "KubernetesModel"],
            "Scheduling": ["KubernetesModel"], "Orchestration": models, "AgentCore": models,
            "KubernetesClient": models, "KubernetesClientTesting": models.union(["KubernetesClient"]),
            "HandlerTypes": [], "KubernetesClientHTTP": models.union(["KubernetesClient", "HandlerTypes"]),
            "ResourceStore": ["JSON", "KubernetesModel", "CSQLite"], "EncryptionAtRest": ["ResourceStore"],
            "APIServer": models.union(["KubernetesClient", "ResourceStore"]),
            "APIServerHTTP": models.union(["KubernetesClient", "HandlerTypes", "ResourceStore", "APIServer", "PKI", "CZlib"]),
            "Controllers": models.union(["KubernetesClient", "Orchestration", "Scheduling"]),
            "RuntimeInterface": ["KubernetesModel"], "Cgroups": ["KubernetesModel", "CLinux"],
            "RegistryClient": ["HandlerTypes", "JSON", "ImageStore", "RuntimeInterface"],
            "ImageStore": ["JSON", "KubernetesModel", "CLinux"], "SandboxPolicy": ["JSON", "KubernetesModel", "CSeccomp"],
            "Spawn": ["CLinux"], "CNI": ["JSON", "CLinux", "Spawn"],
            "SandboxRun": ["JSON", "KubernetesModel", "SandboxPolicy", "Cgroups", "CLinux", "Spawn", "CNI"],
            "OCIRuntime": ["JSON", "SandboxPolicy", "Cgroups", "CLinux", "Spawn"], "oci": ["OCIRuntime"],
            "Local": local, "RunP": local.union(["LocalRuntime"]), "RunC": local.union(["LocalRuntime"]),
            "Agent": models.union(["KubernetesClient", "AgentCore", "RuntimeInterface", "CLinux", "CZlib"]),
            // Another cluster's pods: what goes there is decided with the agent's own pure parts (templates, environments, fields).
            "RunK": models.union(["KubernetesClient", "AgentCore", "RuntimeInterface"]),
            "ProbeClient": ["Agent", "RuntimeInterface"],
        ]
    }()

    private static func imports(_ source: Source) -> [String] {
        source.code.compactMap { line in
            var words = line.split(separator: " ").map(String.init)
            while let first = words.first, first.hasPrefix("@") || ["public", "internal", "package", "private"].contains(first) {
                words.removeFirst()
            }
            guard words.first == "import", words.count > 1 else { return nil }
            let name =
                ["struct", "class", "enum", "func", "protocol"].contains(words[1]) && words.count > 2 ? words[2] : words[1]
            return name.split(separator: ".").first.map(String.init)
        }
    }

    @Test("a room imports only rooms below it")
    func arrowsPointDown() {
        let rooms = Set(Self.arrows.keys).union(["Swiftlet", "CSeccomp", "LocalRuntime"])
        for source in Self.sources(Self.swiftRoots) where Self.room(source.path) != "Swiftlet" {
            guard let allowed = Self.arrows[Self.room(source.path)] else {
                Issue.record("\(source.path): its room is not in TidyTests' list of arrows")
                continue
            }
            for name in Self.imports(source) where rooms.contains(name) {
                #expect(allowed.contains(name), "\(source.path) imports \(name), which is not below it")
            }
        }
    }

    @Test("the pure rooms know no clock, no randomness, no input or output")
    func pureRooms() {
        let pure = [
            "Sources/Scheduling", "Sources/Orchestration", "Sources/AgentCore", "Sources/KubernetesModel", "Sources/KusciaModel",
        ]
        let forbiddenImports: Set = ["Glibc", "Foundation", "Dispatch", "NIOCore", "Logging", "CLinux"]
        let forbidden = [
            "Date()", "Date.now", ".random(", "UUID()", "SystemRandomNumberGenerator", "ContinuousClock", "SuspendingClock",
            " Task {",
        ]
        for source in Self.sources(pure) {
            for name in Self.imports(source) {
                #expect(!forbiddenImports.contains(name), "\(source.path) imports \(name)")
            }
            for (number, line) in source.code.enumerated() {
                for word in forbidden where line.contains(word) {
                    Issue.record("\(source.path):\(number + 1): \(word) in a pure room: time and ids come in as arguments")
                }
            }
        }
    }

    @Test("nothing of ours stops the process for a state that can be reached")
    func noTraps() {
        for source in Self.sources(Self.swiftRoots) {
            for (number, line) in source.code.enumerated() {
                for word in ["try!", "fatalError(", "preconditionFailure(", " as! "] where line.contains(word) {
                    Issue.record("\(source.path):\(number + 1): \(word)")
                }
            }
        }
    }

    @Test("only the sandbox's C code forks")
    func noForkOutsideSandbox() {
        let callsFork = /\b(fork|vfork|clone3?|Process)\(\)/
        for source in Self.sources(["Sources", "Runtimes"], suffixes: [".swift", ".c", ".h"]) {
            for (number, line) in source.code.enumerated() where line.contains(callsFork) {
                Issue.record("\(source.path):\(number + 1): starts a process by itself; use CLinux's spawn")
            }
        }
    }

    @Test("every file says in its first lines what it is for")
    func headerComments() {
        for source in Self.sources(Self.swiftRoots + ["Tests", "Sandbox/launcher"], suffixes: [".swift", ".c", ".h"]) {
            let first = source.lines.first ?? ""
            #expect(first.hasPrefix("//") || first.hasPrefix("/*"), "\(source.path) begins without a header comment")
        }
    }

    @Test("what is left to do has an issue's number")
    func numberedTodos() {
        let unnumbered = /\b(TODO|FIXME|XXX)\b(?!\(#\d+\))/
        for source in Self.sources(Self.swiftRoots + ["Sandbox/launcher"], suffixes: [".swift", ".c", ".h"]) {
            for (number, line) in source.lines.enumerated() where line.contains(unnumbered) {
                Issue.record("\(source.path):\(number + 1): write TODO(#NUMBER)")
            }
        }
    }

    /// A task has a lock of its own, held while its cancellation is told, and taken by who resumes or cancels it: with a lock of ours around
    /// either, two threads wait for each other for ever (`withTaskCancellationHandler`, "Cancellation handlers and locks").
    @Test("no task is woken or cancelled with a lock held")
    func noWakingUnderLock() {
        let wakes = /\.resume\((returning:|throwing:|with:)?|\.cancel\(\)/
        for source in Self.sources(Self.swiftRoots + ["Tests"]) {
            let code = source.code.joined(separator: "\n")
            for lock in code.matches(of: /\.withLock\s*\{/) {
                let begin = lock.range.upperBound
                var depth = 1
                let end = code[begin...].firstIndex { character in
                    depth += character == "{" ? 1 : character == "}" ? -1 : 0
                    return depth == 0
                }
                let closure = code[begin..<(end ?? code.endIndex)]
                for match in closure.matches(of: wakes) where match.output.0 != ".resume(" || closure[match.range.upperBound...].first == ")" {
                    let line = code[..<match.range.lowerBound].count { $0 == "\n" } + 1
                    Issue.record("\(source.path):\(line): \(match.output.0) within withLock: take it out of the lock first")
                }
            }
        }
    }

    @Test("a wait without a reason beside it does not make a test pass")
    func noSleepInTests() {
        let word = "Task." + "sleep"
        for source in Self.sources(["Tests"]) {
            for (number, line) in source.lines.enumerated() where line.contains(word) {
                let before = number > 0 ? source.lines[number - 1] : ""
                #expect(
                    line.contains("//") || before.contains("//"),
                    "\(source.path):\(number + 1): wait for a condition with a deadline, or say why here")
            }
        }
    }
}
