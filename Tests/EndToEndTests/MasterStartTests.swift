// How a master starts where its configuration and the machine do not fit, and what its clients and Lites are told then.
import FoundationEssentials
import Glibc
import Testing

@testable import Swiftlet

@Suite("A master's and a Lite's start", .serialized, .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct MasterStartTests {
    /// A place with a master's configuration; gone when the body returns.
    private func inDirectory(
        listen: String, names: [String] = [], _ body: (_ directory: String, _ port: Int) async throws -> Void
    ) async throws {
        let directory = "/tmp/swiftlet-e2e-master-\(getpid())-\(UUID().uuidString.prefix(8))"
        try FileText.makeDirectory(directory, mode: 0o700)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var settings = KusciaConfiguration(mode: .master, domainID: "center")
        settings.extensions.stateDirectory = "\(directory)/state"
        settings.extensions.listenAddress = listen
        settings.extensions.port = try FreePort.find()
        settings.extensions.certificateNames = names
        try FileText.write(settings.commentedYAML, to: "\(directory)/kuscia.yaml")
        try await body(directory, try #require(settings.extensions.port))
    }

    private func swiftlet(_ directory: String, _ words: [String]) throws -> RunningCommand {
        try RunningCommand([try EndToEnd.program("swiftlet")] + words, directory: directory)
    }

    /// With a master that answers.
    private func withMaster(_ directory: String, _ body: () async throws -> Void) async throws {
        let master = try swiftlet(directory, ["master", "--config", "\(directory)/kuscia.yaml"])
        do {
            let kubeconfig = "\(directory)/state/admin.kubeconfig"
            try await eventually("the master answers", within: .seconds(60), state: { master.output + master.errors }) {
                guard FileText.exists(kubeconfig) else { return false }
                return try await swiftlet(directory, ["get", "ns", "--kubeconfig", kubeconfig]).result(within: .seconds(30))
                    .status == 0
            }
            try await body()
        } catch {
            master.identity.signal(SIGKILL)
            _ = try? await master.result(within: .seconds(10))
            throw error
        }
        master.identity.signal(SIGTERM)
        #expect(try await master.result(within: .seconds(60)).status == 0)
    }

    @Test("a port that is taken is told with the address, the setting and a hint", .timeLimit(.minutes(1)))
    func portTaken() async throws {
        try await inDirectory(listen: "127.0.0.1") { directory, port in
            let other = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            defer { close(other) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(port).bigEndian
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            let bound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(other, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 && Glibc.listen(other, 1) == 0
                }
            }
            try #require(bound)
            let result = try await swiftlet(directory, ["master", "--config", "\(directory)/kuscia.yaml"]).result(
                within: .seconds(30))
            #expect(result.status == 1)
            for part in ["127.0.0.1:\(port)", "swiftlet.port", "Address already in use", "Hint: "] {
                #expect(result.errors.contains(part), "\(result)")
            }
        }
    }

    @Test("the kubeconfig of a master at a certain address is good for it, without certificateNames", .timeLimit(.minutes(2)))
    func certainAddress() async throws {
        try await inDirectory(listen: "127.0.0.2") { directory, port in
            try await withMaster(directory) {
                let text = try #require(FileText.read("\(directory)/state/admin.kubeconfig"))
                #expect(text.contains("https://127.0.0.2:\(port)"))
            }
        }
    }

    @Test("a name that the master's certificate has not is told with the setting", .timeLimit(.minutes(2)))
    func foreignName() async throws {
        try await inDirectory(listen: "0.0.0.0") { directory, port in
            try await withMaster(directory) {
                let text = try #require(FileText.read("\(directory)/state/admin.kubeconfig"))
                try FileText.write(
                    text.replacing("127.0.0.1:\(port)", with: "127.0.0.9:\(port)"), to: "\(directory)/other", mode: 0o600)
                let result = try await swiftlet(directory, ["get", "ns", "--kubeconfig", "\(directory)/other"]).result(
                    within: .seconds(60))
                #expect(result.status == 1 && result.errors.contains("swiftlet.certificateNames"), "\(result)")
            }
        }
    }

    private func isLink(_ path: String) -> Bool {
        var facts = stat()
        return lstat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFLNK
    }

    @Test("a Lite that gets no certificate is told which of its own settings to look at", .timeLimit(.minutes(3)))
    func refusedLite() async throws {
        try await inDirectory(listen: "127.0.0.1") { directory, port in
            func start(_ endpoint: String, authority: String, token: String = "nonsense") async throws -> CommandResult {
                var settings = KusciaConfiguration(mode: .lite, domainID: "alice")
                settings.masterEndpoint = endpoint
                settings.liteDeployToken = token
                settings.extensions.stateDirectory = "\(directory)/lite"
                settings.extensions.masterCAFile = authority
                settings.extensions.cgroupParent = "swiftlet.start.\(getpid())"
                try FileText.write(settings.commentedYAML, to: "\(directory)/lite.yaml", mode: 0o600)
                let result = try await swiftlet(directory, ["lite", "--config", "\(directory)/lite.yaml"]).result(within: .seconds(60))
                // Links into the machine's memory, which outlives the directory.
                for place in ["records", "runp/pods"] { #expect(!isLink("\(directory)/lite/\(place)"), "\(place) is left") }
                return result
            }
            let (url, authority) = ("https://127.0.0.1:\(port)", "\(directory)/state/pki/ca.crt")
            try await withMaster(directory) {
                let token = try await start(url, authority: authority)
                #expect(token.status == 1 && token.errors.contains("liteDeployToken is wrong"), "\(token)")
                try FileText.write("garbage", to: "\(directory)/garbage")
                let garbage = try await start(url, authority: "\(directory)/garbage")
                #expect(garbage.status == 1 && garbage.errors.contains("swiftlet.masterCAFile"), "\(garbage)")
                let other = MasterState("\(directory)/other-state")
                _ = try MasterIdentity(other, names: [])
                let foreign = try await start(url, authority: other.authority)
                #expect(foreign.status == 1 && foreign.errors.contains("swiftlet.masterCAFile is not"), "\(foreign)")
            }
            let away = try await start(url, authority: authority)
            #expect(away.status == 1 && away.errors.contains("masterEndpoint"), "\(away)")
        }
    }
}
