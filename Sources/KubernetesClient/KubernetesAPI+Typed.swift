// The verbs of `KubernetesAPI` with typed views instead of bytes. A view is partial: changes go out as patches, so that
// fields which the view does not know survive.
import JSON
import KubernetesModel

/// A page of typed objects. `undecodable` says which items did not fit the view, and why; they are left out of `items`.
public struct ObjectList<T: KubernetesObject>: Sendable {
    public var items: [T]
    public var resourceVersion: String
    public var continueToken: String?
    public var undecodable: [String]
    /// "namespace/name", or "name", of each of them.
    public var undecodableKeys: Set<String>
}

extension KubernetesAPI {
    public func get<T: KubernetesObject>(_ type: T.Type, namespace: String? = nil, name: String) async throws -> T {
        try decode(type, try await get(T.resource, namespace: namespace, name: name, subresource: nil))
    }

    /// nil when there is no such object; other failures throw.
    public func find<T: KubernetesObject>(_ type: T.Type, namespace: String? = nil, name: String) async throws -> T? {
        do {
            return try await get(type, namespace: namespace, name: name)
        } catch let error as KubernetesAPIError where error.isNotFound {
            return nil
        }
    }

    public func list<T: KubernetesObject>(
        _ type: T.Type, namespace: String? = nil, options: ListOptions = .init()
    ) async throws -> ObjectList<T> {
        try ObjectList(parsing: try await list(T.resource, namespace: namespace, options: options))
    }

    /// All pages of a list as one.
    public func listAll<T: KubernetesObject>(
        _ type: T.Type, namespace: String? = nil, options: ListOptions = .init()
    ) async throws -> ObjectList<T> {
        var options = options
        options.limit = options.limit ?? 500
        var page = try await list(type, namespace: namespace, options: options)
        var all = page
        while let token = page.continueToken, !token.isEmpty {
            options.continueToken = token
            page = try await list(type, namespace: namespace, options: options)
            all.items += page.items
            all.undecodable += page.undecodable
            all.undecodableKeys.formUnion(page.undecodableKeys)
        }
        all.continueToken = nil
        return all
    }

    @discardableResult
    public func create<T: KubernetesObject>(_ object: T) async throws -> T {
        let body = try JSON.encode(object)
        let answer = try await create(T.resource, namespace: object.metadata.namespace, name: nil, subresource: nil, body: body)
        return try decode(T.self, answer)
    }

    /// Creates, or returns what is there under that name already: for deterministic names, where doing it twice is once.
    @discardableResult
    public func createIfAbsent<T: KubernetesObject>(_ object: T) async throws -> T {
        do {
            return try await create(object)
        } catch let error as KubernetesAPIError where error.isAlreadyExists {
            return try await get(T.self, namespace: object.metadata.namespace, name: object.metadata.name)
        }
    }

    @discardableResult
    public func patch<T: KubernetesObject>(
        _ type: T.Type, namespace: String? = nil, name: String, subresource: String? = nil, merge: JSONValue
    ) async throws -> T {
        let answer = try await patch(
            T.resource, namespace: namespace, name: name, subresource: subresource, type: .merge, body: merge.serialized())
        return try decode(type, answer)
    }

    /// Merges into `status` (and, for pods, `metadata.annotations` given in the same document).
    @discardableResult
    public func patchStatus<T: KubernetesObject>(
        _ type: T.Type, namespace: String? = nil, name: String, merge: JSONValue
    ) async throws -> T {
        try await patch(type, namespace: namespace, name: name, subresource: "status", merge: merge)
    }

    public func delete<T: KubernetesObject>(
        _ type: T.Type, namespace: String? = nil, name: String, options: DeleteOptions = .init()
    ) async throws {
        _ = try await delete(T.resource, namespace: namespace, name: name, options: options)
    }

    /// Deletes; that it is gone already is fine.
    public func deleteIfPresent<T: KubernetesObject>(
        _ type: T.Type, namespace: String? = nil, name: String, options: DeleteOptions = .init()
    ) async throws {
        do {
            try await delete(type, namespace: namespace, name: name, options: options)
        } catch let error as KubernetesAPIError where error.isNotFound {
            return
        }
    }

    private func decode<T: KubernetesObject>(_ type: T.Type, _ bytes: [UInt8]) throws -> T {
        do {
            return try JSON.decode(type, from: bytes)
        } catch {
            throw KubernetesAPIError.transport("\(T.kind) in the answer: \(JSON.describe(error))")
        }
    }
}

extension ObjectList {
    /// Reads a List document.
    public init(parsing bytes: [UInt8]) throws {
        let tape: JSONTape
        do {
            tape = try JSONTape(parsing: bytes)
        } catch {
            throw KubernetesAPIError.transport("\(T.kind)List in the answer: \(error)")
        }
        items = []
        undecodable = []
        undecodableKeys = []
        resourceVersion = tape.node(at: "metadata", "resourceVersion").flatMap { tape.string($0) } ?? ""
        continueToken = tape.node(at: "metadata", "continue").flatMap { tape.string($0) }
        guard let list = tape.node(at: "items"), tape.kind(list) == .array else { return }
        for item in tape.elements(of: list) {
            do {
                items.append(try JSON.decode(T.self, from: item, of: tape))
            } catch {
                let metadata = tape.member(of: item, "metadata")
                let name = metadata.flatMap { tape.member(of: $0, "name") }.flatMap { tape.string($0) } ?? "?"
                let namespace = metadata.flatMap { tape.member(of: $0, "namespace") }.flatMap { tape.string($0) }
                undecodable.append("\(T.kind) \(name): \(JSON.describe(error))")
                undecodableKeys.insert(namespace.map { "\($0)/\(name)" } ?? name)
            }
        }
    }
}
