// Domains as an administrator handles them: register one, and wait for the deploy token that the master makes for it.
import JSON
import KubernetesClient

struct DomainRegistry: Sendable {
    let api: any KubernetesAPI

    /// The controller answers within milliseconds; so long for a busy machine.
    static let tokenTimeout = Duration.seconds(20)

    func register(_ domain: String) async throws {
        let object: JSONValue = [
            "apiVersion": "kuscia.secretflow/v1alpha1", "kind": "Domain", "metadata": ["name": .string(domain)], "spec": [:],
        ]
        do {
            _ = try await api.create(
                ResourceName.domain.resource, namespace: nil, name: nil, subresource: nil, body: object.serialized())
        } catch let error as KubernetesAPIError where error.isAlreadyExists {
            return
        }
    }

    func unusedToken(of domain: String) async throws -> String {
        let resource = ResourceName.domain.resource
        do {
            _ = try await api.get(resource, namespace: nil, name: domain, subresource: nil)
        } catch let error as KubernetesAPIError where error.isNotFound {
            throw CommandFailure("there is no domain \"\(domain)\"", hint: "`swiftlet token \(domain) --create` registers it")
        }
        let follower = ObjectFollower(
            api: api, resource: resource, namespace: nil, options: ListOptions(fieldSelector: "metadata.name=\(domain)"))
        return try await withThrowingTaskGroup(of: String?.self) { group in
            group.addTask { try await firstToken(follower) }
            group.addTask {
                try await Task.sleep(for: Self.tokenTimeout)
                throw CommandFailure("domain \(domain) has got no deploy token", hint: "the master's log says why")
            }
            let token = try await group.next()
            group.cancelAll()
            guard let token = token ?? nil else { throw CommandFailure("domain \(domain) was deleted", hint: nil) }
            return token
        }
    }

    private func firstToken(_ follower: ObjectFollower) async throws -> String? {
        let found = Found()
        try await follower.run { change in
            switch change {
            case .snapshot(let objects): await found.read(objects.first)
            case .changed(let object): await found.read(object)
            case .deleted: return false
            }
            return await found.token == nil
        }
        return await found.token
    }

    private actor Found {
        var token: String?

        func read(_ domain: JSONValue?) {
            let tokens = domain?[path: "status", "deployTokenStatuses"]?.arrayValue ?? []
            token = tokens.first { $0["state"]?.stringValue == "unused" }?["token"]?.stringValue
        }
    }
}
