// `swiftlet init`: prints a commented configuration.
import ArgumentParser

struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Print a commented configuration (kuscia.yaml) for a master or a Lite.")

    @Option(help: "master or lite.") var mode = "lite"
    @Option(name: [.short, .long], help: "The organisation's id.") var domain: String
    @Option(name: [.customShort("t"), .customLong("deploy-token")], help: "The Lite's one-time token (`swiftlet token`).")
    var deployToken: String?
    @Option(name: [.customShort("m"), .customLong("master-endpoint")], help: "https://HOST:PORT of the master.")
    var masterEndpoint: String?
    @Option(name: [.short, .long], help: "runp, runc or runk: what runs pods that name no RuntimeClass.") var runtime = "runp"
    @Option(name: [.customShort("l"), .customLong("log-level")], help: "DEBUG, INFO, WARN or ERROR.") var logLevel = "INFO"
    @Option(name: [.customShort("p"), .customLong("protocol")], help: "TLS or MTLS.") var transport = "TLS"

    func run() async throws {
        guard let mode = KusciaConfiguration.Mode(rawValue: mode.lowercased()), mode != .autonomy else {
            throw CommandFailure("--mode \(mode): expected master or lite", hint: nil)
        }
        let lites = [("--master-endpoint", masterEndpoint), ("--deploy-token", deployToken)]
        if mode == .master, let option = lites.first(where: { $0.1 != nil }) {
            throw CommandFailure("\(option.0): a master has none", hint: "leave it out, or --mode lite")
        }
        if let masterEndpoint, MasterEndpoint(masterEndpoint) == nil {
            throw CommandFailure(
                "--master-endpoint \(masterEndpoint): expected https://HOST:PORT", hint: "e.g. https://master.example:6443")
        }
        guard let runtime = KusciaConfiguration.Runtime(rawValue: runtime.lowercased()) else {
            throw CommandFailure("--runtime \(runtime): expected runp, runc or runk", hint: nil)
        }
        guard let level = KusciaConfiguration.LogLevel(rawValue: logLevel.uppercased()) else {
            throw CommandFailure("--log-level \(logLevel): expected DEBUG, INFO, WARN or ERROR", hint: nil)
        }
        guard let transport = KusciaConfiguration.TransportProtocol(rawValue: transport.uppercased()), transport != .notls else {
            throw CommandFailure("--protocol \(transport): expected TLS or MTLS", hint: nil)
        }
        let problem =
            mode == .lite ? KusciaConfiguration.domainProblem(domain) : KusciaConfiguration.domainIDProblem(domain)
        if let problem { throw CommandFailure("--domain: \(problem)", hint: nil) }
        var configuration = KusciaConfiguration(mode: mode, domainID: domain)
        configuration.logLevel = level
        configuration.transport = transport
        configuration.runtime = runtime
        configuration.liteDeployToken = deployToken
        configuration.masterEndpoint = masterEndpoint
        Terminal.output.write(configuration.commentedYAML)
    }
}
