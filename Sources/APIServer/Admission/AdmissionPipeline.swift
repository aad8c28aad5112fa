// Runs the admission steps over one write, in a fixed order.
import JSON
import ResourceStore

/// The steps that a server asks, in order.
struct AdmissionPipeline: Sendable {
    let steps: [any AdmissionStep]

    init(_ steps: [any AdmissionStep] = AdmissionPipeline.standard) { self.steps = steps }

    /// Kubernetes' order of plug-ins, as far as they exist here: what must exist first, what it costs last.
    static let standard: [any AdmissionStep] = [
        NamespaceLifecycle(), LimitRanger(), ServiceAccountAdmission(), PriorityAdmission(), NodeRestriction(), MetricsOwnership(),
        ResourceQuotaAdmission(),
    ]

    /// Those that have something to say about a write; usually one or two.
    func steps(for attributes: AdmissionAttributes) -> [any AdmissionStep] { steps.filter { $0.handles(attributes) } }
}

/// Reads for admission from the store behind a handler.
struct StoreAdmissionLookup: AdmissionLookup {
    let store: any ResourceStore
    let now: Int64

    func stored(_ key: ResourceKey) throws(StatusError) -> StoredObject? {
        do { return try store.peek(key) } catch { throw .store(error) }
    }

    func stored(_ collection: CollectionID, namespace: String?) throws(StatusError) -> [StoredObject] {
        do { return try store.scan(ListRequest(collection: collection, namespace: namespace)).objects } catch {
            throw .store(error)
        }
    }
}
