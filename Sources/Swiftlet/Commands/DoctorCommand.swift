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
        let words = ["--output", output.rawValue, "--directory", directory]
        let status = await BlockingCall.run { DoctorProgram.main(words) }
        let nodeIsFine = try await lookAtNode()
        if status != 0 { throw ExitCode(status) }
        if !nodeIsFine { throw ExitCode(1) }
    }

    /// Lines of the node's findings; true when there is nothing to mend. The JSON report is the sandbox's alone.
    private func lookAtNode() async throws -> Bool {
        guard config != nil || kubeconfig != nil else { return true }
        let path = config ?? "kuscia.yaml"
        let membership = try kubeconfig.map(ClusterMembership.init(kubeconfigPath:))
        var configuration = KusciaConfiguration(mode: .lite, domainID: "")
        if config != nil { configuration = try KusciaConfiguration.load(path: path, joining: membership != nil).configuration }
        let settings = try LiteSettings(configuration, configurationPath: path, membership: membership)
        let checks = await NodeChecks(settings: settings).run()
        let terminal = output == .json ? Terminal.error : Terminal.output
        for check in checks {
            terminal.line("\(check.isFine ? "ok" : "MISSING")  \(check.name): \(check.finding)")
            if let fix = check.fix { terminal.line("         fix: \(fix)") }
        }
        return checks.allSatisfy(\.isFine)
    }
}
