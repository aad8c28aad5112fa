// Several runtimes as one: a pod goes to the runtime that serves its RuntimeClass, and everything of the pod follows it there.

import Synchronization

public final class RuntimeSelection: ContainerRuntime {
    private let runtimes: [any ContainerRuntime]
    /// Which runtime has a pod, as an index; what is not here is looked for (a pod that an adoption found without containers).
    private let places = Mutex<[String: Int]>([:])

    /// The first serves pods that name no class. Throws `invalid` for none, or for two that serve the same class.
    public init(_ runtimes: [any ContainerRuntime]) throws(RuntimeError) {
        guard !runtimes.isEmpty else { throw .invalid(field: "runtimes", reason: "found none, expected at least one") }
        var served: Set<String> = []
        for handler in runtimes.flatMap(\.handlers) where !served.insert(handler).inserted {
            throw .invalid(field: "runtimes", reason: "RuntimeClass \(handler) is served twice")
        }
        self.runtimes = runtimes
    }

    public var name: String { runtimes[0].name }
    public var handlers: Set<String> { runtimes.reduce(into: []) { $0.formUnion($1.handlers) } }
    public var conditions: [RuntimeCondition] { runtimes.flatMap(\.conditions) }

    public func onEvent(_ handler: @escaping @Sendable (ContainerEvent) -> Void) async {
        for runtime in runtimes { await runtime.onEvent(handler) }
    }

    public func adopt() async throws -> [ContainerStatusReport] {
        var reports: [ContainerStatusReport] = []
        for (place, runtime) in runtimes.enumerated() {
            let found = try await runtime.adopt()
            places.withLock { places in for report in found { places[report.id.podUID] = place } }
            reports += found
        }
        return reports.sorted { $0.id.description < $1.id.description }
    }

    // MARK: Pod sandboxes

    public func runPodSandbox(_ config: PodSandboxConfig) async throws {
        let place = try place(for: config)
        try await runtimes[place].runPodSandbox(config)
        places.withLock { $0[config.podUID] = place }
    }

    /// The pod's present runtime, else its class's.
    private func place(for config: PodSandboxConfig) throws(RuntimeError) -> Int {
        if let known = places.withLock({ $0[config.podUID] }) { return known }
        guard let handler = config.handler else { return 0 }
        guard let place = runtimes.firstIndex(where: { $0.handlers.contains(handler) }) else {
            throw .invalid(
                field: "runtimeClassName",
                reason: "found \(handler), expected one of \(handlers.sorted().joined(separator: ", "))")
        }
        return place
    }

    /// The one that has the pod; every one for a pod that none is known to have, as these verbs do nothing where there is nothing.
    private func having(_ podUID: String) -> [any ContainerRuntime] {
        places.withLock { $0[podUID] }.map { [runtimes[$0]] } ?? runtimes
    }

    public func podAddress(podUID: String) async throws -> String? {
        for runtime in having(podUID) {
            if let address = try await runtime.podAddress(podUID: podUID) { return address }
        }
        return nil
    }

    public func stopPodSandbox(podUID: String) async throws {
        for runtime in having(podUID) { try await runtime.stopPodSandbox(podUID: podUID) }
    }

    public func removePodSandbox(podUID: String) async throws {
        for runtime in having(podUID) { try await runtime.removePodSandbox(podUID: podUID) }
        places.withLock { _ = $0.removeValue(forKey: podUID) }
    }

    // MARK: Containers

    public func createContainer(podUID: String, config: ContainerConfig) async throws -> ContainerID {
        try await one(podUID, "pod sandbox \(podUID)") { try await $0.createContainer(podUID: podUID, config: config) }
    }

    public func startContainer(_ id: ContainerID) async throws { try await one(id) { try await $0.startContainer(id) } }

    public func stopContainer(_ id: ContainerID, graceSeconds: Int) async throws {
        for runtime in having(id.podUID) { try await runtime.stopContainer(id, graceSeconds: graceSeconds) }
    }

    public func removeContainer(_ id: ContainerID) async throws {
        for runtime in having(id.podUID) { try await runtime.removeContainer(id) }
    }

    public func usage(_ id: ContainerID) async throws -> ContainerUsage { try await one(id) { try await $0.usage(id) } }
    public func reopenContainerLog(_ id: ContainerID) async throws { try await one(id) { try await $0.reopenContainerLog(id) } }

    // MARK: Status

    public func status(_ id: ContainerID) async throws -> ContainerStatusReport? {
        for runtime in having(id.podUID) {
            if let report = try await runtime.status(id) { return report }
        }
        return nil
    }

    public func list() async throws -> [ContainerStatusReport] {
        var reports: [ContainerStatusReport] = []
        for runtime in runtimes { reports += try await runtime.list() }
        return reports.sorted { $0.id.description < $1.id.description }
    }

    public func stats() async throws -> [ContainerID: ContainerStats] {
        var all: [ContainerID: ContainerStats] = [:]
        for runtime in runtimes { all.merge(try await runtime.stats()) { first, _ in first } }
        return all
    }

    // MARK: Access

    public func execSync(_ id: ContainerID, command: [String], timeoutSeconds: Int, maximumOutputBytes: Int) async throws
        -> ExecResult
    {
        try await one(id) {
            try await $0.execSync(id, command: command, timeoutSeconds: timeoutSeconds, maximumOutputBytes: maximumOutputBytes)
        }
    }

    public func exec(_ id: ContainerID, _ request: ExecRequest) async throws -> any ExecSession {
        try await one(id) { try await $0.exec(id, request) }
    }

    public func attach(_ id: ContainerID, _ request: ExecRequest) async throws -> any ExecSession {
        try await one(id) { try await $0.attach(id, request) }
    }

    public func portForward(podUID: String, port: UInt16) async throws -> any ByteStream {
        try await one(podUID, "pod sandbox \(podUID)") { try await $0.portForward(podUID: podUID, port: port) }
    }

    // MARK: Finding

    private func one<T: Sendable>(_ id: ContainerID, _ body: (any ContainerRuntime) async throws -> T) async throws -> T {
        try await one(id.podUID, "container \(id)", body)
    }

    /// The first that knows it answers; `notFound` when none does.
    private func one<T: Sendable>(_ podUID: String, _ what: String, _ body: (any ContainerRuntime) async throws -> T) async throws
        -> T
    {
        for runtime in having(podUID) {
            do { return try await body(runtime) } catch {
                guard let error = error as? RuntimeError, case .notFound = error else { throw error }
            }
        }
        throw RuntimeError.notFound(what)
    }
}
