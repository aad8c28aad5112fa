// Objects that a controller has made or removed and whose news its local copy has not heard yet, so that they count when it plans
// again before the copy has caught up.
import KubernetesModel
import Synchronization

/// I-OWN-1: from its creation until the copy has heard of it, an object is in here or in the copy.
/// I-OWN-2: from its removal on, an object is left out, however long the copy still has it.
final class OwnWrites<T: KubernetesObject>: Sendable {
    private enum Entry: Sendable {
        /// The server is being asked; meanwhile the copy has heard of objects of this name with these uids.
        case asked(heard: [String])
        case made(T)
    }

    private struct Content {
        var creations: [ObjectKey: Entry] = [:]
        /// By uid.
        var removals: Set<String> = []
    }

    private let content = Mutex(Content())

    /// Calls `create` and remembers what it made, unless the copy has heard of it meanwhile.
    func creating(_ key: ObjectKey, _ create: () async throws -> T) async throws -> T {
        content.withLock { $0.creations[key] = .asked(heard: []) }
        do {
            let made = try await create()
            content.withLock { content in
                guard case .asked(let heard) = content.creations[key] else { return }
                content.creations[key] = heard.contains(made.metadata.uid ?? "") ? nil : .made(made)
            }
            return made
        } catch {
            content.withLock { _ = $0.creations.removeValue(forKey: key) }
            throw error
        }
    }

    /// Calls `remove`; from then on the object of this uid is gone.
    func removing(_ uid: String, _ remove: () async throws -> Void) async throws {
        content.withLock { _ = $0.removals.insert(uid) }
        do {
            try await remove()
        } catch {
            content.withLock { _ = $0.removals.remove(uid) }
            throw error
        }
    }

    /// The copy has heard of the object: that it is there, or that it is gone.
    func heard(of object: T, isGone: Bool) {
        let key = object.observedKey
        let uid = object.metadata.uid ?? ""
        content.withLock { content in
            switch content.creations[key] {
            case .asked(let heard): content.creations[key] = .asked(heard: heard + [uid])
            case .made(let made): if made.metadata.uid == uid { content.creations[key] = nil }
            case nil: break
            }
            if isGone { content.removals.remove(uid) }
        }
    }

    /// The objects as they are: what was made, then what the copy has, without what was removed. `copied` is called after
    /// the creations were read: an object leaves them for the copy, never the other way.
    func objects(where condition: (T) -> Bool, copied: () -> [T]) -> [T] {
        let made = content.withLock { content in
            content.creations.values.compactMap { entry -> T? in
                if case .made(let object) = entry, condition(object) { object } else { nil }
            }
        }
        let all = Dictionary((made + copied()).map { ($0.metadata.uid, $0) }, uniquingKeysWith: { $1 })
        let removed = content.withLock { $0.removals }
        return all.values.filter { !removed.contains($0.metadata.uid ?? "") }
    }
}
