// kuscia.yaml: read with every mistake named, and what `init` prints is a valid one.
import Testing

@testable import Swiftlet

@Suite struct KusciaConfigurationTests {
    @Test("what init prints for a Lite is read back as the same configuration")
    func roundTripLite() throws {
        var written = KusciaConfiguration(mode: .lite, domainID: "alice")
        written.liteDeployToken = "t\"o\\k"
        written.masterEndpoint = "https://master.example:6443"
        written.capacity = .init(cpu: "4", memory: "8Gi")
        written.extensions.stateDirectory = "/var/lib/swiftlet/alice"
        written.extensions.nodeName = "alice-1"
        let (read, warnings) = try KusciaConfiguration.parse(written.commentedYAML, source: "f")
        #expect(read == written)
        #expect(warnings.isEmpty)
    }

    @Test("what init prints for a master is read back as the same configuration")
    func roundTripMaster() throws {
        var written = KusciaConfiguration(mode: .master, domainID: "center")
        written.extensions.stateDirectory = "/srv/master"
        written.extensions.listenAddress = "127.0.0.1"
        written.extensions.port = 7443
        written.extensions.certificateNames = ["a.example", "192.0.2.1"]
        #expect(try KusciaConfiguration.parse(written.commentedYAML, source: "f").configuration == written)
    }

    @Test("init prints every key, of a master or of a Lite")
    func everyKey() {
        let texts = [KusciaConfiguration.Mode.master, .lite].map { KusciaConfiguration(mode: $0, domainID: "alice").commentedYAML }
        let synonyms: Set = ["storage"]  // of ephemeralStorage
        let missing = KusciaConfiguration.keys.subtracting(synonyms).filter { key in !texts.contains { $0.contains("\(key):") } }
        #expect(missing.isEmpty, "\(missing.sorted())")
        #expect(KusciaConfiguration.keys.count > 60)
    }

    @Test("what is set of a node's labels, resources, devices and thresholds is written, and read back")
    func node() throws {
        var written = KusciaConfiguration(mode: .lite, domainID: "alice")
        written.masterEndpoint = "https://master:6443"
        written.extensions.stateDirectory = "/srv/alice"
        written.extensions.node.labels = ["disk": "ssd", "zone": "b"]
        written.extensions.node.extendedResources = ["kuscia.io/tokens": "8"]
        written.extensions.node.devices = ["example.com/gpu": "/dev/gpu[0-9]*"]
        written.extensions.node.evictionSoft = "memory.available<300Mi"
        written.extensions.node.evictionSoftGraceSeconds = 60
        written.extensions.node.evictionPressureTransitionSeconds = 30
        written.extensions.sandbox.capabilities = ["CHOWN"]
        written.extensions.sandbox.cniPlugins = ["/opt/cni/bin"]
        #expect(try KusciaConfiguration.parse(written.commentedYAML, source: "f").configuration == written)
    }

    @Test("a Lite's logs, host paths and limit of processes are read back; Kuscia's logrotate is understood")
    func logs() throws {
        var written = KusciaConfiguration(mode: .lite, domainID: "alice")
        written.masterEndpoint = "https://master:6443"
        written.extensions.stateDirectory = "/srv/alice"
        written.logRotation = .init(maxFiles: 3, maxFileSizeMB: 512, maxAgeDays: 0)
        written.extensions.node.hostPaths = ["/data/a", "/data/b"]
        written.extensions.node.keepLogsDays = 2
        written.extensions.node.keepLogsMB = 64
        written.extensions.node.keepJobDataDays = 30
        written.extensions.node.podPidsLimit = 512
        #expect(try KusciaConfiguration.parse(written.commentedYAML, source: "f").configuration == written)
    }

    @Test("a key that nobody knows is a warning with its path; a key of Kuscia's that we do not use is none")
    func unknownKeys() throws {
        let text = """
            mode: lite
            domainID: alice
            domainKeyData: abc
            logrotate: {maxFiles: 3}
            masterEndpoint: https://m:1
            logLvel: DEBUG
            capacity: {cpu: 4, memroy: 8Gi}
            """
        let (configuration, warnings) = try KusciaConfiguration.parse(text, source: "f")
        #expect(configuration.capacity.cpu == "4")
        #expect(warnings == ["f: unknown key capacity.memroy is ignored", "f: unknown key logLvel is ignored"])
    }

    @Test(
        "a wrong field is named",
        arguments: [
            ("domainID: a", "mode"), ("mode: lord\ndomainID: a", "mode"), ("mode: master", "domainID"),
            ("mode: master\ndomainID: Big_Name", "domainID"), ("mode: lite\ndomainID: a", "masterEndpoint"),
            ("mode: lite\ndomainID: a\nmasterEndpoint: http://m", "masterEndpoint"),
            ("mode: lite\ndomainID: a\nmasterEndpoint: https://m\nruntime: runx", "runtime"),
            ("mode: lite\ndomainID: a\nmasterEndpoint: https://m\nruntime: runk", "runk.namespace"),
            (
                "mode: lite\ndomainID: a\nmasterEndpoint: https://m\nrunk: {namespace: t}\nswiftlet: {runk: {exposure: all}}",
                "swiftlet.runk.exposure"
            ),
            ("mode: master\ndomainID: a\nswiftlet: {port: 99999}", "swiftlet.port"),
            ("mode: master\ndomainID: a\nswiftlet: {certificateNames: [1]}", "swiftlet.certificateNames[0]"),
            ("mode: master\ndomainID: a\ncapacity: 7", "capacity"), ("mode: master\ndomainID: a\nprotocol: NOTLS", "protocol"),
        ])
    func wrongField(text: String, field: String) {
        let error = #expect(throws: CommandFailure.self) { try KusciaConfiguration.parse(text, source: "kuscia.yaml") }
        #expect(error?.message.contains("\n  \(field): ") == true, "\(error?.message ?? "")")
    }

    @Test("Kuscia's and our keys about the organisation's cluster are read, each from its place")
    func cluster() throws {
        let text = """
            mode: lite
            domainID: alice
            masterEndpoint: https://m
            runtime: runk
            runk: {namespace: tasks, dnsServers: [10.0.0.2], kubeconfigFile: c.yaml}
            agent: {allowPrivileged: false, provider: {k8s: {qps: 20, labelsToAdd: {team: a}, runtimeClassName: kata, tolerations: [{operator: Exists}]}}}
            swiftlet: {runk: {claims: {job-*: jobs}, localData: scratch, exposure: HostNetwork, leaderElection: true}}
            """
        let (configuration, warnings) = try KusciaConfiguration.parse(text, source: "f")
        let cluster = try #require(configuration.cluster)
        #expect(warnings == [] && configuration.runtime == .runk)
        #expect(
            cluster.namespace == "tasks" && cluster.dnsServers == ["10.0.0.2"] && cluster.kubeconfigFile == "c.yaml"
                && cluster.qps == 20)
        #expect(cluster.labels == ["team": "a"] && cluster.runtimeClassName == "kata" && cluster.tolerations.count == 1)
        #expect(
            cluster.claims == ["job-*": "jobs"] && cluster.localData == .scratch && cluster.exposure == .hostNetwork
                && cluster.leaderElection)
        #expect(try KusciaConfiguration.parse("mode: master\ndomainID: m", source: "f").configuration.cluster == nil)
    }
}
