// Patches: the RFCs' own examples and Kubernetes' strategic merge.
import JSON
import Testing

@testable import APIServer

struct PatchTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var document: String
        var patch: String
        /// nil: refused.
        var result: String?
        var testDescription: String { "\(document) + \(patch)" }
    }

    /// RFC 7386, appendix A.
    static let mergeCases: [Case] = [
        Case(document: #"{"a":"b"}"#, patch: #"{"a":"c"}"#, result: #"{"a":"c"}"#),
        Case(document: #"{"a":"b"}"#, patch: #"{"b":"c"}"#, result: #"{"a":"b","b":"c"}"#),
        Case(document: #"{"a":"b"}"#, patch: #"{"a":null}"#, result: "{}"),
        Case(document: #"{"a":"b","b":"c"}"#, patch: #"{"a":null}"#, result: #"{"b":"c"}"#),
        Case(document: #"{"a":["b"]}"#, patch: #"{"a":"c"}"#, result: #"{"a":"c"}"#),
        Case(document: #"{"a":"c"}"#, patch: #"{"a":["b"]}"#, result: #"{"a":["b"]}"#),
        Case(document: #"{"a":{"b":"c"}}"#, patch: #"{"a":{"b":"d","c":null}}"#, result: #"{"a":{"b":"d"}}"#),
        Case(document: #"{"a":[{"b":"c"}]}"#, patch: #"{"a":[1]}"#, result: #"{"a":[1]}"#),
        Case(document: #"["a","b"]"#, patch: #"["c","d"]"#, result: #"["c","d"]"#),
        Case(document: #"{"a":"b"}"#, patch: #"["c"]"#, result: #"["c"]"#),
        Case(document: #"{"a":"foo"}"#, patch: "null", result: "null"),
        Case(document: #"{"a":"foo"}"#, patch: #""bar""#, result: #""bar""#),
        Case(document: #"{"e":null}"#, patch: #"{"a":1}"#, result: #"{"e":null,"a":1}"#),
        Case(document: "[1,2]", patch: #"{"a":"b","c":null}"#, result: #"{"a":"b"}"#),
        Case(document: "{}", patch: #"{"a":{"bb":{"ccc":null}}}"#, result: #"{"a":{"bb":{}}}"#),
    ]

    @Test("a merge patch does what RFC 7386 says", arguments: mergeCases)
    func merge(_ one: Case) throws {
        let result = MergePatch.apply(try JSONValue(parsing: one.patch), to: try JSONValue(parsing: one.document))
        #expect(result == (try JSONValue(parsing: one.result ?? "null")))
    }

    /// RFC 6902, appendix A, and its errors.
    static let operationCases: [Case] = [
        Case(
            document: #"{"foo":"bar"}"#, patch: #"[{"op":"add","path":"/baz","value":"qux"}]"#,
            result: #"{"baz":"qux","foo":"bar"}"#),
        Case(
            document: #"{"foo":["bar","baz"]}"#, patch: #"[{"op":"add","path":"/foo/1","value":"qux"}]"#,
            result: #"{"foo":["bar","qux","baz"]}"#),
        Case(document: #"{"baz":"qux","foo":"bar"}"#, patch: #"[{"op":"remove","path":"/baz"}]"#, result: #"{"foo":"bar"}"#),
        Case(
            document: #"{"foo":["bar","qux","baz"]}"#, patch: #"[{"op":"remove","path":"/foo/1"}]"#,
            result: #"{"foo":["bar","baz"]}"#),
        Case(document: #"{"baz":"qux"}"#, patch: #"[{"op":"replace","path":"/baz","value":"boo"}]"#, result: #"{"baz":"boo"}"#),
        Case(
            document: #"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
            patch: #"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
            result: #"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#),
        Case(
            document: #"{"foo":["all","grass","cows","eat"]}"#, patch: #"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
            result: #"{"foo":["all","cows","eat","grass"]}"#),
        Case(
            document: #"{"baz":"qux","foo":["a",2,"c"]}"#,
            patch: #"[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]"#,
            result: #"{"baz":"qux","foo":["a",2,"c"]}"#),
        Case(document: #"{"baz":"qux"}"#, patch: #"[{"op":"test","path":"/baz","value":"bar"}]"#, result: nil),
        Case(
            document: #"{"foo":"bar"}"#, patch: #"[{"op":"add","path":"/child","value":{"grandchild":{}}}]"#,
            result: #"{"foo":"bar","child":{"grandchild":{}}}"#),
        Case(document: #"{"foo":"bar"}"#, patch: #"[{"op":"add","path":"/baz/bat","value":"qux"}]"#, result: nil),
        Case(document: #"{"/":9,"~1":10}"#, patch: #"[{"op":"test","path":"/~01","value":10}]"#, result: #"{"/":9,"~1":10}"#),
        Case(
            document: #"{"foo":["bar"]}"#, patch: #"[{"op":"add","path":"/foo/-","value":["abc","def"]}]"#,
            result: #"{"foo":["bar",["abc","def"]]}"#),
        Case(document: #"{"foo":1}"#, patch: #"[{"op":"copy","from":"/foo","path":"/bar"}]"#, result: #"{"foo":1,"bar":1}"#),
        Case(document: #"{"foo":[1]}"#, patch: #"[{"op":"add","path":"/foo/2","value":1}]"#, result: nil),
        Case(document: #"{"foo":[1]}"#, patch: #"[{"op":"remove","path":"/foo/01"}]"#, result: nil),
        Case(document: #"{"foo":1}"#, patch: #"[{"op":"remove","path":"/bar"}]"#, result: nil),
        Case(document: #"{"foo":1}"#, patch: #"[{"op":"replace","path":"/bar","value":1}]"#, result: nil),
        Case(document: #"{"foo":1}"#, patch: #"[{"op":"frob","path":"/bar"}]"#, result: nil),
        Case(document: #"{"foo":1}"#, patch: #"{"op":"remove"}"#, result: nil),
        Case(document: #"{"foo":{"a":1}}"#, patch: #"[{"op":"move","from":"/foo","path":"/foo/a"}]"#, result: nil),
        Case(document: #"{"foo":1}"#, patch: #"[{"op":"add","path":"","value":{"bar":2}}]"#, result: #"{"bar":2}"#),
    ]

    @Test("a JSON patch does what RFC 6902 says", arguments: operationCases)
    func json(_ one: Case) throws {
        let document = try JSONValue(parsing: one.document)
        let patch = try JSONValue(parsing: one.patch)
        guard let result = one.result else {
            #expect(throws: PatchError.self) { try JSONPatch.apply(patch, to: document) }
            return
        }
        #expect(try JSONPatch.apply(patch, to: document) == JSONValue(parsing: result))
    }

    @Test("copies cannot double a document without end")
    func copies() {
        let double = (0..<40).map { index -> JSONValue in ["op": "copy", "from": "", "path": .string("/k\(index)")] }
        #expect(throws: PatchError.self) { try JSONPatch.apply(.array(double), to: ["x": "x"]) }
    }

    @Test("a document never becomes deeper than a request may be: not by copies, by moves, nor by what is put far below")
    func depth() {
        let deep = (0..<500).reduce(JSONValue.array([])) { inner, _ in .array([inner]) }
        func place(_ depth: Int) -> JSONValue { .string("/x" + String(repeating: "/0", count: depth) + "/-") }
        let put: JSONValue = ["op": "add", "path": "/x", "value": deep]
        let aside: JSONValue = ["op": "add", "path": "/y", "value": deep]
        for next: JSONValue in [
            ["op": "copy", "from": "/x", "path": place(499)], ["op": "move", "from": "/y", "path": place(499)],
            ["op": "add", "path": place(499), "value": deep],
            ["op": "replace", "path": .string("/x" + String(repeating: "/0", count: 500)), "value": deep],
        ] {
            let error = #expect(throws: PatchError.self) { try JSONPatch.apply([put, aside, next], to: [:]) }
            #expect(error?.message.contains("nested deeper than") == true, "\(error?.message ?? "")")
        }
    }

    /// On a pod's schema.
    static let strategicCases: [Case] = [
        Case(
            document: #"{"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]}}"#,
            patch: #"{"spec":{"$setElementOrder/containers":[{"name":"b"}],"containers":[{"name":"b","image":"3"}]}}"#,
            result: #"{"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"3"}]}}"#),
        Case(
            document: #"{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}"#,
            patch: #"{"spec":{"containers":[{"name":"a","$patch":"delete"},{"name":"c"}]}}"#,
            // Without a given order new elements come first, as in Kubernetes.
            result: #"{"spec":{"containers":[{"name":"c"},{"name":"b"}]}}"#),
        Case(
            document: #"{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}"#,
            patch: #"{"spec":{"containers":[{"name":"c"},{"$patch":"replace"}]}}"#,
            result: #"{"spec":{"containers":[{"name":"c"}]}}"#),
        Case(
            document: #"{"spec":{"containers":[{"name":"a","env":[{"name":"X","value":"1"}]}]}}"#,
            patch: #"{"spec":{"containers":[{"name":"a","env":[{"name":"Y","value":"2"}]}]}}"#,
            result: #"{"spec":{"containers":[{"name":"a","env":[{"name":"Y","value":"2"},{"name":"X","value":"1"}]}]}}"#),
        Case(
            document: #"{"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]}}"#,
            patch:
                #"{"spec":{"$setElementOrder/containers":[{"name":"d"},{"name":"c"},{"name":"a"}],"containers":[{"name":"d"}]}}"#,
            result: #"{"spec":{"containers":[{"name":"d"},{"name":"b"},{"name":"c"},{"name":"a"}]}}"#),
        Case(
            document: #"{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}"#,
            patch: #"{"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"b","image":"x"}]}}"#,
            result: nil),
        Case(
            document: #"{"spec":{"securityContext":{"runAsUser":1}}}"#,
            patch: #"{"spec":{"securityContext":{"$patch":"delete"}}}"#, result: #"{"spec":{"securityContext":{}}}"#),
        Case(
            document: #"{"spec":{}}"#,
            patch: #"{"spec":{"containers":[{"name":"a","$patch":"delete"},{"name":"b","image":null,"$retainKeys":["name"]}]}}"#,
            result: #"{"spec":{"containers":[{"name":"b"}]}}"#),
        Case(
            document: #"{"spec":{"volumes":[]}}"#,
            patch: #"{"spec":{"volumes":[{"name":"v","$retainKeys":["name"],"emptyDir":{}}],"$retainKeys":["containers"]}}"#,
            result: nil),
        Case(
            document: #"{"status":{"conditions":[{"type":"Ready","status":"False"},{"type":"Other","status":"True"}]}}"#,
            patch: #"{"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#,
            result: #"{"status":{"conditions":[{"type":"Ready","status":"True"},{"type":"Other","status":"True"}]}}"#),
        Case(
            document: #"{"spec":{"containers":[{"name":"a","volumeMounts":[{"name":"v","mountPath":"/a"}]}]}}"#,
            patch: #"{"spec":{"containers":[{"name":"a","volumeMounts":[{"name":"w","mountPath":"/a"}]}]}}"#,
            result: #"{"spec":{"containers":[{"name":"a","volumeMounts":[{"name":"w","mountPath":"/a"}]}]}}"#),
        Case(
            document: #"{"spec":{"tolerations":[{"key":"a"}]}}"#, patch: #"{"spec":{"tolerations":[{"key":"b"}]}}"#,
            result: #"{"spec":{"tolerations":[{"key":"b"}]}}"#),
        Case(
            document: #"{"metadata":{"finalizers":["a","b"]}}"#, patch: #"{"metadata":{"finalizers":["b","c"]}}"#,
            result: #"{"metadata":{"finalizers":["a","b","c"]}}"#),
        Case(
            document: #"{"metadata":{"finalizers":["a","b"]}}"#,
            patch: #"{"metadata":{"$deleteFromPrimitiveList/finalizers":["a"]}}"#,
            result: #"{"metadata":{"finalizers":["b"]}}"#),
        Case(
            document: #"{"spec":{"volumes":[{"name":"v","emptyDir":{}}]}}"#,
            patch: #"{"spec":{"volumes":[{"name":"v","$retainKeys":["name","hostPath"],"hostPath":{"path":"/x"}}]}}"#,
            result: #"{"spec":{"volumes":[{"name":"v","hostPath":{"path":"/x"}}]}}"#),
        Case(
            document: #"{"metadata":{"labels":{"a":"1","b":"2"}}}"#,
            patch: #"{"metadata":{"labels":{"$patch":"replace","c":"3"}}}"#,
            result: #"{"metadata":{"labels":{"c":"3"}}}"#),
        Case(
            document: #"{"metadata":{"labels":{"a":"1"}}}"#, patch: #"{"metadata":{"labels":{"a":null}}}"#,
            result: #"{"metadata":{"labels":{}}}"#),
        Case(document: #"{"spec":{"containers":[]}}"#, patch: #"{"spec":{"containers":[{"image":"1"}]}}"#, result: nil),
    ]

    @Test("a strategic merge patch merges lists by the schema's keys", arguments: strategicCases)
    func strategic(_ one: Case) throws {
        let document = try JSONValue(parsing: one.document)
        let patch = try JSONValue(parsing: one.patch)
        let schema = ResourceKind.pod.schema
        guard let result = one.result else {
            #expect(throws: PatchError.self) { try StrategicMergePatch.apply(patch, to: document, schema: schema) }
            return
        }
        #expect(try StrategicMergePatch.apply(patch, to: document, schema: schema) == JSONValue(parsing: result))
    }

    @Test("a taint of a node is found by its key")
    func taints() throws {
        let document = try JSONValue(parsing: #"{"spec":{"taints":[{"key":"a","effect":"NoSchedule"}]}}"#)
        let patch = try JSONValue(parsing: #"{"spec":{"taints":[{"key":"a","$patch":"delete"}]}}"#)
        let result = try StrategicMergePatch.apply(patch, to: document, schema: ResourceKind.node.schema)
        #expect(result == ["spec": ["taints": []]])
    }
}
