// From a request's body to an object that may be stored: parse, check kind and names, clean and complete by schema.
import JSON
import KubernetesModel

/// What happens to fields that the schema does not know, and to those that come twice.
enum FieldValidation: String, Sendable {
    case ignore = "Ignore"
    case warn = "Warn"
    case strict = "Strict"
}

/// A parsed body.
struct DecodedBody: Sendable {
    var object: JSONValue
    /// Places of members that came more than once; the last one counts.
    var duplicateFields: [String] = []
}

/// A write under way: the object and what the client shall be warned of.
struct WriteDraft: Sendable {
    var object: JSONValue
    var warnings: [String] = []

    /// More are not sent: they travel in headers.
    static let maximumWarnings = 16

    var headers: [(name: String, value: String)] {
        if warnings.isEmpty { return [] }
        return warnings.prefix(Self.maximumWarnings).map { warning in
            let quoted = warning.filter { $0.isASCII && !$0.isNewline }
                .replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            return ("Warning", "299 - \"\(quoted)\"")
        }
    }
}

extension APICall {
    /// The body of a create or update: kind and names checked, pruned and completed by the schema, all in one pass.
    func draft(_ mode: FieldValidation, creates: Bool) throws(StatusError) -> WriteDraft {
        try checkJSONType()
        let tape: JSONTape
        do throws(JSONError) { tape = try JSONTape(parsing: request.body) } catch {
            // Repeated names are read the slow way; anything else is told from there.
            var body = try body()
            try checkIdentity(&body.object, creates: creates)
            return try clean(body, mode)
        }
        var head = identity(tape)
        try checkIdentity(&head, creates: creates)
        var (object, findings) = kind.decode(tape)
        for member in ["kind", "apiVersion"] where object[member] != head[member] { object[member] = head[member] }
        if object["metadata"] == nil { object["metadata"] = [:] }
        return try judged(object, findings, duplicates: [], mode)
    }

    /// The body of a subresource with a document of its own, or one with repeated names.
    func body() throws(StatusError) -> DecodedBody {
        try checkJSONType()
        let (object, duplicates) = try Self.parseWithDuplicates(request.body)
        return DecodedBody(object: object, duplicateFields: duplicates)
    }

    private func checkJSONType() throws(StatusError) {
        let type = Self.mediaType(request.contentType)
        guard type.isEmpty || type == "application/json" || type == "text/json" || type == "*/*" else {
            throw .unsupportedMediaType(type, accepted: ["application/json"])
        }
    }

    /// What `checkIdentity` looks at.
    private func identity(_ tape: JSONTape) -> JSONValue {
        guard tape.kind(tape.root) == .object else { return tape.value(tape.root) }
        var head = JSONObject()
        for name in ["kind", "apiVersion"] {
            if let node = tape.member(of: tape.root, name) { head[name] = tape.value(node) }
        }
        if let metadata = tape.member(of: tape.root, "metadata") {
            var shown = JSONObject()
            for name in ["namespace", "name"] {
                if let node = tape.member(of: metadata, name) { shown[name] = tape.value(node) }
            }
            head["metadata"] = tape.kind(metadata) == .object ? .object(shown) : tape.value(metadata)
        }
        return .object(head)
    }

    static func parse(_ body: [UInt8]) throws(StatusError) -> JSONValue { try parseWithDuplicates(body).0 }

    /// With the places of repeated members.
    static func parseWithDuplicates(_ body: [UInt8]) throws(StatusError) -> (JSONValue, [String]) {
        do throws(JSONError) { return try JSONValue.parsingWithDuplicates(body) } catch {
            throw .badRequest("the request's body is not valid JSON: \(error)")
        }
    }

    static func mediaType(_ header: String?) -> String {
        guard let header, !header.isEmpty else { return "" }
        if header == "application/json" { return header }
        return header.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
    }

    /// Kind and apiVersion must be the endpoint's (or missing); namespace and name must agree with the path.
    func checkIdentity(_ object: inout JSONValue, creates: Bool) throws(StatusError) {
        guard case .object = object else { throw .badRequest("the request's body must be a JSON object") }
        let declaration = kind.declaration
        if let found = object["kind"], !found.isNull, found.stringValue != declaration.kind {
            throw .badRequest(
                "\(found.stringValue ?? found.serializedString()) in version \"\(object["apiVersion"]?.stringValue ?? "")\" "
                    + "cannot be handled as a \(declaration.kind): kind must be \"\(declaration.kind)\"")
        }
        if let found = object["apiVersion"], !found.isNull, found.stringValue != kind.resource.apiVersion {
            throw .badRequest(
                "the API version in the data (\(found.stringValue ?? found.serializedString())) does not match the "
                    + "expected API version (\(kind.resource.apiVersion))")
        }
        object["kind"] = .string(declaration.kind)
        object["apiVersion"] = .string(kind.resource.apiVersion)
        if object["metadata"] == nil || object["metadata"]?.isNull == true { object["metadata"] = [:] }
        guard let metadata = object["metadata"], case .object = metadata else { return }
        if let namespace = metadata["namespace"]?.stringValue, !namespace.isEmpty, declaration.namespaced,
            namespace != route.namespace
        {
            throw .badRequest(
                creates
                    ? "the namespace of the provided object does not match the namespace sent on the request"
                    : "the namespace of the object (\(namespace)) does not match the namespace on the request "
                        + "(\(route.namespace ?? ""))")
        }
        if creates { return }
        let name = metadata["name"]?.stringValue ?? ""
        if name.isEmpty {
            throw .badRequest("the name of the object (\(self.name) based on URL) was undeterminable: name must be provided")
        }
        if name != self.name {
            throw .badRequest("the name of the object (\(name)) does not match the name on the URL (\(self.name))")
        }
    }

    /// The members that a write of the status may change, each cleaned by its own schema.
    private func cleanStatus(_ object: JSONValue, _ findings: inout SchemaFindings) -> JSONValue {
        guard case .object(let schema) = kind.schema else { return object }
        var result: JSONValue = ["kind": object["kind"] ?? "", "apiVersion": object["apiVersion"] ?? ""]
        for member in ["metadata", "status"] {
            guard let value = object[member], !value.isNull, let field = schema[member] else { continue }
            result[member] = field.schema.cleaned(value, at: member, &findings)
        }
        return result
    }

    /// Schema check and pruning of a tree; of a status path only of what it is about.
    func clean(_ body: DecodedBody, _ mode: FieldValidation) throws(StatusError) -> WriteDraft {
        var findings = SchemaFindings()
        let object = part == .status ? cleanStatus(body.object, &findings) : kind.schema.cleaned(body.object, at: "", &findings)
        return try judged(object, findings, duplicates: body.duplicateFields, mode)
    }

    /// Under Strict an unknown or repeated field is refused, as Kubernetes' strict decoding does.
    private func judged(
        _ object: JSONValue, _ findings: SchemaFindings, duplicates: [String], _ mode: FieldValidation
    ) throws(StatusError) -> WriteDraft {
        var draft = WriteDraft(object: object)
        if !findings.unknownFields.isEmpty || !duplicates.isEmpty {
            let strict = duplicates.map { "duplicate field \"\($0)\"" } + findings.unknownFields.map { "unknown field \"\($0)\"" }
            switch mode {
            case .strict:
                throw .badRequest(
                    "\(kind.declaration.kind) in version \"\(kind.resource.version)\" cannot be handled as a "
                        + "\(kind.declaration.kind): strict decoding error: \(strict.joined(separator: ", "))")
            case .warn: draft.warnings = strict
            case .ignore: break
            }
        }
        if !findings.errors.isEmpty { throw invalid(draft.object, findings.errors) }
        // From here on a view's object is one of the kind that stores it.
        kind.stored(&draft.object)
        return draft
    }
}
