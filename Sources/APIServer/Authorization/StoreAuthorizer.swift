// The authoriser of a running master: a ClusterPolicy that follows the store, so that a decision reads no object. The store
// tells of a change before the write is acknowledged: a binding holds from the next request on, and so does its removal.
import Logging
import ResourceStore
import Synchronization

public final class StoreAuthorizer: RuleHolding {
    private let policy = Mutex(ClusterPolicy())
    private let store: any ResourceStore
    private let log: Logger

    public init(store: any ResourceStore, log: Logger = Logger(label: "apiserver.authorization")) {
        self.store = store
        self.log = log
        for collection in ClusterPolicy.collections { follow(collection) }
    }

    public func authorize(_ attributes: AuthorizationAttributes) -> AuthorizationDecision {
        let nodeProblem = attributes.isResource ? nodeProblem(attributes.user) : nil
        return policy.withLock { policy in
            policy.prepare(for: attributes)
            return policy.decide(attributes, nodeProblem: nodeProblem)
        }
    }

    /// Why a domain's node does not have the name in its certificate: that of a Node of another domain or of none, or one that is
    /// kept for another. Looked at with each request, because a certificate outlives what an administrator does.
    private func nodeProblem(_ user: UserInfo) -> String? {
        guard let identity = NodeIdentity(user), let domain = identity.domain, !user.groups.contains(SystemGroup.masters) else {
            return nil
        }
        do throws(StoreError) {
            let name = try NodeName(identity.node) { (key) throws(StoreError) in try store.peek(key) }
            return name.problem(identity.node, domain: domain)
        } catch {
            return "the Node cannot be read: \(error)"
        }
    }

    func rules(of user: UserInfo, in namespace: String?) -> [PolicyRule] {
        policy.withLock { $0.rbac.rules(of: user, in: namespace) }
    }

    func rules(ofRole role: RBACName) -> [PolicyRule]? { policy.withLock { $0.rbac.rules(ofRole: role) } }

    /// A store that cannot be watched leaves everybody but administrators without rights: closed, not open.
    private func follow(_ collection: CollectionID) {
        do throws(StoreError) {
            let watch = try store.watch(collection, namespace: nil, selector: .everything, from: nil)
            watch.subscribe { [weak self, weak watch] events in
                guard let self else {
                    watch?.cancel()
                    return
                }
                if let events {
                    policy.withLock { policy in
                        for event in events { policy.apply(event) }
                    }
                } else if watch?.end == .slow {
                    log.warning(
                        "authorisation fell behind the store and reads anew", metadata: ["resource": "\(collection.resource)"])
                    policy.withLock { $0.forget(collection) }
                    follow(collection)
                }
            }
        } catch {
            log.error(
                "authorisation cannot follow the store", metadata: ["resource": "\(collection.resource)", "error": "\(error)"])
        }
    }
}
