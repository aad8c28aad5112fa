// Which registry a secret of a pod is shown to, and that its text never shows it.
import AgentCore
import RuntimeInterface
import Testing

@testable import Agent

@Suite("credentials of registries")
struct RegistryCredentialTests {
    @Test(
        "a credential is for the hosts, ports and paths of its server only",
        arguments: [
            ("reg.example", "reg.example", "a/b", true), ("reg.example", "reg.example:5000", "a", true),
            ("reg.example:5000", "reg.example", "a", false),
            ("reg.example:5000", "reg.example:5000", "a", true), ("https://reg.example/v2/", "reg.example", "a", true),
            ("*.example", "reg.example", "a", true), ("*.example", "a.reg.example", "a", false),
            ("*.example", "example", "a", false),
            ("reg.example/team", "reg.example", "team/app", true), ("reg.example/team", "reg.example", "teams/app", false),
            ("https://index.docker.io/v1/", "docker.io", "library/busybox", true),
            ("evil-reg.example", "reg.example", "a", false),
            ("reg.example", "reg.example.evil", "a", false), ("", "anything", "a", true),
            ("r?g.example", "reg.example", "a", true),
        ])
    func applies(_ server: String, _ registry: String, _ repository: String, _ expected: Bool) {
        #expect(RegistryCredential(server: server).applies(toRegistry: registry, repository: repository) == expected)
    }

    @Test("the most specific comes first, and none shows its secret")
    func order() {
        let all = ["*.example", "other", "reg.example/team"].map {
            RegistryCredential(server: $0, username: $0, password: "hush")
        }
        let fitting = RegistryCredential.matching(all, registry: "reg.example", repository: "team/app")
        #expect(fitting.map(\.server) == ["reg.example/team", "*.example"])
        #expect(!"\(fitting) \(String(reflecting: fitting))".contains("hush"))
        var text = ""
        dump(fitting, to: &text)
        #expect(!text.contains("hush"))
    }

    @Test("secrets of both kinds are read; what cannot be read is named without its contents")
    func secrets() throws {
        let config = Array(
            #"{"auths":{"b":{"username":"u","password":"p"},"a":{"auth":"dTpwOnE="},"c":{"identitytoken":"t"}}}"#.utf8)
        let read = try PullSecrets.credentials(in: [".dockerconfigjson": config], of: "s")
        #expect(read.map(\.server) == ["a", "b", "c"])
        #expect((read[0].username, read[0].password) == ("u", "p:q"))
        #expect(read[2].identityToken == "t")
        let old = Array(#"{"a":{"username":"u","password":"p"}}"#.utf8)
        #expect(try PullSecrets.credentials(in: [".dockercfg": old], of: "s").count == 1)
        for bad in ["hush", #"{"auths":{"a":{"auth":"hush"}}}"#, "[]"] {
            let error = #expect(throws: StepFailure.self) {
                try PullSecrets.credentials(in: [".dockerconfigjson": Array(bad.utf8)], of: "s")
            }
            #expect(error.map { !"\($0)".contains("hush") } == true)
        }
    }
}
