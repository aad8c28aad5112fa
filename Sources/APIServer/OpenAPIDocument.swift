// The OpenAPI v3 document of a group version: schemas, and the paths with their verbs and parameters.
import JSON
import KubernetesModel

struct OpenAPIDocument {
    let registry: KindRegistry
    let groupVersion: KindRegistry.GroupVersion

    var document: JSONValue {
        var schemas = OpenAPISchemas(.v3)
        var paths = JSONObject()
        for kind in registry.kinds(of: groupVersion) {
            let declaration = kind.declaration
            schemas.add(declaration.openAPIName, as: declaration.gvk, list: !declaration.isReview)
            for subresource in declaration.subresources {
                schemas.add(subresource.openAPIName, as: subresource.kind, list: false)
            }
            OpenAPIPaths(kind: declaration, prefix: "/\(groupVersion.path)").add(to: &paths)
        }
        return [
            "openapi": "3.0.0", "info": ["title": "Kubernetes", "version": .string(ServerDocuments.gitVersion)],
            "paths": .object(paths), "components": ["schemas": .object(schemas.definitions)],
        ]
    }
}

/// The paths of one kind.
struct OpenAPIPaths {
    let kind: ResourceKind
    let prefix: String

    func add(to paths: inout JSONObject) {
        let place = kind.namespaced ? "\(prefix)/namespaces/{namespace}" : prefix
        let collection = "\(place)/\(kind.resource.resource)"
        let scope = kind.namespaced ? [parameter("namespace", in: "path")] : []
        if kind.namespaced, kind.verbs.contains("list") {
            paths["\(prefix)/\(kind.resource.resource)"] = ["get": operation("list", listParameters)]
        }
        var item: JSONValue = ["parameters": .array(scope)]
        if kind.verbs.contains("list") { item["get"] = operation("list", listParameters) }
        if kind.verbs.contains("create") { item["post"] = operation("post", writeParameters) }
        if kind.verbs.contains("deletecollection") { item["delete"] = operation("deletecollection", listParameters) }
        paths[collection] = item
        if kind.isReview { return }
        let named = scope + [parameter("name", in: "path")]
        paths["\(collection)/{name}"] = one(named, kind.verbs, kind.openAPIName)
        for subresource in Discovery.subresources(kind) where !subresource.isStream {
            paths["\(collection)/{name}/\(subresource.name)"] = one(named, subresource.verbs, subresource.openAPIName)
        }
    }

    private func one(_ parameters: [JSONValue], _ verbs: [String], _ type: String) -> JSONValue {
        var item: JSONValue = ["parameters": .array(parameters)]
        if verbs.contains("get") { item["get"] = operation("get", [], type) }
        if verbs.contains("update") { item["put"] = operation("put", writeParameters, type) }
        if verbs.contains("create"), type != kind.openAPIName { item["post"] = operation("post", writeParameters, type) }
        if verbs.contains("patch") {
            item["patch"] = operation("patch", writeParameters + [parameter("force", type: "boolean")], type)
        }
        if verbs.contains("delete") {
            let options = [
                parameter("dryRun"), parameter("gracePeriodSeconds", type: "integer"), parameter("propagationPolicy"),
            ]
            item["delete"] = operation("delete", options, type)
        }
        return item
    }

    private var writeParameters: [JSONValue] {
        [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation"), parameter("pretty")]
    }

    private var listParameters: [JSONValue] {
        ["labelSelector", "fieldSelector", "continue", "resourceVersion", "resourceVersionMatch"].map { parameter($0) }
            + ["limit", "timeoutSeconds"].map { parameter($0, type: "integer") }
            + ["watch", "allowWatchBookmarks", "sendInitialEvents"].map { parameter($0, type: "boolean") }
    }

    private func parameter(_ name: String, in place: String = "query", type: String = "string") -> JSONValue {
        var result: JSONValue = [
            "name": .string(name), "in": .string(place), "schema": ["type": .string(type), "uniqueItems": true],
        ]
        if place == "path" { result["required"] = true }
        return result
    }

    private func operation(_ action: String, _ parameters: [JSONValue], _ type: String? = nil) -> JSONValue {
        let own = type ?? kind.openAPIName
        let answer = action == "list" ? own + "List" : own
        func content(_ schema: String) -> JSONValue { ["schema": ["$ref": .string("#/components/schemas/\(schema)")]] }
        var result: JSONValue = [
            "tags": [.string(kind.kind)], "x-kubernetes-action": .string(action),
            "x-kubernetes-group-version-kind": OpenAPISchemas.gvk(kind.gvk), "parameters": .array(parameters),
            "responses": [
                "200": ["description": "OK", "content": ["application/json": content(answer)]],
                "default": ["description": "A Status that says why not."],
            ],
        ]
        switch action {
        case "post", "put": result["requestBody"] = ["required": true, "content": ["application/json": content(own)]]
        case "patch":
            let forms = kind.isCustom ? ["json-patch", "merge-patch"] : ["json-patch", "merge-patch", "strategic-merge-patch"]
            let bodies = forms.map { form -> (String, JSONValue) in
                ("application/\(form)+json", ["schema": ["type": form == "json-patch" ? "array" : "object"]])
            }
            result["requestBody"] = ["required": true, "content": .object(JSONObject(bodies))]
        default: break
        }
        return result
    }
}
