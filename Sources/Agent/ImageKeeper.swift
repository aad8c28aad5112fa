// Keeps the node's disk from filling up with images: removes what no container uses when the disk is full or suffers.
import AgentCore
import Glibc
import KubernetesClient
import KubernetesModel
import Logging
import RuntimeInterface
import Synchronization

final class ImageKeeper: Sendable {
    /// Kubelet's ImageGCPeriod.
    static let periodSeconds: Int64 = 300
    /// How old the list for the node's status may be.
    static let listAgeSeconds: Int64 = 60
    /// Kubelet's nodeStatusMaxImages.
    static let reportedImages = 50

    private struct State {
        var collector: ImageCollector
        var list: [ContainerImage] = []
        var listedAt: UnixNanoseconds?
    }

    private let node: String
    private let images: any ImageService
    private let pods: LocalPods
    private let runtime: any ContainerRuntime
    private let events: EventRecorder
    private let clock: any AgentClock
    private let logger: Logger
    private let space: @Sendable (_ path: String) -> (capacityBytes: Int64, availableBytes: Int64)?
    private let state: Mutex<State>

    /// `space`: of the file system at a path. Blocking.
    init(
        node: String, images: any ImageService, pods: LocalPods, runtime: any ContainerRuntime, events: EventRecorder,
        policy: ImageCollector.Policy, clock: any AgentClock, logger: Logger,
        space: @escaping @Sendable (String) -> (capacityBytes: Int64, availableBytes: Int64)? = ImageKeeper.fileSystem
    ) {
        self.node = node
        self.images = images
        self.pods = pods
        self.runtime = runtime
        self.events = events
        self.clock = clock
        self.logger = logger
        self.space = space
        state = Mutex(State(collector: ImageCollector(policy: policy)))
    }

    /// Until cancelled.
    func run() async {
        while !Task.isCancelled {
            await collect(everything: false)
            try? await clock.sleep(nanoseconds: Self.periodSeconds * .nanosecondsPerSecond)
        }
    }

    /// `everything`: all that no container uses, as the node suffers; else down to the low mark, from the high mark on.
    func collect(everything: Bool) async {
        do {
            let list = try await collectable()
            let now = clock.now()
            let order = state.withLock { state in
                state.collector.note(list, now: now)
                return state.collector.order(list, now: now)
            }
            guard list.contains(where: { !$0.isPinned }) else { return }
            try await remove(order, everything)
        } catch {
            logger.warning("images not collected", metadata: ["error": "\(error)"])
        }
    }

    private func remove(_ order: [String], _ everything: Bool) async throws {
        let path = try await images.imageFilesystem().mountPoint
        guard var excess = everything ? .max : await excess(at: path, goesOn: false) else { return }
        var removed = 0
        for id in order {
            do {
                try await images.removeImage(id)
                removed += 1
            } catch {
                logger.debug("image not removed", metadata: ["image": "\(id)", "error": "\(error)"])
            }
            if everything { continue }
            // Layers are shared: what a removal frees is known afterwards only.
            guard let rest = await self.excess(at: path, goesOn: true) else {
                excess = 0
                break
            }
            excess = rest
        }
        if removed > 0 {
            state.withLock { $0.listedAt = nil }
            logger.notice("images removed", metadata: ["count": "\(removed)"])
        }
        guard !everything, excess > 0 else { return }
        let message =
            "Failed to garbage collect required amount of images. Attempted to free \(excess) bytes more than could be freed."
        events.record(EventSubject(node: node), .warning, reason: "FreeDiskSpaceFailed", message: message)
    }

    private func excess(at path: String, goesOn: Bool) async -> Int64? {
        let space = space
        guard let found = await DiskFiles.perform({ space(path) }) else { return nil }
        return state.withLock {
            $0.collector.excess(capacityBytes: found.capacityBytes, availableBytes: found.availableBytes, goesOn: goesOn)
        }
    }

    private func collectable() async throws -> [ImageCollector.Image] {
        // In this order: an image that comes into use meanwhile is seen by one of the two, or is too young.
        let list = try await images.listImages()
        var used = await pods.machines().reduce(into: Set<String>()) { $0.formUnion($1.images) }
        for report in try await runtime.list() { used.insert(report.image) }
        return list.map { image in
            let names = [image.id] + image.repoTags + image.repoDigests
            return ImageCollector.Image(id: image.id, isPinned: image.pinned, isInUse: names.contains(where: used.contains))
        }
    }

    /// For the node's status: the largest first.
    func reported() async -> [ContainerImage] {
        let now = clock.now()
        let (list, at) = state.withLock { ($0.list, $0.listedAt) }
        if let at, now - at < Self.listAgeSeconds * .nanosecondsPerSecond { return list }
        do {
            let all = try await images.listImages().sorted { ($0.sizeBytes, $1.id) > ($1.sizeBytes, $0.id) }
            let fresh = all.prefix(Self.reportedImages).map { image in
                ContainerImage(names: image.repoDigests + image.repoTags, sizeBytes: image.sizeBytes > 0 ? image.sizeBytes : nil)
            }
            state.withLock { ($0.list, $0.listedAt) = (fresh, now) }
            return fresh
        } catch {
            logger.debug("images not listed", metadata: ["error": "\(error)"])
            return list
        }
    }

    static func fileSystem(_ path: String) -> (capacityBytes: Int64, availableBytes: Int64)? {
        var facts = statvfs()
        guard statvfs(path, &facts) == 0 else { return nil }
        let unit = Int64(clamping: facts.f_frsize)
        return (Int64(clamping: facts.f_blocks) * unit, Int64(clamping: facts.f_bavail) * unit)
    }
}
