// A replica's wait for its turn, as a service: one that waits ends at SIGTERM as one that leads does. As the first process of a
// container it would not hear the signal at all else.
import KubernetesClient
import Logging
import ServiceLifecycle
import Synchronization

final class Election: Service {
    private struct State {
        var isLeading = false
        /// Nobody waits for this replica to lead any more, or its work is done.
        var isDone = false
    }

    private let elector: LeaderElector
    private let work: @Sendable () async throws -> Void
    private let state = Mutex(State())

    init(_ elector: LeaderElector, work: @escaping @Sendable () async throws -> Void) {
        self.elector = elector
        self.work = work
    }

    /// False: the lease was lost, another replica may lead.
    func run(logger: Logger) async throws -> Bool {
        try await ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [.init(service: self, successTerminationBehavior: .gracefullyShutdownGroup)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        ).run()
        return state.withLock(\.isDone)
    }

    func run() async throws {
        let turn = Task {
            try await self.elector.run {
                self.state.withLock { $0.isLeading = true }
                try await self.work()
            }
        }
        let isDone = try await withTaskCancellationHandler {
            try await withGracefulShutdownHandler {
                do { return try await turn.value } catch is CancellationError where !state.withLock(\.isLeading) { return true }
            } onGracefulShutdown: {
                // Who leads hears the signal too, and ends in order.
                if !self.state.withLock(\.isLeading) { turn.cancel() }
            }
        } onCancel: {
            turn.cancel()
        }
        state.withLock { $0.isDone = isDone }
    }
}
