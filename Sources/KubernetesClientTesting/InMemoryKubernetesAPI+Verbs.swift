// The verbs of the fake server.
import JSON
import KubernetesClient
import KubernetesModel

extension InMemoryKubernetesAPI {
    public func get(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?
    ) async throws -> [UInt8] {
        try await begin(.get, resource, namespace, name, subresource)
        return try store.withLock { try $0.required(resource, namespace, name).serialized() }
    }

    public func list(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> [UInt8] {
        try await begin(.list, resource, namespace)
        try checkSelectors(options)
        return store.withLock { $0.list(resource, namespace: namespace, options: options).serialized() }
    }

    public func watch(
        _ resource: GroupVersionResource, namespace: String?, options: ListOptions
    ) async throws -> any WatchStream {
        try await begin(.watch, resource, namespace)
        try checkSelectors(options)
        return try store.withLock { try $0.watch(resource, namespace: namespace, options: options) }
    }

    public func create(
        _ resource: GroupVersionResource, namespace: String?, name: String?, subresource: String?, body: [UInt8]
    ) async throws -> [UInt8] {
        try await begin(.create, resource, namespace, name, subresource)
        let value = try parse(body)
        if subresource == "token", let name {
            return try store.withLock { try $0.token(resource, namespace, name, value).serialized() }
        }
        guard subresource == "binding" else {
            return try store.withLock { try $0.create(resource, namespace, value).serialized() }
        }
        guard let name, let node = value[path: "target", "name"]?.stringValue else {
            throw KubernetesAPIError.failure(422, "Invalid", "target.name: Required value")
        }
        let binding = PodBinding(
            namespace: namespace ?? "", name: name, uid: value[path: "metadata", "uid"]?.stringValue ?? "", node: node)
        try store.withLock { try $0.bind([binding]) }
        return try JSON.encode(APIStatus(status: "Success", code: 201))
    }

    public func update(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?, body: [UInt8]
    ) async throws -> [UInt8] {
        try await begin(.update, resource, namespace, name, subresource)
        let value = try parse(body)
        return try store.withLock { store in
            try store.change(resource, namespace, name, subresource: subresource) { $0 = value }.serialized()
        }
    }

    public func patch(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?, type: PatchType,
        body: [UInt8]
    ) async throws -> [UInt8] {
        try await begin(.patch, resource, namespace, name, subresource)
        let patch = try parse(body)
        return try store.withLock { store in
            try store.change(resource, namespace, name, subresource: subresource) { object in
                switch type {
                case .merge: object.merge(patch)
                case .strategicMerge: object.strategicMerge(patch)
                case .json: try object.apply(operations: patch)
                }
            }.serialized()
        }
    }

    public func delete(
        _ resource: GroupVersionResource, namespace: String?, name: String, options: DeleteOptions
    ) async throws -> [UInt8] {
        try await begin(.delete, resource, namespace, name)
        return try store.withLock { try $0.delete(resource, namespace, name, options: options).serialized() }
    }

    public func bindTogether(_ bindings: [PodBinding]) async throws {
        try await begin(.bind, Pod.resource, nil)
        try store.withLock { try $0.bind(bindings) }
    }

    private func parse(_ body: [UInt8]) throws -> JSONValue {
        do {
            return try JSONValue(parsing: body)
        } catch {
            throw KubernetesAPIError.failure(400, "BadRequest", "\(error)")
        }
    }

    private func checkSelectors(_ options: ListOptions) throws {
        do {
            _ = try options.labelSelector.map { try LabelSelectorExpression($0) }
            _ = try options.fieldSelector.map { try FieldSelector($0) }
        } catch {
            throw KubernetesAPIError.failure(400, "BadRequest", "\(error)")
        }
    }
}

extension InMemoryStore {
    /// A TokenRequest's answer: another token each time, good for as long as asked for from the store's clock on.
    mutating func token(
        _ resource: GroupVersionResource, _ namespace: String?, _ name: String, _ request: JSONValue
    ) throws -> JSONValue {
        _ = try required(resource, namespace, name)
        tokens += 1
        let seconds = request[path: "spec", "expirationSeconds"]?.intValue ?? 3600
        var answer = request
        answer.set(
            ["status"],
            to: ["token": .string("token-\(tokens)"), "expirationTimestamp": .string(now().adding(seconds: seconds).description)])
        return answer
    }
}

extension KubernetesAPIError {
    static func failure(_ code: Int, _ reason: String, _ message: String) -> KubernetesAPIError {
        .status(APIStatus(status: "Failure", message: message, reason: reason, code: code))
    }
}
