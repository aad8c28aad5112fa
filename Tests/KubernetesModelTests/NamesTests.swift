// Which names and labels Kubernetes accepts.
import KubernetesModel
import Testing

@Suite("Names")
struct NamesTests {
    @Test("a DNS label", arguments: ["a", "0", "my-name", "123-abc", String(repeating: "a", count: 63)])
    func validLabel(name: String) { #expect(DNSLabel.isValid(name)) }

    @Test(
        "no DNS label",
        arguments: ["", "-a", "a-", "A", "a_b", "a.b", "ä", "a b", "a\n", "../x", String(repeating: "a", count: 64)])
    func invalidLabel(name: String) { #expect(!DNSLabel.isValid(name)) }

    @Test("a DNS subdomain", arguments: ["a", "a.b", "example.com", "0.1-2.x", String(repeating: "a", count: 253)])
    func validSubdomain(name: String) { #expect(DNSSubdomain.isValid(name)) }

    @Test(
        "no DNS subdomain",
        arguments: ["", ".", "a..b", ".a", "a.", "a.-b", "a/b", "a.B", String(repeating: "a", count: 254)])
    func invalidSubdomain(name: String) { #expect(!DNSSubdomain.isValid(name)) }

    @Test("a label key", arguments: ["a", "A.b_c-d", "example.com/a", "kuscia.secretflow/task-id"])
    func validKey(key: String) { #expect(LabelKey.isValid(key)) }

    @Test(
        "no label key",
        arguments: ["", "/", "/a", "a/", "a/b/c", "-a", "a-", "Example.com/a", "a b", String(repeating: "a", count: 64)])
    func invalidKey(key: String) { #expect(!LabelKey.isValid(key)) }

    @Test("a label value", arguments: ["", "a", "MyValue", "a_b.c-d", String(repeating: "a", count: 63)])
    func validValue(value: String) { #expect(LabelValue.isValid(value)) }

    @Test("no label value", arguments: ["-", "a-", "_a", "a b", "a/b", String(repeating: "a", count: 64)])
    func invalidValue(value: String) { #expect(!LabelValue.isValid(value)) }

    @Test("problems are told in Kubernetes' words")
    func messages() {
        #expect(DNSLabel.problems(with: "A") == [DNSLabel.rule])
        #expect(DNSLabel.problems(with: String(repeating: "a", count: 64)) == ["must be no more than 63 characters"])
        #expect(LabelKey.problems(with: "a/").contains("name part must be non-empty"))
    }
}
