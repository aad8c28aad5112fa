// `swiftlet token`: a domain's unused deploy token, with which one Lite may get its certificate.
import ArgumentParser

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Print an unused deploy token of a domain, for its Lite's first start.")

    @Argument(help: "The domain's id.") var domain: String
    @Flag(help: "Register the domain if the cluster does not know it.") var create = false
    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
        if let problem = KusciaConfiguration.domainProblem(domain) { throw ValidationError("the domain's id: \(problem)") }
    }

    func run() async throws {
        try await cluster.withConnection(while: "token \(domain)") { connection in
            let domains = DomainRegistry(api: connection.api)
            if create { try await domains.register(domain) }
            Terminal.output.line(try await domains.unusedToken(of: domain))
        }
    }
}
