// Settings that would break a master or a node later are refused when they are read, each with its path and what was expected.
import Foundation
import PKI
import Testing

@testable import Swiftlet

@Suite struct ConfigurationRefusalTests {
    /// Gone with what is in it when the body returns.
    private func inDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
        let path = "/tmp/swiftlet-settings-\(UInt64.random(in: 0...UInt64.max))"
        try FileText.makeDirectory(path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try body(path)
    }

    /// As `swiftlet lite` reads it: the file, the settings, and what they name on this machine.
    private func start(_ more: String, swiftlet: String = "") throws {
        try inDirectory { directory in
            let path = "\(directory)/kuscia.yaml"
            let text =
                "mode: lite\ndomainID: alice\nmasterEndpoint: https://127.0.0.1:6443\n\(more)\nswiftlet: {stateDirectory: state, \(swiftlet)}\n"
            try FileText.write(text, to: path)
            let configuration = try KusciaConfiguration.load(path: path).configuration
            let settings = try LiteSettings(configuration, configurationPath: path)
            try settings.check(configurationPath: path)
            try settings.makeDirectories()
        }
    }

    @Test("a Lite's plain configuration is taken, with names and places that are there")
    func good() throws {
        try start("capacity: {cpu: 4, memory: 8Gi}\nreservedResources: {cpu: 4, memory: 0}")
        try start("", swiftlet: "nodeAddress: '::1', nodeName: a.b-1, cgroupParent: swiftlet/a.b")
        try start("", swiftlet: "dataDirectory: /tmp, runtimes: {runc: /bin/true --debug, kata: sh}")
        try start("", swiftlet: "dataDirectory: state/data")
        try start(
            "",
            swiftlet:
                "sandbox: {capabilities: [net_bind_service, CAP_CHOWN, ALL], seccompProfiles: /tmp}, node: {podManifests: /tmp}")
        try start("", swiftlet: "node: {labels: {team: blue, example.org/zone: ''}}")
    }

    @Test(
        "a setting that breaks the node later is refused with its path",
        arguments: [
            ("capacity: {cpu: -1}", "", "capacity.cpu"), ("capacity: {memory: -8Gi}", "", "capacity.memory"),
            ("capacity: {pods: -5}", "", "capacity.pods"), ("reservedResources: {memory: -1}", "", "reservedResources.memory"),
            ("capacity: {cpu: 2}\nreservedResources: {cpu: 2500m}", "", "reservedResources.cpu"),
            ("capacity: {memory: 1Gi}\nreservedResources: {memory: 2Gi}", "", "reservedResources.memory"),
            ("", "nodeAddress: node.example", "swiftlet.nodeAddress"), ("", "nodeAddress: 10.0.0.300", "swiftlet.nodeAddress"),
            ("", "nodeName: Bad_Name", "swiftlet.nodeName"), ("", "cgroupParent: ../elsewhere", "swiftlet.cgroupParent"),
            ("", "cgroupParent: 'a b'", "swiftlet.cgroupParent"), ("", "cgroupParent: a//b", "swiftlet.cgroupParent"),
            ("", "node: {podManifests: /nowhere/pods}", "swiftlet.node.podManifests"),
            ("", "sandbox: {seccompProfiles: /nowhere/seccomp}", "swiftlet.sandbox.seccompProfiles"),
            ("", "sandbox: {cniConfigurations: /nowhere/net.d}", "swiftlet.sandbox.cniConfigurations"),
            ("", "sandbox: {cniPlugins: [/nowhere/bin]}", "swiftlet.sandbox.cniPlugins[0]"),
            ("", "sandbox: {capabilities: [NET_RAW, NET_ROW]}", "swiftlet.sandbox.capabilities[1]"),
            ("", "runtimes: {runc: /nowhere/runc}", "swiftlet.runtimes.runc"),
            ("", "runtimes: {kata: no-such-program-here}", "swiftlet.runtimes.kata"),
            ("", "node: {labels: {'bad key': a}}", "swiftlet.node.labels"),
            ("", "node: {labels: {team: 'two words'}}", "swiftlet.node.labels"),
            ("", "node: {extendedResources: {'a b': 1}}", "swiftlet.node.extendedResources"),
            ("", "node: {extendedResources: {kuscia.io/tokens: -1}}", "swiftlet.node.extendedResources.kuscia.io/tokens"),
            ("", "dataDirectory: /nowhere/daat", "swiftlet.dataDirectory"),
        ])
    func refused(more: String, swiftlet: String, field: String) {
        let error = #expect(throws: CommandFailure.self) { try start(more, swiftlet: swiftlet) }
        #expect(error?.message.contains("\(field): ") == true, "\(error?.message ?? "nothing")")
        #expect(error?.hint != nil)
    }

    @Test(
        "an address or a name that can be none is refused with its field",
        arguments: [
            ("mode: master\ndomainID: a\nswiftlet: {certificateNames: [a.example, 'ü']}", "swiftlet.certificateNames[1]"),
            ("mode: master\ndomainID: a\nswiftlet: {certificateNames: ['a b']}", "swiftlet.certificateNames[0]"),
            ("mode: master\ndomainID: a\nswiftlet: {listenAddress: '1.2.3.4:5'}", "swiftlet.listenAddress"),
            ("mode: lite\ndomainID: a\nmasterEndpoint: 'https://'", "masterEndpoint"),
            ("mode: lite\ndomainID: a\nmasterEndpoint: 'https://:6443'", "masterEndpoint"),
            ("mode: lite\ndomainID: a\nmasterEndpoint: 'https://m:port'", "masterEndpoint"),
            ("mode: lite\ndomainID: a\nmasterEndpoint: 'https://m:99999'", "masterEndpoint"),
            ("mode: lite\ndomainID: a\nmasterEndpoint: 'https://[::1]:x'", "masterEndpoint"),
            ("mode: lite\ndomainID: master\nmasterEndpoint: 'https://m'", "domainID"),
        ])
    func addresses(text: String, field: String) {
        let error = #expect(throws: CommandFailure.self) { try KusciaConfiguration.parse(text, source: "kuscia.yaml") }
        #expect(error?.message.contains("\n  \(field): ") == true, "\(error?.message ?? "")")
    }

    @Test("a second document is not left out in silence; an empty one is none")
    func documents() throws {
        let one = "mode: master\ndomainID: a\n"
        let error = #expect(throws: CommandFailure.self) {
            try KusciaConfiguration.parse("\(one)---\nswiftlet: {port: 7443}\n", source: "kuscia.yaml")
        }
        #expect(error?.message == "kuscia.yaml: found 2 documents, expected one")
        #expect(try KusciaConfiguration.parse("---\n\(one)---\n", source: "f").configuration.domainID == "a")
    }

    @Test("a byte order mark is no part of the first key")
    func byteOrderMark() throws {
        #expect(try KusciaConfiguration.parse("\u{FEFF}mode: master\ndomainID: a\n", source: "f").configuration.mode == .master)
        #expect(try YAMLText.documents("\u{FEFF}{\"a\": 1}", source: "f") == [["a": 1]])
    }

    @Test("a configuration that cannot be read is told in the system's words, with a hint for the command")
    func unreadable() throws {
        try inDirectory { directory in
            let huge = "\(directory)/huge.yaml"
            #expect(FileManager.default.createFile(atPath: huge, contents: nil))
            truncate(huge, (16 << 20) + 1)
            for (path, reason) in [
                ("\(directory)/none.yaml", "No such file or directory"), (directory, "Is a directory"),
                (huge, "larger than 16 MiB"),
            ] {
                let error = #expect(throws: CommandFailure.self) { try KusciaConfiguration.load(path: path, mode: .master) }
                #expect(
                    error?.message.contains(path) == true && error?.message.contains(reason) == true, "\(error?.message ?? "")")
                #expect(error?.hint?.contains("--mode master") == true)
                let manifest = #expect(throws: CommandFailure.self) { try Manifest.read([path]) }
                #expect(manifest?.message.contains(reason) == true, "\(manifest?.message ?? "")")
            }
        }
    }

    @Test(
        "a master's address is a URL and a name of its certificate, whatever its form",
        arguments: [
            ("::1", [] as [String], "https://[::1]:6443", ["::1"]), ("10.1.2.3", [], "https://10.1.2.3:6443", ["10.1.2.3"]),
            ("10.1.2.3", ["m.example"], "https://10.1.2.3:6443", ["m.example", "10.1.2.3"]),
            ("0.0.0.0", ["m.example"], "https://m.example:6443", ["m.example"]), ("::", [], "https://127.0.0.1:6443", []),
            ("::", ["*.example", "fd00::1"], "https://[fd00::1]:6443", ["*.example", "fd00::1"]),
        ])
    func listening(address: String, names: [String], url: String, certificate: [String]) throws {
        var settings = KusciaConfiguration.Extensions()
        settings.listenAddress = address
        settings.certificateNames = names
        let listening = MasterListening(settings)
        #expect(listening.url == url && listening.certificateNames == certificate)
        try inDirectory { directory in
            let state = MasterState(directory)
            let identity = try MasterIdentity(state, names: listening.certificateNames)
            let host = try #require(MasterEndpoint(url)?.host)
            let information = try CertificateInfo(pem: identity.server.certificatePEM)
            #expect((information.names.ipAddresses + information.names.dnsNames).contains(host), "\(information.names)")
        }
    }

    @Test("what init prints is taken again, for each runtime", arguments: [KusciaConfiguration.Runtime.runp, .runc, .runk])
    func initialised(runtime: KusciaConfiguration.Runtime) throws {
        var configuration = KusciaConfiguration(mode: .lite, domainID: "alice")
        configuration.runtime = runtime
        #expect(try KusciaConfiguration.parse(configuration.commentedYAML, source: "f").configuration.runtime == runtime)
    }

    @Test(
        "init refuses what the configuration would be refused for",
        arguments: [
            ["--domain", "master"], ["--domain", "kube-system"], ["--domain", "a", "-p", "NOTLS"],
            ["--domain", "a", "-m", "http://m"],
            ["--domain", "a", "-m", "https://:1"], ["--mode", "master", "--domain", "a", "-m", "https://m"],
            ["--mode", "master", "--domain", "a", "-t", "x"],
        ])
    func initRefuses(words: [String]) async throws {
        let command = try InitCommand.parse(words)
        await #expect(throws: CommandFailure.self) { try await command.run() }
    }

    @Test("an image for `up` that is none is refused before anything is started")
    func badImage() throws {
        try inDirectory { directory in
            for (name, text) in [("a.json", "{\"rootfs\": 7}"), ("b.json", "no json"), ("c.json", "")] {
                try FileText.write(text, to: "\(directory)/\(name)")
                let error = #expect(throws: CommandFailure.self) {
                    try UpPlan(state: "\(directory)/state", domains: "a", data: [], images: ["\(directory)/\(name)"], port: 0)
                }
                #expect(error?.message.contains("--image") == true && error?.message.contains(name) == true)
                #expect(error?.hint != nil)
            }
        }
    }

    @Test("commands that only look make no tree, and a master has no images")
    func imageStore() throws {
        try inDirectory { directory in
            var options = try ImageStoreOptions.parse(["--store", "\(directory)/typo"])
            let error = #expect(throws: CommandFailure.self) { try options.open() }
            #expect(error?.message.contains("\(directory)/typo") == true && !FileText.exists("\(directory)/typo"))
            _ = try options.open(makes: true)
            #expect(FileText.isDirectory("\(directory)/typo"))
            try FileText.write("mode: master\ndomainID: a\nswiftlet: {stateDirectory: s}\n", to: "\(directory)/kuscia.yaml")
            options = try ImageStoreOptions.parse(["--config", "\(directory)/kuscia.yaml"])
            #expect(throws: CommandFailure.self) { try options.open(makes: true) }
            #expect(!FileText.exists("\(directory)/s"))
        }
    }

    @Test(
        "what is copied into a shell is one word",
        arguments: [("/a/b-c.d", "/a/b-c.d"), ("/a b", "'/a b'"), ("it's", "'it'\\''s'"), ("", "''")])
    func shell(text: String, quoted: String) {
        #expect(ShellText.quoted(text) == quoted)
    }
}
