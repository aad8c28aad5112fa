// A page of a list as objects rather than as one document, and how a reader walks over it.
import JSON
import KubernetesModel

/// Objects with what a list says of itself. They are parsed one by one as they are read.
public struct ObjectPage: Sendable {
    private enum Content: Sendable {
        case documents([[UInt8]])
        case list(JSONTape)
    }

    private var content: Content
    public var resourceVersion: String
    /// Fetches the next page; nil on the last.
    public var continueToken: String?

    /// `documents` are whole objects.
    public init(documents: [[UInt8]], resourceVersion: String, continueToken: String? = nil) {
        content = .documents(documents)
        self.resourceVersion = resourceVersion
        self.continueToken = continueToken
    }

    /// Reads a List document.
    public init(parsing bytes: [UInt8]) throws {
        let tape: JSONTape
        do {
            tape = try JSONTape(parsing: bytes)
        } catch {
            throw KubernetesAPIError.transport("a list in the answer: \(error)")
        }
        content = .list(tape)
        resourceVersion = tape.node(at: "metadata", "resourceVersion").flatMap { tape.string($0) } ?? ""
        continueToken = tape.node(at: "metadata", "continue").flatMap { tape.string($0) }
    }

    /// Calls `body` for each object. Throws what it throws, and for a text that is no JSON.
    public func forEach(_ body: (JSONTape.Node, JSONTape) throws -> Void) throws {
        switch content {
        case .documents(let documents):
            for document in documents {
                let tape = try JSONTape(parsing: document)
                try body(tape.root, tape)
            }
        case .list(let tape):
            guard let list = tape.node(at: "items") else { return }
            for item in tape.elements(of: list) { try body(item, tape) }
        }
    }
}

extension KubernetesAPI {
    public func page(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> ObjectPage {
        try ObjectPage(parsing: try await list(resource, namespace: namespace, options: options))
    }

    /// Walks over all pages of a list. Returns the first page's resourceVersion: a watch from there misses nothing.
    @discardableResult
    public func forEachObject(
        _ resource: GroupVersionResource, namespace: String?, options: ListOptions,
        _ body: (JSONTape.Node, JSONTape) throws -> Void
    ) async throws -> String {
        var options = options
        var revision: String?
        while true {
            let page = try await page(resource, namespace: namespace, options: options)
            try page.forEach(body)
            let first = revision ?? page.resourceVersion
            guard let token = page.continueToken, !token.isEmpty else { return first }
            revision = first
            options.continueToken = token
        }
    }
}

extension ObjectKey {
    /// Of the object at `node`; nil when it has no name.
    public init?(_ node: JSONTape.Node, of tape: JSONTape) {
        guard let metadata = tape.member(of: node, "metadata"),
            let name = tape.member(of: metadata, "name").flatMap({ tape.string($0) })
        else { return nil }
        self.init(namespace: tape.member(of: metadata, "namespace").flatMap { tape.string($0) }, name: name)
    }
}
