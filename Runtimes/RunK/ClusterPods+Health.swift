// What the node says of its cluster: asked from time to time, so that a node whose cluster is away shows it before a pod needs it.
import KubernetesClient
import KubernetesModel
import Logging
import RuntimeInterface

extension ClusterPods {
    static let healthInterval = Duration.seconds(10)
    /// A server that takes longer is of no use to pods either.
    static let healthPatience = Duration.seconds(15)

    public func nodeConditions() async -> [NodeCondition] { [health.condition] }

    /// Until cancelled.
    func followHealth() async {
        while !Task.isCancelled {
            await ask()
            // The pace of the questions.
            guard (try? await Task.sleep(for: Self.healthInterval * Double.random(in: 0.9...1.1))) != nil else { return }
        }
    }

    private func ask() async {
        let (target, namespace) = (target, configuration.namespace)
        let before = health.condition
        do {
            let options = ListOptions(labelSelector: "\(ClusterMark.node)=\(configuration.node)", limit: 1)
            _ = try await CallLimit.within(Self.healthPatience, "list of pods in namespace \(namespace)") {
                try await target.list(Pod.resource, namespace: namespace, options: options)
            }
            try await lookAtNamespace()
        } catch {
            if Task.isCancelled { return }
            health.failed(error)
        }
        let after = health.condition
        guard after.status != before.status || after.reason != before.reason else { return }
        let facts: Logger.Metadata = ["reason": "\(after.reason ?? "")", "message": "\(after.message ?? "")"]
        if after.status == .false {
            logger.warning("the cluster takes no pods", metadata: facts)
        } else {
            logger.notice("the cluster answers", metadata: facts)
        }
    }

    /// A namespace that is gone lists no pods like one that is empty. A role may not let us look: then pods will tell.
    private func lookAtNamespace() async throws {
        let (target, name) = (target, configuration.namespace)
        do {
            let found = try await CallLimit.within(Self.healthPatience, "namespace \(name)") {
                try await target.find(Namespace.self, name: name)
            }
            let isTerminating = found?.metadata.deletionTimestamp != nil
            if found == nil || isTerminating {
                health.namespaceIsGone(name, isTerminating: isTerminating)
            } else {
                health.answered(name)
            }
        } catch let error as KubernetesAPIError where error.code == 403 {
            health.answered(name)
        }
    }
}
