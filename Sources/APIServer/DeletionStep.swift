// What one delete does to one object: pure. The rules are those of apiserver's BeforeDelete and of its pod strategy.
import JSON
import KubernetesModel

enum DeletionStep: Sendable {
    /// Gone at once; with the last state that watchers are told, when it differs from the stored one.
    case remove(JSONValue?)
    /// Its deletion is under way already, and this one asks for nothing more.
    case keep
    case mark(JSONValue)

    static let orphanFinalizer = "orphan"
    static let foregroundFinalizer = "foregroundDeletion"

    /// `now`: seconds since 1970.
    init(kind: ServedKind, object: JSONValue, _ parameters: DeletionParameters, now: Int64) {
        let isNamespace = Self.isNamespace(kind)
        let metadata = object["metadata"] ?? [:]
        let marked = metadata["deletionTimestamp"]?.stringValue
        let left = metadata["deletionGracePeriodSeconds"]?.intValue
        var object = object
        // Also of an object that is going already: who deletes again may have changed his mind.
        Self.setFinalizers(&object, for: parameters.propagation)
        let isNews = marked != nil && object["metadata"]?["finalizers"] != metadata["finalizers"]
        if marked != nil, let left, left > 0 || kind.declaration.gracefulDeletion {
            // Under way with a grace: it can only get shorter, and only when asked for.
            guard let wanted = parameters.graceSeconds.map(Self.sane), wanted < left else {
                self =
                    left == 0 && !Self.isHeld(object, isNamespace)
                    ? .remove(isNews ? object : nil) : isNews ? .mark(object) : .keep
                return
            }
            let began = (marked.flatMap(RFC3339.seconds) ?? now) - left
            Self.mark(&object, at: began + wanted, grace: wanted)
            self = wanted == 0 && !Self.isHeld(object, isNamespace) ? .remove(object) : .mark(object)
            return
        }
        let grace = kind.declaration.gracefulDeletion ? Self.grace(object, wanted: parameters.graceSeconds) : 0
        if grace == 0, !Self.isHeld(object, isNamespace) {
            self = .remove(nil)
            return
        }
        if marked != nil {
            self = isNews ? .mark(object) : .keep
            return
        }
        Self.mark(&object, at: now + grace, grace: grace)
        if let generation = metadata["generation"]?.intValue, generation > 0, kind.declaration.gracefulDeletion {
            object.set(["metadata", "generation"], to: .int(generation + 1))
        }
        if isNamespace { object.set(["status", "phase"], to: "Terminating") }
        self = .mark(object)
    }

    /// Whether an update took away the last thing that held an object whose deletion is under way.
    static func isFinished(_ object: JSONValue, old: JSONValue, kind: ServedKind) -> Bool {
        let metadata = object["metadata"]
        guard metadata?["deletionTimestamp"] != nil, (metadata?["deletionGracePeriodSeconds"]?.intValue ?? 0) == 0,
            (metadata?["finalizers"]?.arrayValue ?? []).isEmpty
        else { return false }
        if isNamespace(kind) { return !isHeld(object, true) }
        return !(old["metadata"]?["finalizers"]?.arrayValue ?? []).isEmpty
    }

    private static func isNamespace(_ kind: ServedKind) -> Bool {
        kind.resource == GroupVersionResource(resource: "namespaces")
    }

    /// By finalizers; a namespace also by those of its spec, which stand for its content.
    private static func isHeld(_ object: JSONValue, _ isNamespace: Bool) -> Bool {
        !(object["metadata"]?["finalizers"]?.arrayValue ?? []).isEmpty
            || (isNamespace && !(object["spec"]?["finalizers"]?.arrayValue ?? []).isEmpty)
    }

    private static func mark(_ object: inout JSONValue, at seconds: Int64, grace: Int64) {
        object.set(["metadata", "deletionTimestamp"], to: .string(RFC3339.text(seconds: seconds)))
        object.set(["metadata", "deletionGracePeriodSeconds"], to: .int(grace))
    }

    /// What the garbage collector shall do first is said by a finalizer; without a policy those that are there stay.
    private static func setFinalizers(_ object: inout JSONValue, for propagation: DeletionParameters.Propagation?) {
        guard let propagation else { return }
        let before = object["metadata"]?["finalizers"]?.arrayValue ?? []
        var after = before.filter { $0 != .string(orphanFinalizer) && $0 != .string(foregroundFinalizer) }
        switch propagation {
        case .orphan: after.append(.string(orphanFinalizer))
        case .foreground: after.append(.string(foregroundFinalizer))
        case .background: break
        }
        if after != before { object.set(["metadata", "finalizers"], to: after.isEmpty ? nil : .array(after)) }
    }

    /// A negative grace means the shortest. The longest is 68 years: with more the moment of the deletion would be one that has no name.
    private static func sane(_ seconds: Int64) -> Int64 { seconds < 0 ? 1 : min(seconds, Int64(Int32.max)) }

    /// Seconds that a pod gets to end; a pod without node, or one that has ended, needs none.
    private static func grace(_ pod: JSONValue, wanted: Int64?) -> Int64 {
        if (pod["spec"]?["nodeName"]?.stringValue ?? "").isEmpty { return 0 }
        if ["Succeeded", "Failed"].contains(pod["status"]?["phase"]?.stringValue ?? "") { return 0 }
        return sane(wanted ?? pod["spec"]?["terminationGracePeriodSeconds"]?.intValue ?? PodRules.defaultGraceSeconds)
    }
}
