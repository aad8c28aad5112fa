// How a master and a Lite run: their services as one group that stops in order on SIGTERM and SIGINT, within a bound.
import Logging
import ServiceLifecycle

enum ServiceRun {
    /// `services` start in this order and stop in the opposite one. `limit` bounds the orderly stop; then they are cancelled.
    static func run(_ services: [any Service], watch: ParentWatch?, limit: Duration, logger: Logger) async throws {
        var entries = services.map { ServiceGroupConfiguration.ServiceConfiguration(service: $0) }
        if let watch { entries.append(.init(service: watch, successTerminationBehavior: .gracefullyShutdownGroup)) }
        var configuration = ServiceGroupConfiguration(
            services: entries, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        configuration.maximumGracefulShutdownDuration = limit
        configuration.maximumCancellationDuration = .seconds(5)
        let resting = Task { try await RestingMemory.run() }
        defer { resting.cancel() }
        try await ServiceGroup(configuration: configuration).run()
    }
}
