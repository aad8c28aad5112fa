// A master's core with a durable store in a directory, filled with nodes and pods: what the end-to-end figures run on.
import APIServer
import Glibc
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import ResourceStore

struct BenchFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

struct Cluster {
    static let namespace = "bench"
    /// Creations under way at once.
    static let writers = 64

    let store: JournaledStore
    let api: LocalKubernetesAPI
    let quiet = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
    private let path: String

    /// `directory` is on the disk whose durability is measured.
    init(directory: String, nodes: Int) async throws {
        path = "\(directory)/scheduler-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).db"
        store = try JournaledStore.sqlite(path: path)
        api = LocalKubernetesAPI(handler: APIHandler(store: store, now: { Int64(time(nil)) }, log: quiet))
        try await api.create(Namespace(metadata: ObjectMeta(name: Self.namespace)))
        let allocatable = ["cpu": try Quantity("64"), "memory": try Quantity("256Gi"), "pods": try Quantity("250")]
        try await Self.inParallel(nodes) { [api] index in
            let ready = NodeCondition(type: "Ready", status: .true)
            try await api.create(
                Node(
                    metadata: ObjectMeta(name: "node-\(index)", labels: ["kubernetes.io/hostname": "node-\(index)"]),
                    status: NodeStatus(capacity: allocatable, allocatable: allocatable, conditions: [ready])))
        }
    }

    /// Pods `first..<first + count`, in gangs of `gang` when that is more than one.
    func createPods(_ count: Int, gang: Int = 1) async throws {
        let requests = ["cpu": try Quantity("100m"), "memory": try Quantity("64Mi")]
        try await Self.inParallel(count) { [api] index in
            var metadata = ObjectMeta(name: "pod-\(index)", namespace: Self.namespace, labels: ["app": "bench"])
            if gang > 1 {
                metadata.annotations = [
                    "kuscia.secretflow/pod-group": "gang-\(index / gang)", "kuscia.secretflow/pod-group-size": "\(gang)",
                    "kuscia.secretflow/pod-group-min-members": "\(gang)",
                ]
            }
            let container = Container(name: "main", image: "pause", resources: ResourceRequirements(requests: requests))
            try await api.create(Pod(metadata: metadata, spec: PodSpec(containers: [container])))
        }
    }

    func close() async {
        await store.close()
        for suffix in ["", "-wal", "-shm", "-journal"] { unlink(path + suffix) }
    }

    static func inParallel(_ count: Int, _ work: @escaping @Sendable (Int) async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<min(writers, count) {
                group.addTask {
                    for index in stride(from: worker, to: count, by: writers) { try await work(index) }
                }
            }
            try await group.waitForAll()
        }
    }
}
