// The image part of a container's start: looks what the node has, and pulls in a step of its own.
import AgentCore
import KubernetesModel
import KusciaModel
import RuntimeInterface

struct ImageSteps: Sendable {
    /// A pull that takes longer is given up and tried again later; what came is kept.
    static let longestPullSeconds: Int64 = 3600

    let images: any ImageService
    let secrets: PullSecrets
    let turns: PullTurns
    let clock: any AgentClock
    let reporter: any PodReporter

    enum Finding {
        /// `reference`: for the status.
        case ready(id: String, reference: String)
        case answer(PodInput)
    }

    /// `pulled`: the id that was pulled for this run.
    func look(_ container: Container, _ run: ContainerRun, _ pod: Pod, pulled: String?) async -> Finding {
        let image = container.image ?? ""
        // Whoever looks into a pod brings an image of his own.
        let isEphemeral = pod.spec.ephemeralContainers.contains { $0.name == run.name }
        let pin = isEphemeral ? nil : pod.metadata.annotations[KusciaAnnotation.imageID]
        let status: RuntimeImageStatus?
        do { status = try await images.imageStatus(pulled ?? image) } catch let error as ImagePullError {
            return .answer(.imageFailed(run, Self.failure(error, image)))
        } catch {
            return .answer(.imageFailed(run, .image("ImageInspectError", "Failed to inspect image \"\(image)\": \(error)")))
        }
        let found = status.map {
            ImageDecision.Found(isBuiltIn: $0.pinned && $0.repoDigests.isEmpty, fitsPin: pin.map($0.isPinned) ?? true)
        }
        switch ImageDecision.decide(image, ImagePullPolicy(of: container), found: found, wasPulled: pulled != nil, pin: pin) {
        case .pull: return .answer(.imageNeeded(run))
        case .refuse(let failure): return .answer(.imageFailed(run, failure))
        case .use:
            guard let status else { return .answer(.imageNeeded(run)) }
            if pulled == nil {
                let present = "Container image \"\(image)\" already present on machine"
                reporter.event(pod: pod, container: container.name, warning: false, reason: "Pulled", message: present)
            }
            return .ready(id: status.id, reference: status.repoDigests.first ?? status.id)
        }
    }

    func pull(_ image: String, _ run: ContainerRun, _ pod: Pod) async -> PodInput {
        let begin = clock.now()
        let (credentials, defects) = await secrets.credentials(of: pod)
        for defect in defects {
            let message = "Unable to retrieve some image pull secrets; attempting to pull the image may not succeed: \(defect)"
            reporter.event(pod: pod, warning: true, reason: "FailedToRetrieveImagePullSecret", message: message)
        }
        do throws(ImagePullError) {
            try await turns.take()
            let own = clock.now()
            let result = await bounded(image, credentials)
            turns.giveBack()
            let id = try result.get()
            let end = clock.now()
            let message =
                "Successfully pulled image \"\(image)\" in \(Self.seconds(end - own))"
                + " (\(Self.seconds(end - begin)) including waiting)"
            return .imagePulled(run, id, message: message)
        } catch {
            return .imageFailed(run, Self.failure(error, image))
        }
    }

    private func bounded(_ image: String, _ credentials: [RegistryCredential]) async -> Result<String, ImagePullError> {
        await withTaskGroup(of: Result<String, ImagePullError>.self) { group in
            group.addTask {
                do throws(ImagePullError) { return .success(try await images.pullImage(image, credentials: credentials)) } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                try? await clock.sleep(nanoseconds: Self.longestPullSeconds * .nanosecondsPerSecond)
                return .failure(
                    ImagePullError(.registryUnavailable, "the pull did not end within \(Self.longestPullSeconds) seconds"))
            }
            let first = await group.next()
            group.cancelAll()
            return first ?? .failure(ImagePullError(.internal, "the pull had no result"))
        }
    }

    private static func seconds(_ nanoseconds: Int64) -> String { "\(max(0, nanoseconds) / 1_000_000)ms" }

    /// In Kubernetes' reasons. A registry that does not answer is a reason to wait, not to give a task up.
    private static func failure(_ error: ImagePullError, _ image: String) -> StepFailure {
        switch error.kind {
        case .invalidName:
            let message = "Failed to apply default image tag \"\(image)\": couldn't parse image name: \(error.message)"
            return .image("InvalidImageName", message)
        case .unsupported: return .image("ErrImageNeverPull", error.message)
        case .signatureInvalid: return .image("SignatureValidationFailed", error.message)
        case .notFound, .unauthorized, .registryUnavailable, .invalidContent, .noSpace, .internal:
            return .image("ErrImagePull", error.message)
        }
    }
}
