// Label and field selectors as kubectl users write them.
import JSON
import KubernetesModel
import Testing

@Suite("Selectors")
struct SelectorTests {
    private static let labels = ["a": "b", "app": "psi", "empty": "", "rank": "7", "kuscia.secretflow/domain": "alice"]

    @Test(
        "a label selector matches as kubectl users expect",
        arguments: [
            ("", true), ("a=b", true), ("a==b", true), ("a = b", true), ("a=c", false), ("a!=b", false), ("a!=c", true),
            ("missing!=x", true), ("missing=x", false), ("missing=", false), ("empty=", true), ("empty", true), ("a", true),
            ("!a", false), ("!missing", true), ("missing", false), ("a in (b)", true), ("a in (x,b)", true),
            ("a in ( x , b )", true), ("a in (x)", false), ("missing in (x)", false), ("a notin (x)", true),
            ("a notin (b,x)", false), ("missing notin (x)", true), ("empty in ()", true), ("empty in (x,)", true),
            ("rank>5", true), ("rank > 7", false), ("rank<8", true), ("a>1", false), ("a=b,app=psi", true),
            ("a=b,app=other", false), ("kuscia.secretflow/domain=alice,!missing", true), ("in=x", false), ("notin", false),
        ])
    func labelSelector(text: String, matches: Bool) throws {
        #expect(try LabelSelectorExpression(text).matches(Self.labels) == matches)
    }

    @Test(
        "a malformed label selector is refused in Kubernetes' words",
        arguments: [
            ("a=b,", "found '', expected: identifier after ','"),
            (",a=b", "found ',', expected: !, identifier, or 'end of string'"),
            ("a in", "found '' expected: '('"), ("a in x", "found 'x' expected: '('"), ("a in (x", "expected: ',' or ')'"),
            ("a in (x y)", "found 'y', expected: ',' or ')'"), ("a b", "found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            ("a=b c=d", "found 'c', expected: ',' or 'end of string'"), ("!", "found '', expected: identifier"),
            ("a==(x)", "found '(', expected: identifier"), ("a>x", "must be an integer"), ("-a=b", "Invalid value: \"-a\""),
            ("a=b!", "expected: ',' or 'end of string'"), ("a=-b-", "a valid label must be"), ("/a=b", "prefix part"),
        ])
    func malformedLabelSelector(text: String, message: String) {
        let error = #expect(throws: SelectorError.self) { try LabelSelectorExpression(text) }
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }

    @Test("a selector object needs all its labels and all its expressions")
    func selectorObject() throws {
        let json = """
            {"matchLabels":{"a":"b"},"matchExpressions":[{"key":"app","operator":"In","values":["psi","x"]},
            {"key":"gone","operator":"DoesNotExist"},{"key":"rank","operator":"Exists"},
            {"key":"a","operator":"NotIn","values":["c"]}]}
            """
        let selector = try JSON.decode(LabelSelector.self, from: Array(json.utf8))
        #expect(try selector.matches(Self.labels))
        #expect(try !selector.matches(["a": "b"]))
        #expect(try LabelSelector().matches([:]))
        #expect(throws: SelectorError.self) {
            try LabelSelector(matchExpressions: [.init(key: "a", operator: "Near")]).requirements()
        }
        #expect(throws: SelectorError.self) {
            try LabelSelector(matchExpressions: [.init(key: "a", operator: "In")]).requirements()
        }
    }

    @Test(
        "a field selector compares whole values; an absent field is the empty string",
        arguments: [
            ("", true), ("spec.nodeName=alice-0", true), ("spec.nodeName==alice-0", true), ("spec.nodeName!=alice-0", false),
            ("status.phase!=Failed,status.phase!=Succeeded", true), ("spec.missing=", true), ("spec.missing!=x", true),
            ("metadata.name=a\\,b", true), ("metadata.name=a", false), ("status.phase=running", false),
        ])
    func fieldSelector(text: String, matches: Bool) throws {
        let fields = ["spec.nodeName": "alice-0", "status.phase": "Running", "metadata.name": "a,b"]
        #expect(try FieldSelector(text).matches(fields) == matches)
    }

    @Test("a malformed field selector is refused", arguments: ["a", "a,b=c", "a=b=c", "a=\\x"])
    func malformedFieldSelector(text: String) {
        #expect(throws: SelectorError.self) { try FieldSelector(text) }
    }

    @Test("a server learns which value a field must have")
    func requiredValue() throws {
        let selector = try FieldSelector("spec.nodeName=n,status.phase!=Failed")
        #expect(selector.requiredValue(of: "spec.nodeName") == "n")
        #expect(selector.requiredValue(of: "status.phase") == nil)
    }
}
