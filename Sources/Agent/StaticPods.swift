// Pods that files on this node ask for (`*.yaml`, `*.yml`, `*.json` in one directory), and the mirror pods that show them at
// the API server. They run without a master; a file that changes is another pod, one that goes ends its pod.
import AgentCore
import Glibc
import KubernetesClient
import KubernetesModel
import Logging
import RuntimeInterface
import Synchronization

public final class StaticPods: Sendable {
    /// One `stat` of the directory and of each file; the kubelet looks every 20 s.
    static let lookNanoseconds: Int64 = 5_000_000_000
    /// Until the node is registered, mirrors wait.
    static let registrationNanoseconds: Int64 = 200_000_000
    /// More files are a mistake (a wrong directory).
    static let maximumFiles = 100
    static let maximumBytes = 1 << 20

    /// Text of a manifest -> pod; throws what is wrong with it.
    public typealias Parsing = @Sendable (_ text: [UInt8], _ file: String) throws -> Pod

    private struct Entry {
        var signature: [Int64]
        /// nil: the file is no pod; that was said once.
        var pod: Pod?
    }

    private struct State {
        var files: [String: Entry] = [:]
        /// Static uid -> uid of its mirror.
        var mirrors: [String: String] = [:]
        /// Static uid -> why it has no mirror, as it was said: the next look, seconds later, says it again only when it changed.
        var complaints: [String: String] = [:]
    }

    private let directory: String?
    private let node: String
    private let defaultNamespace: String
    private let api: any KubernetesAPI
    private let clock: any AgentClock
    private let logger: Logger
    private let parse: Parsing
    private let state = Mutex(State())

    public init(
        directory: String?, node: String, defaultNamespace: String, api: any KubernetesAPI, clock: any AgentClock, logger: Logger,
        parse: @escaping Parsing
    ) {
        self.directory = directory
        self.node = node
        self.defaultNamespace = defaultNamespace
        self.api = api
        self.clock = clock
        self.logger = logger
        self.parse = parse
    }

    public var pods: [Pod] { state.withLock { $0.files.values.compactMap(\.pod) }.sorted { $0.metadata.name < $1.metadata.name } }

    /// Reads the directory. Returns what is new and what is gone, by uid.
    @discardableResult
    func look() async -> (added: [Pod], gone: [Pod]) {
        guard let directory else { return ([], []) }
        return await DiskFiles.perform { self.look(in: directory) }
    }

    /// Blocks.
    private func look(in directory: String) -> (added: [Pod], gone: [Pod]) {
        let names = DiskFiles.names(in: directory).filter { name in [".yaml", ".yml", ".json"].contains { name.hasSuffix($0) } }
        let before = state.withLock(\.files)
        var after: [String: Entry] = [:]
        for name in names.sorted().prefix(Self.maximumFiles) where !name.hasPrefix(".") {
            let path = "\(directory)/\(name)"
            guard let signature = Self.signature(path) else { continue }
            after[name] = before[name]?.signature == signature ? before[name] : Entry(signature: signature, pod: read(path))
        }
        let (old, new) = (before.values.compactMap(\.pod), after.values.compactMap(\.pod))
        let (had, has) = (Set(old.map(\.metadata.uid)), Set(new.map(\.metadata.uid)))
        state.withLock { $0.files = after }
        return (new.filter { !had.contains($0.metadata.uid) }, old.filter { !has.contains($0.metadata.uid) })
    }

    private static func signature(_ path: String) -> [Int64]? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return [Int64(status.st_ino), Int64(status.st_size), Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec)]
    }

    private func read(_ path: String) -> Pod? {
        do {
            let text = try DiskFiles.read(path, limit: Self.maximumBytes)
            let manifest = try parse(text, path)
            if let problem = StaticPod.problem(manifest) { throw StaticPodError(path: path, problem: problem) }
            return StaticPod.pod(manifest, text: text, node: node, defaultNamespace: defaultNamespace)
        } catch {
            logger.error("static pod not read", metadata: ["file": "\(path)", "error": "\(error)"])
            return nil
        }
    }

    /// Follows the directory until cancelled; `look` was called before.
    func run(
        _ provider: any PodProvider, status: StatusManager, owner: @escaping @Sendable () -> OwnerReference?
    ) async {
        guard directory != nil else { return }
        while !Task.isCancelled {
            let (added, gone) = await look()
            for pod in gone {
                state.withLock { _ = $0.complaints.removeValue(forKey: pod.metadata.uid ?? "") }
                await provider.remove(namespace: pod.metadata.namespace ?? "", name: pod.metadata.name)
                await removeMirror(of: pod)
                status.mirrorChanged(ofStatic: pod.metadata.uid ?? "", exists: false)
            }
            for pod in added { await provider.sync(pod) }
            let owner = owner()
            if let owner {
                for pod in pods where state.withLock({ $0.mirrors[pod.metadata.uid ?? ""] }) == nil {
                    await showMirror(of: pod, owner)
                    status.mirrorChanged(ofStatic: pod.metadata.uid ?? "", exists: true)
                }
            }
            try? await clock.sleep(nanoseconds: owner == nil ? Self.registrationNanoseconds : Self.lookNanoseconds)
        }
    }

    // MARK: Mirror pods

    /// nil: not a static pod. Throws while there is no mirror yet: the report waits.
    func mirrorUID(of uid: String) throws -> String? {
        try state.withLock { state in
            guard state.files.values.contains(where: { $0.pod?.metadata.uid == uid }) else { return nil }
            guard let mirror = state.mirrors[uid] else { throw StaticPodError(path: uid, problem: "has no mirror pod yet") }
            return mirror
        }
    }

    /// What the API server has under a static pod's name; false: the name is none of ours.
    func sawMirror(namespace: String, name: String, _ found: Pod?) -> Bool {
        state.withLock { state in
            let owner = state.files.values.compactMap(\.pod).first {
                $0.metadata.name == name && $0.metadata.namespace == namespace
            }
            guard let uid = owner?.metadata.uid else { return false }
            let isCurrent =
                found?.metadata.annotations[StaticPod.mirrorAnnotation] == uid && found?.metadata.deletionTimestamp == nil
            state.mirrors[uid] = isCurrent ? found?.metadata.uid : nil
            return true
        }
    }

    func showMirror(of pod: Pod, _ owner: OwnerReference?) async {
        let (namespace, name) = (pod.metadata.namespace ?? "", pod.metadata.name)
        do {
            if let found = try await api.find(Pod.self, namespace: namespace, name: name) {
                _ = sawMirror(namespace: namespace, name: name, found)
                guard state.withLock({ $0.mirrors[pod.metadata.uid ?? ""] }) == nil else { return }
                guard StaticPod.isMirror(found) else {
                    throw StaticPodError(path: "\(namespace)/\(name)", problem: "the name is taken")
                }
                // Of an earlier text of the file, or one that somebody deletes: nothing runs behind it.
                let options = DeleteOptions(gracePeriodSeconds: 0, uid: found.metadata.uid)
                try await api.deleteIfPresent(Pod.self, namespace: namespace, name: name, options: options)
            }
            let created = try await api.create(StaticPod.mirror(of: pod, owner: owner))
            _ = sawMirror(namespace: namespace, name: name, created)
            state.withLock { _ = $0.complaints.removeValue(forKey: pod.metadata.uid ?? "") }
        } catch {
            let isNews = state.withLock { $0.complaints.updateValue("\(error)", forKey: pod.metadata.uid ?? "") != "\(error)" }
            logger.log(
                level: isNews ? .warning : .debug, "a static pod runs, but its mirror pod cannot be shown; tried again",
                metadata: ["pod": "\(namespace)/\(name)", "error": "\(error)"])
        }
    }

    private func removeMirror(of pod: Pod) async {
        state.withLock { _ = $0.mirrors.removeValue(forKey: pod.metadata.uid ?? "") }
        do {
            // Asked for by name: the informer may not have told of it yet.
            let found = try await api.find(Pod.self, namespace: pod.metadata.namespace, name: pod.metadata.name)
            if let found { try await removeOrphan(found) }
        } catch {
            // The next start of the agent, or the informer's next word of it, removes it.
            logger.debug("mirror pod not removed", metadata: ["pod": "\(pod.metadata.name)", "error": "\(error)"])
        }
    }

    /// Deletes a mirror of this node behind which no file stands (any more): it went while no agent looked.
    func removeOrphan(_ mirror: Pod) async throws {
        guard StaticPod.isMirror(mirror), mirror.spec.nodeName == node else { return }
        let isShown = pods.contains {
            $0.metadata.name == mirror.metadata.name && $0.metadata.namespace == mirror.metadata.namespace
        }
        guard !isShown else { return }
        let options = DeleteOptions(gracePeriodSeconds: 0, uid: mirror.metadata.uid)
        try await api.deleteIfPresent(
            Pod.self, namespace: mirror.metadata.namespace, name: mirror.metadata.name, options: options)
    }
}

struct StaticPodError: Error, CustomStringConvertible {
    var path: String
    var problem: String
    var description: String { "\(path): \(problem)" }
}
