// A cluster of real processes for one test: its own state directory, port and cgroups, made by `swiftlet up`.
import FoundationEssentials
import Glibc
import JSON
import Synchronization
import Testing

@testable import Swiftlet

enum EndToEnd {
    static let needsRoot: Comment = "needs root: nodes make cgroups, namespaces and mounts"
    static var isRoot: Bool { geteuid() == 0 }

    static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// The programs of this very build lie beside the test's own executable.
    static func program(_ name: String) throws -> String {
        let path = try UpPlan.ownExecutable()
        let candidate = URL(filePath: path).deletingLastPathComponent().appending(path: name).path
        guard FileText.exists(candidate) else { throw HarnessFailure(description: "\(candidate) is not built") }
        return candidate
    }
}

final class TestCluster: Sendable {
    let directory: String
    let state: StateDirectory
    let domains: [String]
    private let swiftlet: String
    private let upArguments: [String]
    private let current: Mutex<RunningCommand>
    private var up: RunningCommand { current.withLock { $0 } }

    /// Starts a cluster, hands it to `body`, stops it, and fails if anything is left. On failure the logs are printed.
    static func with(
        domains: [String] = ["alice", "bob"], options: [String] = [], _ body: (TestCluster) async throws -> Void
    ) async throws {
        let cluster = try TestCluster(domains: domains, options: options)
        do {
            try await cluster.waitUntilReady()
            try await body(cluster)
        } catch {
            cluster.printLogs()
            try? await cluster.stop()
            throw error
        }
        try await cluster.stop()
        try cluster.expectNothingLeft()
        try? FileManager.default.removeItem(atPath: cluster.directory)
    }

    private init(domains: [String], options: [String]) throws {
        self.domains = domains
        directory = "/tmp/swiftlet-e2e-\(getpid())-\(UUID().uuidString.prefix(8))"
        try FileText.makeDirectory(directory, mode: 0o700)
        state = StateDirectory("\(directory)/state")
        swiftlet = try EndToEnd.program("swiftlet")
        let arguments = [swiftlet, "up", "--state", state.path, "--domains", domains.joined(separator: ","), "--port", "0"]
        upArguments = arguments + options
        current = Mutex(try RunningCommand(upArguments, directory: directory))
    }

    private func waitUntilReady() async throws {
        try await eventually("the cluster is up", within: .seconds(90), state: { self.up.output + self.up.errors }) {
            if !self.up.identity.isAlive { throw HarnessFailure(description: "up ended:\n\(self.up.output)\(self.up.errors)") }
            return FileText.exists(self.state.ready)
        }
    }

    func stop() async throws {
        up.identity.signal(SIGTERM)
        let result = try await up.result(within: .seconds(120))
        #expect(result.status == 0, "\(result)")
    }

    /// SIGKILL to `up` itself; returns when all its processes are gone (tasks are not among them).
    func killUp() async throws {
        let identities = try (["master"] + domains).map(process)
        up.identity.signal(SIGKILL)
        _ = try await up.result(within: .seconds(10))
        try await eventually("the cluster's processes are gone") { !identities.contains { $0.isAlive } }
    }

    /// Another `up` on the same directory.
    func startUpAgain() async throws {
        unlink(state.ready)
        let again = try RunningCommand(upArguments, directory: directory)
        current.withLock { $0 = again }
        try await waitUntilReady()
    }

    // MARK: Talking to it

    func start(_ arguments: String...) throws -> RunningCommand {
        try RunningCommand([swiftlet] + arguments, environment: ["KUBECONFIG": state.kubeconfig], directory: directory)
    }

    @discardableResult
    func run(_ arguments: String..., within limit: Duration = .seconds(60), expecting status: Int32? = 0) async throws
        -> CommandResult
    {
        try await run([swiftlet] + arguments, within: limit, expecting: status)
    }

    @discardableResult
    func run(_ arguments: [String], within limit: Duration = .seconds(60), expecting status: Int32? = 0) async throws
        -> CommandResult
    {
        let command = try RunningCommand(
            arguments, environment: ["KUBECONFIG": state.kubeconfig, "HOME": directory], directory: directory)
        let result = try await command.result(within: limit)
        if let status { #expect(result.status == status, "\(result)") }
        return result
    }

    /// One object; nil when there is none.
    func object(_ kind: String, _ name: String) async throws -> JSONValue? {
        let result = try await run("get", kind, name, "-A", "-o", "json", expecting: nil)
        return result.status == 0 ? try JSONValue(parsing: result.output) : nil
    }

    /// (A JSONValue compared with the literal nil is compared with JSON's null.)
    func exists(_ kind: String, _ name: String) async throws -> Bool {
        if case .some = try await object(kind, name) { true } else { false }
    }

    func objects(_ kind: String) async throws -> [JSONValue] {
        let result = try await run("get", kind, "-A", "-o", "json")
        return try JSONValue(parsing: result.output)["items"]?.arrayValue ?? []
    }

    func phase(_ kind: String, _ name: String) async throws -> String? {
        try await object(kind, name)?[path: "status", "phase"]?.stringValue
    }

    /// Where a party's tasks of a job keep their results.
    func jobVolume(_ job: String, of domain: String) -> String {
        "\(state.node(domain))/volumes/\(domain)/job-\(job)"
    }

    func process(_ name: String) throws -> ProcessIdentity {
        guard let identity = UpRecord.read(from: state)?.children[name] else {
            throw HarnessFailure(description: "up's record has no process \(name)")
        }
        return identity
    }

    /// SIGKILL to one of the cluster's processes, and back when `up` has started it again.
    func killAndAwaitRestart(_ name: String) async throws {
        let old = try process(name)
        #expect(old.signal(SIGKILL))
        try await eventually("\(name) is started again") { try self.process(name) != old && self.process(name).isAlive }
    }

    // MARK: Afterwards

    private func printLogs() {
        print("--- up\n\(up.output)\(up.errors)")
        for name in ["master"] + domains {
            let lines = (FileText.read(state.log(name)) ?? "").split(separator: "\n").suffix(60)
            print("--- \(name)\n\(lines.joined(separator: "\n"))")
        }
    }

    func expectNothingLeft() throws {
        #expect(Self.processes(mentioning: directory) == [], "processes are left")
        let mounts = (FileText.read("/proc/mounts") ?? "").split(separator: "\n").filter { $0.contains(directory) }
        #expect(mounts == [], "mounts are left")
        // Also those of other runtimes ("PARENT.runc").
        let parents = domains.map { UpConfiguration.cgroupParent(state: state, domain: $0) }
        #expect(Self.cgroups(beginning: parents) == [], "cgroups are left")
    }

    private static func processes(mentioning text: String) -> [String] {
        let pids = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { Int32($0) }
        return pids.filter { $0 != getpid() }.compactMap { pid in
            let line = (FileText.read("/proc/\(pid)/cmdline") ?? "").replacing("\0", with: " ")
            return line.contains(text) ? "\(pid) \(line)" : nil
        }
    }

    private static func cgroups(beginning names: [String]) -> [String] {
        let root = "/sys/fs/cgroup"
        func entries(_ path: String) -> [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }
        return ([root] + entries(root).map { "\(root)/\($0)" }).flatMap { hierarchy in
            entries(hierarchy).filter { entry in names.contains { entry == $0 || entry.hasPrefix("\($0).") } }
                .map { "\(hierarchy)/\($0)" }.filter(FileText.isDirectory)
        }
    }
}
