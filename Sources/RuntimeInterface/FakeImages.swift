// An image service without a registry, whose every failure is a knob.
import Synchronization

public final class FakeImages: ImageService {
    public enum Call: Sendable, Hashable {
        case status(String)
        case pull(String, users: [String])
        case remove(String)
    }

    private struct State {
        var present: [String: RuntimeImageStatus] = [:]
        var registry: [String: RuntimeImageStatus] = [:]
        var pullFailures: [String: [ImagePullError]] = [:]
        var statusFailures: [String: [RuntimeError]] = [:]
        var inUse: Set<String> = []
        var isHeld = false
        var heldPulls: [CheckedContinuation<Void, Never>] = []
        var calls: [Call] = []
        var filesystem = ImageFilesystem(mountPoint: "/")
        var watchers: [(condition: @Sendable ([Call]) -> Bool, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state: Mutex<State>

    /// `present`: names of images that are on the node from the beginning.
    public init(present: [String] = []) {
        var state = State()
        for name in present { state.present[name] = RuntimeImageStatus(id: "sha256:\(name)", repoTags: [name]) }
        self.state = Mutex(state)
    }

    // MARK: Knobs

    /// The registry has the image: a pull brings it.
    public func publish(_ name: String, _ status: RuntimeImageStatus? = nil) {
        state.withLock { $0.registry[name] = status ?? RuntimeImageStatus(id: "sha256:\(name)", repoTags: [name]) }
    }

    /// The image is on the node.
    public func add(_ name: String, _ status: RuntimeImageStatus) { state.withLock { $0.present[name] = status } }

    /// The next pull of the image fails; several add up.
    public func failNextPull(of name: String, _ error: ImagePullError) {
        state.withLock { $0.pullFailures[name, default: []].append(error) }
    }

    public func failNextStatus(of name: String, _ error: RuntimeError) {
        state.withLock { $0.statusFailures[name, default: []].append(error) }
    }

    /// A container that only the store knows of uses the image.
    public func use(id: String) { state.withLock { _ = $0.inUse.insert(id) } }

    public func setFilesystem(_ filesystem: ImageFilesystem) { state.withLock { $0.filesystem = filesystem } }

    /// Pulls wait until `releasePulls`.
    public func holdPulls() { state.withLock { $0.isHeld = true } }

    public func releasePulls() {
        let waiting = state.withLock { state in
            state.isHeld = false
            defer { state.heldPulls = [] }
            return state.heldPulls
        }
        for continuation in waiting { continuation.resume() }
    }

    // MARK: What tests look at

    public var calls: [Call] { state.withLock(\.calls) }
    public var pulls: [String] { calls.compactMap { if case .pull(let image, _) = $0 { image } else { nil } } }
    public var removed: [String] { calls.compactMap { if case .remove(let id) = $0 { id } else { nil } } }

    /// Suspends until the condition holds; tests bound it with a time limit.
    public func wait(until condition: @escaping @Sendable ([Call]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let ready = state.withLock { state in
                if condition(state.calls) { return true }
                state.watchers.append((condition, continuation))
                return false
            }
            if ready { continuation.resume() }
        }
    }

    // MARK: ImageService

    public func imageStatus(_ image: String) async throws -> RuntimeImageStatus? {
        note(.status(image))
        return try state.withLock { state in
            if state.statusFailures[image]?.isEmpty == false, let error = state.statusFailures[image]?.removeFirst() {
                throw error
            }
            return state.present[image] ?? state.present.values.first { $0.id == image }
        }
    }

    public func pullImage(_ image: String, credentials: [RegistryCredential]) async throws(ImagePullError) -> String {
        note(.pull(image, users: credentials.map(\.username)))
        await withCheckedContinuation { continuation in
            let held = state.withLock { state in
                if state.isHeld { state.heldPulls.append(continuation) }
                return state.isHeld
            }
            if !held { continuation.resume() }
        }
        let result = state.withLock { state -> Result<String, ImagePullError> in
            if state.pullFailures[image]?.isEmpty == false, let error = state.pullFailures[image]?.removeFirst() {
                return .failure(error)
            }
            guard let status = state.registry[image] else {
                return .failure(ImagePullError(.notFound, "image \"\(image)\": the registry has no such image"))
            }
            state.present[image] = status
            return .success(status.id)
        }
        return try result.get()
    }

    public func listImages() async throws -> [RuntimeImageStatus] {
        state.withLock { Array(Set($0.present.values)).sorted { $0.id < $1.id } }
    }

    public func removeImage(_ id: String) async throws {
        note(.remove(id))
        try state.withLock { state in
            if state.inUse.contains(id) {
                throw RuntimeError.unavailable(stage: "removeImage(\(id))", reason: "a container uses it")
            }
            state.present = state.present.filter { $0.value.id != id }
        }
    }

    public func imageFilesystem() async throws -> ImageFilesystem { state.withLock(\.filesystem) }

    private func note(_ call: Call) {
        let ready = state.withLock { state in
            state.calls.append(call)
            let calls = state.calls
            let met = state.watchers.filter { $0.condition(calls) }
            state.watchers.removeAll { $0.condition(calls) }
            return met.map(\.continuation)
        }
        for continuation in ready { continuation.resume() }
    }
}
