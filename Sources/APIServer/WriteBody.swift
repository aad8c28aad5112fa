// From a request's body to an object that may be stored: parse, check kind and names, clean by schema, default, validate.
import JSON
import KubernetesModel

/// What happens to fields that the schema does not know.
enum FieldValidation: String, Sendable {
    case ignore = "Ignore"
    case warn = "Warn"
    case strict = "Strict"
}

/// A write under way: the object and what the client shall be warned of.
struct WriteDraft: Sendable {
    var object: JSONValue
    var warnings: [String] = []

    /// More are not sent: they travel in headers.
    static let maximumWarnings = 16

    var headers: [(name: String, value: String)] {
        warnings.prefix(Self.maximumWarnings).map { warning in
            let quoted = warning.filter { $0.isASCII && !$0.isNewline }
                .replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            return ("Warning", "299 - \"\(quoted)\"")
        }
    }
}

extension APICall {
    func fieldValidation() throws(StatusError) -> FieldValidation {
        guard let text = request.query("fieldValidation"), !text.isEmpty else { return .warn }
        guard let mode = FieldValidation(rawValue: text) else {
            throw .badRequest(
                "fieldValidation: Unsupported value: \"\(text)\": supported values: \"Ignore\", \"Strict\", \"Warn\"")
        }
        return mode
    }

    /// The body of a create or update as a tree.
    func bodyTree() throws(StatusError) -> JSONValue {
        let type = Self.mediaType(request.contentType)
        guard type.isEmpty || type == "application/json" || type == "text/json" || type == "*/*" else {
            throw .unsupportedMediaType(type, accepted: ["application/json"])
        }
        return try Self.parse(request.body)
    }

    static func parse(_ body: [UInt8]) throws(StatusError) -> JSONValue {
        do throws(JSONError) { return try JSONValue(parsing: body) } catch {
            throw .badRequest("the request's body is not valid JSON: \(error)")
        }
    }

    static func mediaType(_ header: String?) -> String {
        (header ?? "").prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
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
                "the namespace of the provided object does not match the namespace sent on the request")
        }
        if !creates, let name = metadata["name"]?.stringValue, !name.isEmpty, name != route.name {
            throw .badRequest(
                "the name of the object (\(name)) does not match the name on the URL (\(route.name ?? ""))")
        }
    }

    /// Schema check and pruning. Under Strict an unknown field is refused, as Kubernetes' strict decoding does.
    func clean(_ object: JSONValue, _ mode: FieldValidation) throws(StatusError) -> WriteDraft {
        var findings = SchemaFindings()
        var draft = WriteDraft(object: kind.schema.cleaned(object, at: "", &findings))
        let unknown = findings.unknownFields.map { "unknown field \"\($0)\"" }
        switch mode {
        case .strict where !unknown.isEmpty:
            throw .badRequest(
                "\(kind.declaration.kind) in version \"\(kind.resource.version)\" cannot be handled as a "
                    + "\(kind.declaration.kind): strict decoding error: \(unknown.joined(separator: ", "))")
        case .warn: draft.warnings = unknown
        case .strict, .ignore: break
        }
        if !findings.errors.isEmpty { throw invalid(draft.object, findings.errors) }
        return draft
    }

    func invalid(_ object: JSONValue, _ errors: [FieldError]) -> StatusError {
        let metadata = object["metadata"]
        let name = metadata?["name"]?.stringValue ?? metadata?["generateName"]?.stringValue ?? route.name ?? ""
        return .invalid(kind.declaration.gvk, name, errors)
    }
}
