// Whether a container's image is used as it is, pulled first, or refused: the pull policy and the image's pin.
import KubernetesModel

public enum ImagePullPolicy: String, Sendable, Hashable {
    case always = "Always"
    case ifNotPresent = "IfNotPresent"
    case never = "Never"

    /// As the container says; else by the image's tag, as the API server would have filled it in.
    public init(of container: Container) {
        self = container.imagePullPolicy.flatMap(ImagePullPolicy.init) ?? Self.standard(for: container.image ?? "")
    }

    static func standard(for image: String) -> ImagePullPolicy {
        if image.contains("@") { return .ifNotPresent }
        let name = image.split(separator: "/").last ?? ""
        guard let colon = name.firstIndex(of: ":") else { return .always }
        return name[name.index(after: colon)...] == "latest" ? .always : .ifNotPresent
    }
}

public enum ImageDecision: Sendable, Hashable {
    case use
    case pull
    case refuse(StepFailure)

    /// What the node has under the image's name.
    public struct Found: Sendable, Hashable {
        /// It never changes and is never pulled.
        public var isBuiltIn: Bool
        /// It is what the pod's pin names; true without a pin.
        public var fitsPin: Bool

        public init(isBuiltIn: Bool, fitsPin: Bool) {
            self.isBuiltIn = isBuiltIn
            self.fitsPin = fitsPin
        }
    }

    /// `wasPulled`: for this run of the container the image was just brought. `pin`: what the image's id or digest must be.
    public static func decide(
        _ image: String, _ policy: ImagePullPolicy, found: Found?, wasPulled: Bool, pin: String?
    ) -> ImageDecision {
        guard let found else {
            if policy != .never { return .pull }
            return .refuse(.image("ErrImageNeverPull", "Container image \"\(image)\" is not present with pull policy of Never"))
        }
        if found.fitsPin {
            return policy == .always && !wasPulled && !found.isBuiltIn ? .pull : .use
        }
        // A name may have moved on since this node pulled it.
        if policy != .never, !wasPulled, !found.isBuiltIn { return .pull }
        return .refuse(
            .image("ImageIDMismatch", "Container image \"\(image)\" on this node is not the one that is pinned: \(pin ?? "none")")
        )
    }
}

extension StepFailure {
    /// Images come and go without the pod's doing: a kubelet tries without end.
    public static func image(_ reason: String, _ message: String) -> StepFailure {
        StepFailure(reason: reason, message: message, retriable: true)
    }
}
