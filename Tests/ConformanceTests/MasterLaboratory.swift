// A real `swiftlet master` process on a free port with a state directory of its own: started, killed, started again.
import Glibc
import JSON
import KubernetesClient
import KubernetesClientHTTP
import KubernetesModel
import PKI
import Synchronization

final class MasterLaboratory: Sendable {
    let directory: String
    let port: Int
    let api: HTTPKubernetesAPI
    private let authority: CertificateAuthority
    private let master: Mutex<Program>

    var kubeconfig: String { "\(directory)/state/admin.kubeconfig" }
    var server: String { "https://127.0.0.1:\(port)" }
    var authorityPEM: String { authority.certificatePEM }
    var pid: pid_t { master.withLock { $0.pid } }

    static let repository = String(#filePath.dropLast("/Tests/ConformanceTests/MasterLaboratory.swift".count))

    /// Starts a master for `body`, stops it in order afterwards; prints its log when something went wrong.
    static func run<Value: Sendable>(_ body: (MasterLaboratory) async throws -> Value) async throws -> Value {
        let laboratory = try await MasterLaboratory()
        let result: Result<Value, any Error>
        do {
            result = .success(try await body(laboratory))
        } catch {
            await laboratory.awaitBacktrace()
            print("--- master\n\(laboratory.log.split(separator: "\n").suffix(laboratory.isTrapped ? 400 : 40).joined(separator: "\n"))")
            result = .failure(error)
        }
        await laboratory.api.shutdown()
        laboratory.master.withLock { $0 }.signal(SIGTERM)
        let ended = try await laboratory.master.withLock { $0 }.result(within: .seconds(20))
        _ = try await Program.run(["/bin/rm", "-rf", laboratory.directory], directory: "/tmp")
        let value = try result.get()
        guard ended.status == 0 else { throw LaboratoryFailure("the master did not stop in order: \(ended)") }
        return value
    }

    private init() async throws {
        var template = Array("/tmp/swiftlet-conformance-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw LaboratoryFailure("mkdtemp: errno \(errno)") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        port = try Self.freePort()
        let configuration = """
            mode: master
            domainID: kuscia-master
            swiftlet:
              stateDirectory: state
              listenAddress: 127.0.0.1
              port: \(port)
            """
        try TextFile.write(configuration, to: "\(directory)/kuscia.yaml")
        let program = try Self.start(directory)
        master = Mutex(program)
        let kubeconfig = "\(directory)/state/admin.kubeconfig"
        try await eventually("the master writes its kubeconfig", state: { program.output + program.errors }) {
            guard program.isAlive else { throw LaboratoryFailure("the master ended: \(program.output)\(program.errors)") }
            return access(kubeconfig, R_OK) == 0
        }
        guard let pair = try CertificateFiles(directory: "\(directory)/state/pki").load("ca") else {
            throw LaboratoryFailure("the master has made no authority in \(directory)/state/pki")
        }
        authority = try CertificateAuthority(pair)
        api = try HTTPKubernetesAPI(kubeconfig: Kubeconfig(parsing: TextFile.read(kubeconfig) ?? ""))
        try await waitUntilReady()
    }

    var log: String { master.withLock { $0.output + $0.errors } }

    private static func start(_ directory: String) throws -> Program {
        try Program([try program("swiftlet"), "master", "--config", "\(directory)/kuscia.yaml"], directory: directory)
    }

    /// The programs of this very build lie beside the test's own executable, unless SWIFTLET_BIN names another place.
    static func program(_ name: String) throws -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let own = String(decoding: buffer[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let place =
            getenv("SWIFTLET_BIN").map { String(cString: $0) } ?? own.split(separator: "/").dropLast().map { "/\($0)" }.joined()
        guard access("\(place)/\(name)", X_OK) == 0 else { throw LaboratoryFailure("\(place)/\(name) is not built") }
        return "\(place)/\(name)"
    }

    private func waitUntilReady() async throws {
        try await eventually("the master is ready", state: { self.log }) {
            guard self.master.withLock({ $0.isAlive }) else { throw LaboratoryFailure("the master ended: \(self.log)") }
            do {
                _ = try await self.api.get(.init(resource: "namespaces"), namespace: nil, name: "cross-domain", subresource: nil)
                return true
            } catch is KubernetesAPIError { return false }
        }
    }

    /// It died of a trap, or is about to: Swift's runtime writes where it was, which takes longer than what a test waits for.
    private var isTrapped: Bool { log.contains("Backtracing from") }

    private func awaitBacktrace() async {
        guard isTrapped else { return }
        // What is not whole by then is printed as it is.
        try? await eventually("the backtrace is whole", within: .seconds(180)) { !master.withLock { $0.isAlive } }
    }

    /// SIGKILL, and nothing in its place.
    func kill() async throws {
        let old = master.withLock { $0 }
        old.signal(SIGKILL)
        _ = try await old.result(within: .seconds(10))
    }

    func startAgain() async throws {
        let again = try Self.start(directory)
        master.withLock { $0 = again }
        try await waitUntilReady()
    }

    // MARK: Callers

    func certificate(_ name: String, _ organizations: [String]) throws -> CertificateAndKey {
        try authority.issueClient(commonName: name, organizations: organizations)
    }

    func client(_ name: String, _ organizations: [String]) throws -> HTTPKubernetesAPI {
        let pair = try certificate(name, organizations)
        return try HTTPKubernetesAPI(
            endpoint: APIServerEndpoint(server: server, authorityPEM: authorityPEM),
            credentials: ClientCredentials(certificatePEM: pair.certificatePEM, privateKeyPEM: pair.privateKeyPEM))
    }

    /// A file of the test's directory with this text.
    func file(_ name: String, _ text: String) throws -> String {
        try TextFile.write(text, to: "\(directory)/\(name)")
        return "\(directory)/\(name)"
    }

    private static func freePort() throws -> Int {
        for _ in 0..<100 {
            let port = Int.random(in: 20_000..<30_000)
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            defer { close(descriptor) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(port).bigEndian
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            let isFree = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            if isFree { return port }
        }
        throw LaboratoryFailure("no free port")
    }
}
