// kuscia.yaml's image settings: Kuscia's keys and ours.
import RuntimeInterface
import Testing

@testable import Swiftlet

@Suite struct ImageConfigurationTests {
    private func parse(_ text: String) throws -> (configuration: KusciaConfiguration, warnings: [String]) {
        try KusciaConfiguration.parse("mode: lite\ndomainID: alice\nmasterEndpoint: https://m:1\n" + text, source: "kuscia.yaml")
    }

    @Test("--creds come before what Docker's file has for the registry, and go to the image's own registry alone")
    func givenCredentials() {
        let given = ImagePullCommand.meant(
            [RegistryCredential(username: "me", password: "given")], for: "reg.example:5000/team/app:1", nil)
        let docker = [RegistryCredential(server: "reg.example:5000/team", username: "me", password: "docker")]
        let found = RegistryCredential.matching(docker + given, registry: "reg.example:5000", repository: "team/app")
        #expect(found.map(\.password) == ["given", "docker"])
        #expect(RegistryCredential.matching(given, registry: "mirror.example", repository: "team/app").isEmpty)
    }

    @Test("Kuscia's registries become hosts, credentials and the default registry")
    func registries() throws {
        let (configuration, warnings) = try parse(
            """
            image:
              pullPolicy: IfNotPresent
              defaultRegistry: ours
              httpProxy: http://proxy.example:3128
              registries:
                - {name: ours, endpoint: registry.example:5000/team/, username: me, password: secret, caFile: ca.crt, mirrors: ["https://m.example"]}
                - {name: plain, endpoint: "http://plain.example:80"}
                - {name: "", endpoint: "", username: "", password: ""}
            swiftlet:
              image: {noProxy: [.inside.example], parallelLayers: 5}
            """)
        #expect(warnings == [])
        let settings = try configuration.images.registrySettings(directory: "/etc/swiftlet")
        #expect(settings.defaultRegistry == "registry.example:5000/team")
        #expect(settings.proxy == "http://proxy.example:3128")
        #expect(settings.noProxy == [".inside.example"])
        #expect(settings.limits.parallelLayers == 5)
        #expect(settings.hosts.map(\.registry) == ["registry.example:5000", "plain.example:80"])
        #expect(settings.hosts.map(\.endpoint) == [nil, "http://plain.example:80"])
        #expect(settings.hosts[0].authorityFile == "/etc/swiftlet/ca.crt")
        #expect(settings.hosts[0].mirrors == ["https://m.example"])
        #expect(settings.credentials.map(\.server) == ["registry.example:5000"])
    }

    @Test("image.pullPolicy says whether pods' images come from registries at all, in Kuscia's words and in Kubernetes'")
    func pullPolicy() throws {
        for (text, isLocal) in [("local", true), ("Never", true), ("remote", false), ("IfNotPresent", false), ("\"\"", false)] {
            #expect(try parse("image: {pullPolicy: \(text)}").configuration.images.isLocal == isLocal, "\(text)")
        }
        #expect(try !parse("").configuration.images.isLocal)
        #expect {
            try parse("image: {pullPolicy: Always}")
        } throws: {
            "\($0)".contains("image.pullPolicy: expected one of local, remote, Never, IfNotPresent, found \"Always\"")
        }
    }

    @Test("device nodes in images are refused unless the node says otherwise")
    func deviceNodes() throws {
        #expect(try parse("").configuration.images.extractionPolicy.devices == .refuse)
        #expect(
            try parse("swiftlet: {image: {deviceNodes: leave-out}}").configuration.images.extractionPolicy.devices == .leaveOut)
        #expect {
            try parse("swiftlet: {image: {deviceNodes: yes please}}")
        } throws: {
            "\($0)".contains("swiftlet.image.deviceNodes: expected one of refuse, leave-out, make")
        }
    }

    @Test("a signature rule that cannot be kept is refused with its field")
    func rules() throws {
        for (rule, words) in [
            ("{prefix: r.example, require: signed}", "swiftlet.image.signatures.rules[0].keys: missing"),
            (
                "{prefix: r.example, require: maybe}",
                "swiftlet.image.signatures.rules[0].require: expected one of accept, reject, signed"
            ),
            ("{prefix: r.example}", "swiftlet.image.signatures.rules[0].require: expected accept, reject or signed"),
        ] {
            #expect {
                try parse("swiftlet: {image: {signatures: {rules: [\(rule)]}}}")
            } throws: {
                "\($0)".contains(words)
            }
        }
        let (configuration, _) = try parse(
            "swiftlet: {image: {signatures: {refuseUnlisted: true, rules: [{prefix: r.example, require: accept}]}}}")
        let policy = try configuration.images.signaturePolicy(directory: "/")
        #expect(policy.refusesUnlisted)
        #expect(policy.rules.map(\.prefix) == ["r.example"])
    }
}
