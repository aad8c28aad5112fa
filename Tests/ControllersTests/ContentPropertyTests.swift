// Certificate requests, defaults, events, namespaces, quotas and domains over a server that refuses some writes.
import JSON
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import KusciaModel
import Synchronization
import Testing

@testable import Controllers

@Suite("content of a cluster: invariants", .serialized, .timeLimit(.minutes(2)))
struct ContentPropertyTests {
    @Test(
        "I-CSR-1: exactly the requests that the rule calls stale are removed, whatever fails in between",
        arguments: UInt64(1)...20)
    func certificateRequests(seed: UInt64) async throws {
        var dice = SeededDice(seed)
        let lab = try ControllerLab()
        for index in 0..<15 {
            try lab.api.put(
                CertificateSigningRequest(metadata: ObjectMeta(name: "\(dice.chance(1, of: 2) ? "stale" : "good")-\(index)")))
        }
        let wanted = try lab.api.objects(CertificateSigningRequest.self).map(\.metadata.name).filter { $0.hasPrefix("good") }
        let complaints = lab.unreliable(seed: seed) { call in
            call.verb == .delete && call.name?.hasPrefix("good") == true ? "\(call.name ?? "") is removed" : nil
        }
        let cleaner = CertificateRequestCleaner(
            api: lab.api, isStale: { request, _ in request["metadata"]?["name"]?.stringValue?.hasPrefix("stale") == true },
            now: { testTime }, logger: lab.logger)
        // One round may end early; the next goes on.
        for _ in 0..<30 { try? await cleaner.clean() }
        #expect(
            try lab.api.objects(CertificateSigningRequest.self).map(\.metadata.name).sorted() == wanted.sorted(), "seed \(seed)")
        #expect(complaints.all == [])
    }

    @Test(
        "I-DEFAULTS-1: at rest every namespace that stays has its account and the authority's map, and one that ends gets nothing",
        arguments: UInt64(1)...10)
    func defaults(seed: UInt64) async throws {
        var dice = SeededDice(seed)
        let lab = try ControllerLab()
        for index in 0..<8 {
            let isEnding = dice.chance(1, of: 3)
            let name = "\(isEnding ? "ending" : "fresh")-\(index)"
            try lab.api.put(
                Namespace(
                    metadata: ObjectMeta(
                        name: name, deletionTimestamp: isEnding ? testTime : nil, finalizers: isEnding ? ["x"] : []),
                    status: NamespaceStatus(phase: isEnding ? "Terminating" : "Active")))
            if dice.chance(1, of: 3), !isEnding {
                try lab.api.put(
                    ConfigMap(metadata: ObjectMeta(name: "kube-root-ca.crt", namespace: name), data: ["ca.crt": "old"]))
            }
        }
        let complaints = lab.unreliable(seed: seed) { call in
            call.verb == .create && call.namespace?.hasPrefix("ending") == true
                ? "\(call.resource) in \(call.namespace ?? "")" : nil
        }
        let informers = SharedInformers(api: lab.api, logger: lab.logger)
        let namespaces = Informer<Namespace>(api: lab.api, logger: lab.logger)
        let feed = ObjectFeed(api: lab.api, resources: lab.api.servedResources, informers: informers, logger: lab.logger)
        let controller = NamespaceDefaultsController(
            api: lab.api, feed: feed, namespaces: namespaces, configMaps: informers.configMaps, authority: "PEM",
            logger: lab.logger)
        func isProvided() throws -> Bool {
            let fresh = try lab.api.objects(Namespace.self).map(\.metadata.name).filter { $0.hasPrefix("fresh") }
            let accounts = Set(
                try lab.api.objects(ServiceAccount.self).filter { $0.metadata.name == "default" }.map {
                    $0.metadata.namespace ?? ""
                })
            let maps = Set(
                try lab.api.objects(ConfigMap.self).filter {
                    $0.metadata.name == "kube-root-ca.crt" && $0.data["ca.crt"] == "PEM"
                }
                .map { $0.metadata.namespace ?? "" })
            return accounts == Set(fresh) && maps == Set(fresh)
        }
        try await lab.running(informers) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await feed.run() }
                group.addTask { await namespaces.run() }
                group.addTask { try await controller.run() }
                try await group.waitForAll()
            }
        } _: {
            try await eventually("seed \(seed): provided") { try isProvided() }
            // What is deleted comes back, however often.
            for namespace in try lab.api.objects(ServiceAccount.self).compactMap(\.metadata.namespace) where dice.chance(1, of: 2)
            {
                lab.api.remove(ServiceAccount.resource, namespace: namespace, name: "default")
                lab.api.remove(ConfigMap.resource, namespace: namespace, name: "kube-root-ca.crt")
            }
            try await eventually("seed \(seed): provided again") { try isProvided() }
        }
        #expect(complaints.all == [])
    }

    @Test(
        "I-EVENT-2: at rest exactly the events younger than their life time are there, whatever fails", arguments: UInt64(1)...10)
    func events(seed: UInt64) async throws {
        var dice = SeededDice(seed)
        let lab = try ControllerLab()
        for index in 0..<40 {
            let age = Int64(dice.pick(200))
            let isNew = dice.chance(1, of: 3)
            let written = testTime.adding(seconds: -age)
            try lab.api.put(
                Event(
                    metadata: ObjectMeta(name: "\(age >= 100 ? "old" : "young")-\(index)", namespace: "a"),
                    lastTimestamp: isNew ? nil : written, eventTime: isNew ? MicroTimestamp(written) : nil))
        }
        let young = Set(try lab.api.objects(Event.self).map(\.metadata.name).filter { $0.hasPrefix("young") })
        let complaints = lab.unreliable(seed: seed) { call in
            call.verb == .delete && call.name?.hasPrefix("young") == true ? "\(call.name ?? "") is removed" : nil
        }
        let time = Mutex(testTime)
        let informers = SharedInformers(api: lab.api, logger: lab.logger)
        let controller = EventExpiryController(
            api: lab.api, ledger: EventLedger(lifetime: 100), period: .milliseconds(5), now: { time.withLock { $0 } },
            logger: lab.logger)
        try await lab.running(informers, { try await controller.run() }) {
            // Those whose removal failed count as written anew.
            try await eventually("seed \(seed): only the young, and what could not be removed") {
                let failed = Set(try lab.api.objects(Event.self).map(\.metadata.name)).subtracting(young)
                return failed.count <= 12
            }
            #expect(complaints.all == [])
            #expect(young.isSubset(of: Set(try lab.api.objects(Event.self).map(\.metadata.name))), "seed \(seed)")
            lab.api.setHook(nil)
            time.withLock { $0 = testTime.adding(seconds: 1000) }
            try await eventually("seed \(seed): in the end none") { try lab.api.objects(Event.self).isEmpty }
        }
    }

    @Test(
        "I-NS-1: a namespace is finalized only when nothing is in it, whatever fails and whatever holds its content",
        arguments: UInt64(1)...10)
    func namespaces(seed: UInt64) async throws {
        var dice = SeededDice(seed)
        let lab = try ControllerLab()
        try lab.api.put(
            Namespace(
                metadata: ObjectMeta(name: "gone", deletionTimestamp: testTime, finalizers: ["kubernetes"]),
                status: NamespaceStatus(phase: "Terminating")))
        for index in 0..<10 {
            let metadata = ObjectMeta(
                name: "o\(index)", namespace: "gone", finalizers: dice.chance(1, of: 3) ? ["example.com/wait"] : [])
            switch dice.pick(3) {
            case 0: try lab.api.put(ConfigMap(metadata: metadata))
            case 1: try lab.api.put(ServiceAccount(metadata: metadata))
            default: try lab.api.put(Service(metadata: metadata))
            }
        }
        let api = lab.api
        let left: @Sendable () throws -> Int = {
            try api.objects(ConfigMap.self, namespace: "gone").count + api.objects(ServiceAccount.self, namespace: "gone").count
                + api.objects(Service.self, namespace: "gone").count
        }
        // Few: a look in which nothing goes is repeated after seconds only.
        let complaints = lab.unreliable(seed: seed, failing: 2) { call in
            guard call.subresource == "finalize" else { return nil }
            return try left() > 0 ? "finalized with \(try left()) objects in it" : nil
        }
        let informers = SharedInformers(api: lab.api, logger: lab.logger)
        let namespaces = Informer<Namespace>(api: lab.api, logger: lab.logger)
        let feed = ObjectFeed(api: lab.api, resources: lab.api.servedResources, informers: informers, logger: lab.logger)
        let controller = NamespaceController(
            api: lab.api, feed: feed, resources: lab.api.servedResources, namespaces: namespaces, now: { testTime },
            logger: lab.logger)
        try await lab.running(informers) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await feed.run() }
                group.addTask { await namespaces.run() }
                group.addTask { try await controller.run() }
                try await group.waitForAll()
            }
        } _: {
            try await eventually("seed \(seed): what can go has gone") {
                try lab.api.objects(ConfigMap.self, namespace: "gone").allSatisfy { $0.metadata.deletionTimestamp != nil }
            }
            // Whoever held the content lets go, one after the other.
            for resource in [ConfigMap.resource, ServiceAccount.resource, Service.resource] {
                for index in 0..<10 where lab.api.document(resource, namespace: "gone", name: "o\(index)") != nil {
                    _ = try? await lab.api.patch(
                        resource, namespace: "gone", name: "o\(index)", subresource: nil, type: .merge,
                        body: Array(#"{"metadata":{"finalizers":null}}"#.utf8))
                }
            }
            lab.api.setHook { call in
                if call.subresource == "finalize", try left() > 0 { complaints.add("seed \(seed): finalized too early") }
            }
            try await eventually("seed \(seed): finalized") {
                for resource in [ConfigMap.resource, ServiceAccount.resource, Service.resource] {
                    for index in 0..<10 where lab.api.document(resource, namespace: "gone", name: "o\(index)") != nil {
                        _ = try? await lab.api.patch(
                            resource, namespace: "gone", name: "o\(index)", subresource: nil, type: .merge,
                            body: Array(#"{"metadata":{"finalizers":null}}"#.utf8))
                    }
                }
                return lab.api.calls.contains { $0.subresource == "finalize" }
            }
        }
        #expect(complaints.all == [])
    }

    @Test(
        "I-QUOTA-3: at rest a quota's status is the count of what is there, whoever comes and goes meanwhile",
        arguments: UInt64(1)...10)
    func quotas(seed: UInt64) async throws {
        var dice = SeededDice(seed)
        let lab = try ControllerLab()
        let hard = ["pods": Quantity(99), "requests.cpu": Quantity(99), "count/configmaps": Quantity(9), "services": Quantity(9)]
        try lab.api.put(ResourceQuota(metadata: ObjectMeta(name: "q", namespace: "a"), spec: ResourceQuotaSpec(hard: hard)))
        let complaints = lab.unreliable(seed: seed) { _ in nil }
        let informers = SharedInformers(api: lab.api, logger: lab.logger)
        let resources = lab.api.servedResources
        let feed = ObjectFeed(api: lab.api, resources: resources, informers: informers, logger: lab.logger)
        let controller = QuotaController(api: lab.api, feed: feed, informers: informers, resources: resources, logger: lab.logger)
        for index in 0..<12 {
            var pod = dice.pod(index)
            pod.metadata.namespace = "a"
            pod.metadata.finalizers = []
            pod.metadata.deletionTimestamp = nil
            pod.status.phase = .running
            try lab.api.put(pod)
            if dice.chance(1, of: 2) { try lab.api.put(ConfigMap(metadata: ObjectMeta(name: "m\(index)", namespace: "a"))) }
        }
        func counted() throws -> [String: Quantity] {
            var usage = QuotaUsage(
                objectsOf: ConfigMap.resource, count: try lab.api.objects(ConfigMap.self, namespace: "a").count)
            for pod in try lab.api.objects(Pod.self, namespace: "a") { usage += QuotaUsage(pod) }
            return usage.counted(by: hard)
        }
        try await lab.running(informers) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await feed.run() }
                group.addTask { try await controller.run() }
                try await group.waitForAll()
            }
        } _: {
            try await eventually("seed \(seed): counted") {
                try lab.api.object(ResourceQuota.self, namespace: "a", name: "q")?.status.used == counted()
            }
            // What goes or ends is given back; additions are counted by admission, which is not here.
            for index in 0..<12 where dice.chance(1, of: 2) {
                if dice.chance(1, of: 2), var pod = try lab.api.object(Pod.self, namespace: "a", name: "p\(index)") {
                    pod.status.phase = .succeeded
                    try lab.api.put(pod)
                } else {
                    lab.api.remove(Pod.resource, namespace: "a", name: "p\(index)")
                    lab.api.remove(ConfigMap.resource, namespace: "a", name: "m\(index)")
                }
            }
            try await eventually("seed \(seed): counted again") {
                try lab.api.object(ResourceQuota.self, namespace: "a", name: "q")?.status.used == counted()
            }
        }
        #expect(complaints.all == [])
    }

    @Test(
        "I-DOMAIN-1: at rest every domain has its namespace and one unused token; a token that was used never comes back",
        arguments: UInt64(1)...10)
    func domains(seed: UInt64) async throws {
        var dice = SeededDice(seed)
        let lab = try ControllerLab()
        let names = (0..<4).map { "d\($0)" }
        for name in names { try lab.api.put(Domain(metadata: ObjectMeta(name: name))) }
        let complaints = lab.unreliable(seed: seed) { _ in nil }
        let informers = SharedInformers(api: lab.api, logger: lab.logger)
        let serial = Atomic(0)
        let controller = DomainController(
            api: lab.api, informers: informers, now: { testTime },
            makeToken: { "token-\(serial.add(1, ordering: .relaxed).newValue)" }, logger: lab.logger)
        func unused(_ name: String) throws -> [String] {
            try lab.api.object(Domain.self, name: name)?.status.deployTokenStatuses.filter { $0.state == "unused" }.map(\.token)
                ?? []
        }
        var used: Set<String> = []
        try await lab.running(informers, { try await controller.run() }) {
            for _ in 0..<4 {
                try await eventually("seed \(seed): a token and a namespace each") {
                    let namespaces = Set(try lab.api.objects(Namespace.self).map(\.metadata.name))
                    return try names.allSatisfy { try unused($0).count == 1 && namespaces.contains($0) }
                }
                for name in names {
                    let fresh = try unused(name)
                    #expect(used.isDisjoint(with: fresh), "seed \(seed): \(fresh) was used before")
                    guard dice.chance(2, of: 3), var domain = try lab.api.object(Domain.self, name: name) else { continue }
                    // A Lite registers with it.
                    for index in domain.status.deployTokenStatuses.indices {
                        domain.status.deployTokenStatuses[index].state = "used"
                    }
                    used.formUnion(fresh)
                    try lab.api.put(domain)
                }
            }
        }
        #expect(complaints.all == [])
    }
}
