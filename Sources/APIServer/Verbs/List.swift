// The verb list: pages of one snapshot, with the rules of resourceVersion and resourceVersionMatch.
import JSON
import KubernetesModel
import ResourceStore

extension APIHandler {
    func list(_ call: APICall) throws(StatusError) -> APIDocument {
        let form = try Representation(accept: call.request.accept, includeObject: call.request.query("includeObject"))
        let result = try listed(call, try ListParameters(call, isWatch: false))
        var metadata: JSONValue = ["resourceVersion": .string(String(result.revision))]
        if let continuation = result.continuation {
            metadata["continue"] = .string(ContinueToken.text(continuation))
            if let remaining = result.remaining { metadata["remainingItemCount"] = .int(Int64(remaining)) }
        }
        let writer = ObjectWriter(kind: call.kind, representation: form, now: now())
        return APIDocument(status: 200, body: writer.list(result.objects, metadata: metadata))
    }

    /// One page, for list and deletecollection.
    func listed(_ call: APICall, _ parameters: ListParameters) throws(StatusError) -> ListResult {
        var request = ListRequest(
            collection: call.kind.collection, namespace: call.route.namespace, selector: parameters.selector,
            limit: parameters.limit, continueAfter: parameters.continuation)
        switch parameters.state {
        case .present: break
        case .atLeast(let revision): try checkReached(revision)
        case .exactly(let revision):
            try checkReached(revision)
            request.exactly = revision
        }
        do { return try store.scan(request) } catch {
            guard case .expired = error else { throw .store(error) }
            guard let token = parameters.continuation else {
                throw .expired("The resourceVersion for the provided list is too old.")
            }
            throw .expiredContinuation(token)
        }
    }
}

/// The query of list, watch and deletecollection (`metav1.ListOptions`).
struct ListParameters: Sendable {
    /// Which state of the collection is wanted.
    enum WantedState: Sendable, Hashable {
        case present
        case atLeast(UInt64)
        case exactly(UInt64)
    }

    var selector: StoreSelector
    var limit: Int?
    var continuation: ListContinuation?
    var state = WantedState.present
    /// As given: nil when absent or empty, 0 for "any".
    var revision: UInt64?
    /// Watches only; nil when absent.
    var sendsInitialEvents: Bool?

    init(_ call: APICall, isWatch: Bool) throws(StatusError) {
        selector = try Self.selector(call)
        let request = call.request
        if request.query.isEmpty { return }
        if let text = request.query("limit"), !text.isEmpty {
            guard let number = Int(text) else { throw Self.notNumber("limit", text) }
            limit = number > 0 ? number : nil
        }
        let revisionText = request.query("resourceVersion") ?? ""
        let continueText = request.query("continue") ?? ""
        if let text = request.query("sendInitialEvents") { sendsInitialEvents = APIRequest.isTrue(text) }
        let match = request.query("resourceVersionMatch") ?? ""
        try Self.check(
            match: match, revision: revisionText, continueText, sendsInitialEvents: sendsInitialEvents, isWatch: isWatch)
        revision = try Self.revision(revisionText)
        if !continueText.isEmpty, !isWatch {
            guard let token = ContinueToken.parse(continueText) else {
                throw .badRequest("continue key is not valid: \"\(continueText.prefix(64))\"")
            }
            if let revision, revision != 0 {
                throw .badRequest("specifying resource version is not allowed when using continue")
            }
            continuation = token
            // A token without revision came with a 410: it goes on in the present state.
            if token.revision != 0 { state = .exactly(token.revision) }
            return
        }
        if let revision, revision != 0 {
            // A limit with a revision and no match is read exactly, as it always was.
            let isExact = match == "Exact" || (match.isEmpty && limit != nil && !isWatch)
            state = isExact ? .exactly(revision) : .atLeast(revision)
        }
    }

    /// apimachinery's ValidateListOptions.
    private static func check(
        match: String, revision: String, _ continueText: String, sendsInitialEvents: Bool?, isWatch: Bool
    ) throws(StatusError) {
        let field = "resourceVersionMatch"
        var errors: [FieldError] = []
        if let sendsInitialEvents, isWatch {
            if match.isEmpty {
                errors.append(.forbidden(field, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
            } else if match != "NotOlderThan" {
                errors.append(.notSupported(field, .string(match), supported: ["NotOlderThan"]))
            }
            if !continueText.isEmpty {
                errors.append(.forbidden(field, "\(field) is forbidden when continue is provided"))
            }
            _ = sendsInitialEvents
        } else if isWatch {
            if !match.isEmpty {
                errors.append(.forbidden(field, "\(field) is forbidden for watch unless sendInitialEvents is provided"))
            }
        } else {
            if sendsInitialEvents != nil {
                errors.append(.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
            }
            if !match.isEmpty {
                if revision.isEmpty {
                    errors.append(.forbidden(field, "\(field) is forbidden unless resourceVersion is provided"))
                }
                if !continueText.isEmpty {
                    errors.append(.forbidden(field, "\(field) is forbidden when continue is provided"))
                }
                if match != "Exact", match != "NotOlderThan" {
                    errors.append(.notSupported(field, .string(match), supported: ["Exact", "NotOlderThan", ""]))
                }
                if match == "Exact", revision == "0" {
                    errors.append(.forbidden(field, "\(field) \"exact\" is forbidden for resourceVersion \"0\""))
                }
            }
        }
        if !errors.isEmpty { throw .invalid(GroupVersionKind(group: "meta.k8s.io", kind: "ListOptions"), "", errors) }
    }

    /// nil for an empty text.
    static func revision(_ text: String) throws(StatusError) -> UInt64? {
        if text.isEmpty { return nil }
        guard let number = UInt64(text) else {
            throw .badRequest(
                "invalid resource version: resourceVersion: Invalid value: \"\(text.prefix(64))\": "
                    + "strconv.ParseUint: parsing \"\(text.prefix(64))\": invalid syntax")
        }
        return number
    }

    static func notNumber(_ name: String, _ text: String) -> StatusError {
        .badRequest("\(name): strconv.ParseInt: parsing \"\(text.prefix(64))\": invalid syntax")
    }

    private static func selector(_ call: APICall) throws(StatusError) -> StoreSelector {
        let labelText = call.request.query("labelSelector") ?? ""
        let fieldText = call.request.query("fieldSelector") ?? ""
        if labelText.isEmpty, fieldText.isEmpty, call.route.name == nil { return .everything }
        do throws(SelectorError) {
            let labels = try LabelSelector(parsing: labelText)
            var fields = try FieldSelector(parsing: fieldText)
            if let name = call.route.name { fields.terms.append(.init(field: "metadata.name", value: name, negated: false)) }
            for term in fields.terms where !call.kind.selectablePaths.contains(term.field) {
                throw SelectorError(message: "field label not supported: \(term.field)")
            }
            if labels.requirements.isEmpty, fields.terms.isEmpty { return .everything }
            let declaration = call.kind.declaration
            for position in fields.terms.indices {
                let field = fields.terms[position].field
                fields.terms[position].field = declaration.selectableAliases[field] ?? field
            }
            let zeros = declaration.selectableZeros
            // An index that was written by an older master has nothing where the zero belongs.
            let required = fields.required.flatMap { zeros[$0.field] == $0.value ? nil : $0 }
            return StoreSelector(requiring: required) { [fields] index in
                labels.matches(index.labels)
                    && fields.matches { field in
                        let value = index.fields[field] ?? ""
                        return value.isEmpty ? zeros[field] ?? "" : value
                    }
            }
        } catch {
            throw .badRequest(error.message)
        }
    }
}

extension FieldSelector {
    /// A term that the store may look up rather than try: the one that leaves the fewest.
    fileprivate var required: FieldTerm? {
        let positive = terms.filter { !$0.negated }
        let best =
            positive.first { $0.field == "metadata.name" } ?? positive.first { $0.field == "spec.nodeName" } ?? positive.first
        return best.map { FieldTerm($0.field, is: $0.value) }
    }
}

/// The opaque text that fetches the next page: revision, namespace and name of the last object, in URL-safe base64. Of revision
/// 0, which is the present state, it says -1 as Kubernetes does; 0 is a mistake.
enum ContinueToken {
    static func text(_ token: ListContinuation) -> String {
        let revision = token.revision == 0 ? "-1" : "\(token.revision)"
        let plain = Base64.encode(Array("\(revision)/\(token.namespace)/\(token.name)".utf8))
        return plain.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    static func parse(_ text: String) -> ListContinuation? {
        guard text.utf8.count <= 1024 else { return nil }
        let plain = text.replacing("-", with: "+").replacing("_", with: "/").replacing("=", with: "")
        let padding = String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4)
        guard let bytes = Base64.decode(plain + padding), let decoded = String(validating: bytes, as: UTF8.self) else {
            return nil
        }
        let parts = decoded.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, let revision = parts[0] == "-1" ? 0 : UInt64(parts[0]).flatMap({ $0 == 0 ? nil : $0 }) else {
            return nil
        }
        return ListContinuation(revision: revision, namespace: parts[1], name: parts[2])
    }
}
