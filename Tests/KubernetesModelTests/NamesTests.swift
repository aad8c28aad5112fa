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

    /// Every text of up to five of these characters, against the rules said once more in another way.
    @Test("the quick look at a name agrees with the rules")
    func agreement() {
        func isLabel(_ text: Substring, _ inner: String, upper: Bool) -> Bool {
            func isPlain(_ letter: Character) -> Bool { letter == "a" || letter == "0" || (upper && letter == "B") }
            guard let first = text.first, let last = text.last else { return false }
            return isPlain(first) && isPlain(last) && text.allSatisfy { isPlain($0) || inner.contains($0) }
        }
        func isSubdomain(_ text: Substring) -> Bool {
            text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { isLabel($0, "-", upper: false) }
        }
        func isKey(_ text: String) -> Bool {
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            if parts.count == 1 { return isLabel(parts[0], "-_.", upper: true) }
            return parts.count == 2 && isSubdomain(parts[0]) && isLabel(parts[1], "-_.", upper: true)
        }
        var texts = [""]
        for _ in 0..<5 {
            for text in texts {
                #expect(DNSLabel.isValid(text) == isLabel(text[...], "-", upper: false), "\(text)")
                #expect(DNSSubdomain.isValid(text) == isSubdomain(text[...]), "\(text)")
                #expect(LabelKey.isValid(text) == isKey(text), "\(text)")
                #expect(LabelValue.isValid(text) == (text.isEmpty || isLabel(text[...], "-_.", upper: true)), "\(text)")
            }
            texts = texts.flatMap { text in ["a", "B", "0", "-", ".", "_", "/"].map { text + $0 } }
        }
    }
}
