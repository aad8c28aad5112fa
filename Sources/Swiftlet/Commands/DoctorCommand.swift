// `swiftlet doctor`: what this machine can do for a sandbox, tried rather than guessed; with a Lite's configuration also
// whether that Lite can work here.
import ArgumentParser
import SandboxRun

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Try every feature of the sandbox here: what works, what is missing, why, and the fix.",
        discussion: """
            Exit status 0: sandboxes can be made here as this user; 1: something essential is missing. With --config (or \
            --kubeconfig), the node's memory, disk, certificate and connection are looked at too.
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case table, json }

    @Option(name: .shortAndLong, help: "table or json.")
    var output: Format = .table

    @Option(help: "Where images and volumes lie: the file system whose abilities count.")
    var directory: String = "."

    @Option(name: [.short, .long], help: "A Lite's configuration: look at that node too.") var config: String?
    @Option(help: "The node's kubeconfig, for one that joins a Kubernetes cluster.") var kubeconfig: String?

    func run() async throws {
        let settings = try settings()
        let directory = directory
        var report = try await BlockingCall.run {
            Result { () throws(RunFailure) in try DoctorProgram.examine(directory: directory) }
        }.get()
        var checks: [NodeCheck] = []
        if let settings { checks = await NodeChecks(settings: settings).run() }
        report.lite = checks.map(\.doctorFinding)
        switch output {
        case .json: Terminal.output.write(report.json)
        case .table:
            Terminal.output.write(report.text)
            for check in checks {
                Terminal.output.line("\(check.isFine ? "ok" : "MISSING")  \(check.name): \(check.finding)")
                if let fix = check.fix { Terminal.output.line("         fix: \(fix)") }
            }
        }
        if !report.isHealthy { throw ExitCode(1) }
    }

    /// Of the Lite that is to be looked at too; nil: none was named.
    private func settings() throws -> LiteSettings? {
        guard config != nil || kubeconfig != nil else { return nil }
        let path = config ?? "kuscia.yaml"
        let membership = try kubeconfig.map(ClusterMembership.init(kubeconfigPath:))
        var configuration = KusciaConfiguration(mode: .lite, domainID: "")
        if config != nil { configuration = try KusciaConfiguration.load(path: path, joining: membership != nil).configuration }
        guard configuration.mode == .lite else {
            throw CommandFailure(
                "\(path): mode: expected lite, found \(configuration.mode.rawValue)",
                hint: "the doctor looks at machines that run tasks; a master needs none of it: leave --config out")
        }
        let settings = try LiteSettings(configuration, configurationPath: path, membership: membership)
        try settings.check(configurationPath: path)
        return settings
    }
}

extension NodeCheck {
    fileprivate var doctorFinding: DoctorFinding {
        DoctorFinding(.lite, name, isFine ? .works : .missing, finding, fix: fix ?? "", essential: true)
    }
}
