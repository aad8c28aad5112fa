// Removes events that have lived long enough. `EventLedger` decides.
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import Synchronization

final class EventExpiryController: Sendable {
    static let period = Duration.seconds(10)

    private let api: any KubernetesAPI
    private let events: Informer<EventView>
    private let ledger: Mutex<EventLedger>
    private let period: Duration
    private let now: @Sendable () -> Timestamp
    private let logger: Logger

    init(
        api: any KubernetesAPI, ledger: EventLedger = EventLedger(), period: Duration = EventExpiryController.period,
        now: @escaping @Sendable () -> Timestamp, logger: Logger
    ) {
        self.api = api
        events = Informer(api: api, logger: logger)
        self.ledger = Mutex(ledger)
        self.period = period
        self.now = now
        self.logger = logger
    }

    func run() async throws {
        events.onEvent { event in
            let one = event.object
            let key = EventLedger.Key(namespace: one.observedKey.namespace ?? "", name: one.observedKey.name)
            if case .deleted = event { return self.ledger.withLock { $0.remove(key) } }
            let now = self.now()
            self.ledger.withLock { $0.note(key, at: (one.written ?? now).unixSeconds, now: now.unixSeconds) }
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.events.run() }
            group.addTask {
                await self.events.waitUntilSynced()
                while !Task.isCancelled {
                    await self.expire()
                    try? await Task.sleep(for: self.period)
                }
            }
        }
    }

    private func expire() async {
        while !Task.isCancelled {
            let due = ledger.withLock { $0.due(now: now().unixSeconds) }
            if due.isEmpty { return }
            for key in due {
                do {
                    try await api.deleteIfPresent(Event.self, namespace: key.namespace, name: key.name)
                } catch {
                    logger.debug(
                        "event not removed; trying again",
                        metadata: ["event": "\(key.namespace)/\(key.name)", "error": "\(error)"])
                    let now = now().unixSeconds
                    ledger.withLock { ledger in
                        ledger.remove(key)
                        ledger.note(key, at: now, now: now)
                    }
                }
            }
        }
    }
}
