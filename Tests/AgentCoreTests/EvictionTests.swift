// Eviction: thresholds as text, the kubelet's order, and the machine's invariants over seeded nodes that fill up.
import KubernetesModel
import Testing

@testable import AgentCore

private func machineLoad(_ change: (inout NodeMeasurement) -> Void = { _ in }) -> NodeMeasurement {
    var load = NodeMeasurement(
        memoryAvailableBytes: 4 << 30, diskFreeBytes: 50 << 30, diskTotalBytes: 100 << 30, inodesFree: 500, inodesTotal: 1000,
        processes: 100, processLimit: 32768, memoryTotalBytes: 8 << 30)
    change(&load)
    return load
}

private func pod(_ uid: String, priority: Int = 0, memory: Int64 = 0, request: Int64 = 0, critical: Bool = false) -> PodLoad {
    PodLoad(
        uid: uid, priority: priority, isCritical: critical,
        containers: [.init(name: "main", memoryBytes: memory, memoryRequest: request)], graceSeconds: 1)
}

@Suite("loads of pods")
struct PodLoadTests {
    @Test("requests and uses that no machine could hold add up to the most there is")
    func sums() {
        var load = pod("a", memory: .max, request: .max)
        load.containers += [.init(name: "b", memoryBytes: .max, memoryRequest: 1)]
        load.containers[0].storageRequest = .max
        load.containers[1].storageRequest = .max
        load.volumeBytes = .max
        #expect([load.memoryBytes, load.memoryRequest, load.storageRequest, load.storageBytes] == [.max, .max, .max, .max])
    }
}

@Suite("eviction thresholds")
struct EvictionThresholdTests {
    @Test("thresholds are read as the kubelet's flag writes them")
    func parsing() throws {
        let read = try EvictionThresholds(parsing: "memory.available<100Mi, nodefs.available<10%,pid.available<500")
        #expect(
            read.all == [
                EvictionThreshold(.memoryAvailable, .absolute(100 << 20)), EvictionThreshold(.nodefsAvailable, .percent(10)),
                EvictionThreshold(.pidAvailable, .absolute(500)),
            ])
        #expect(try EvictionThresholds(parsing: "").all.isEmpty)
        for wrong in ["memory.available", "memory.free<1Gi", "nodefs.available<101%", "memory.available<-1", "a<b<c"] {
            #expect(throws: EvictionThresholdError.self) { try EvictionThresholds(parsing: wrong) }
        }
    }

    @Test("a limit is met below it, not at it; a machine that does not count inodes has enough of them")
    func limits() {
        let threshold = EvictionThreshold(.nodefsAvailable, .percent(10))
        #expect(!threshold.isMet(machineLoad { $0.diskFreeBytes = 10 << 30 }))
        #expect(threshold.isMet(machineLoad { $0.diskFreeBytes = (10 << 30) - 1 }))
        let inodes = EvictionThreshold(.nodefsInodesFree, .percent(5))
        #expect(!inodes.isMet(machineLoad { ($0.inodesFree, $0.inodesTotal) = (0, 0) }))
        #expect(inodes.isMet(machineLoad { $0.inodesFree = 49 }))
    }
}

@Suite("eviction order")
struct EvictionOrderTests {
    private func order(_ pods: [PodLoad], _ signal: EvictionSignal = .memoryAvailable) -> [String] {
        EvictionOrder.candidates(pods, for: signal).map(\.uid)
    }

    @Test("over the request first, then the lower priority, then the greater excess; critical pods never")
    func memory() {
        let pods = [
            pod("within-low", priority: 0, memory: 1 << 30, request: 2 << 30),
            pod("over-high", priority: 10, memory: 3 << 30, request: 1 << 30),
            pod("over-low-little", priority: 0, memory: 2 << 30, request: 1 << 30),
            pod("over-low-much", priority: 0, memory: 4 << 30, request: 1 << 30),
            pod("critical", memory: 9 << 30, critical: true),
        ]
        #expect(order(pods) == ["over-low-much", "over-low-little", "over-high", "within-low"])
    }

    @Test("inodes and pids: nobody can ask for them, so priority decides before use")
    func processes() {
        var (few, many, important) = (pod("few"), pod("many"), pod("important", priority: 5))
        (few.processes, many.processes, important.processes) = (3, 300, 900)
        #expect(order([few, important, many], .pidAvailable) == ["many", "few", "important"])
    }

    @Test("the order does not depend on how the pods were listed")
    func total() {
        for seed in 0..<300 as Range<UInt64> {
            var random = SeededGenerator(state: seed)
            let pods = (0..<8).map { index in
                pod(
                    "p\(index)", priority: Int.random(in: 0...2, using: &random), memory: Int64.random(in: 0...3, using: &random),
                    request: Int64.random(in: 0...3, using: &random))
            }
            #expect(order(pods) == order(pods.shuffled(using: &random)), "seed \(seed)")
        }
    }

    @Test("the message is the kubelet's")
    func message() {
        let text = EvictionOrder.message(
            pod("p", memory: 200 << 20, request: 100 << 20), EvictionThreshold(.memoryAvailable, .absolute(100 << 20)),
            machineLoad { $0.memoryAvailableBytes = 50 << 20 })
        #expect(
            text == "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
                + "Container main was using 200Mi, request is 100Mi, has larger consumption of memory. ")
    }
}

@Suite("eviction machine")
struct EvictionMachineTests {
    private let full = machineLoad { $0.memoryAvailableBytes = 50 << 20 }

    @Test("a soft threshold waits for its grace, a hard one for nothing; a moment of relief begins the grace anew")
    func grace() {
        var soft = EvictionMachine(
            thresholds: EvictionThresholds([EvictionThreshold(.memoryAvailable, .absolute(100 << 20), graceSeconds: 60)]))
        #expect(soft.look(full, [pod("a")], now: epoch).action == .none)
        #expect(soft.look(full, [pod("a")], now: epoch + 59 * second).action == .none)
        #expect(soft.look(machineLoad(), [pod("a")], now: epoch + 60 * second).action == .none)
        #expect(soft.look(full, [pod("a")], now: epoch + 61 * second).action == .none)
        guard case .evict("a", .memoryAvailable, _) = soft.look(full, [pod("a")], now: epoch + 121 * second).action else {
            Issue.record("not evicted after its grace")
            return
        }
        var hard = EvictionMachine(thresholds: .standard)
        guard case .evict = hard.look(full, [pod("a")], now: epoch).action else {
            Issue.record("not evicted at once")
            return
        }
    }

    @Test("disk is cleaned before anybody is evicted, and once for each time that the disk fills up")
    func reclaim() {
        var machine = EvictionMachine(thresholds: .standard)
        let disk = machineLoad { $0.diskFreeBytes = 1 << 30 }
        #expect(machine.look(disk, [pod("a")], now: epoch).action == .reclaimDisk(.nodefsAvailable))
        #expect(machine.look(machineLoad(), [], now: epoch + second).action == .none)
        #expect(machine.look(disk, [pod("a")], now: epoch + 2 * second).action == .reclaimDisk(.nodefsAvailable))
        guard case .evict("a", .nodefsAvailable, _) = machine.look(disk, [pod("a")], now: epoch + 3 * second).action else {
            Issue.record("cleaning did not help, and nobody was evicted")
            return
        }
    }

    @Test("pressure is told from the first look until five minutes after the last")
    func pressure() {
        var machine = EvictionMachine(thresholds: .standard)
        #expect(machine.look(full, [], now: epoch).pressures == [.memory])
        #expect(machine.look(machineLoad(), [], now: epoch + 299 * second).pressures == [.memory])
        #expect(machine.look(machineLoad(), [], now: epoch + 300 * second).pressures == [])
    }

    /// A node whose pods grow at random; evicted pods leave after a while, or do not.
    @Test("I-EVICT-1 to I-EVICT-5 hold on 500 seeded nodes", arguments: [0, 100, 200, 300, 400] as [UInt64])
    func invariants(from first: UInt64) {
        for seed in first..<first + 100 {
            var random = SeededGenerator(state: seed)
            var machine = EvictionMachine(thresholds: .standard, transitionSeconds: 60)
            var now = epoch
            var pods = (0..<6).map { pod("p\($0)", priority: $0 % 3, critical: $0 == 5) }
            var ending: (uid: String, since: Int64)?
            var cleaned: Set<EvictionSignal> = []
            var lastMet: [NodePressure: Int64] = [:]
            for _ in 0..<200 {
                now += Int64.random(in: 1...10, using: &random) * second
                let load = machineLoad { load in
                    load.memoryAvailableBytes = Int64.random(in: 0...400, using: &random) << 20
                    load.diskFreeBytes = Int64.random(in: 5...40, using: &random) << 30
                    load.processes = Int64.random(in: 28_000...30_000, using: &random)
                }
                for index in pods.indices {
                    pods[index].containers[0].memoryBytes = Int64.random(in: 0...100, using: &random) << 20
                }
                if let gone = ending, Int.random(in: 0..<3, using: &random) == 0 {
                    pods.removeAll { $0.uid == gone.uid }
                    pods.append(pod("p\(now)", priority: Int.random(in: 0...2, using: &random)))
                    ending = nil
                }
                let met = machine.thresholds.met(load)
                cleaned.formIntersection(met.map(\.signal))
                for threshold in met { lastMet[threshold.signal.pressure] = now }
                let decision = machine.look(load, pods, now: now)
                let expected = Set(lastMet.filter { now - $0.value < 60 * second }.keys)
                #expect(decision.pressures == expected, "I-EVICT-4, seed \(seed)")
                switch decision.action {
                case .none: break
                case .reclaimDisk(let signal): cleaned.insert(signal)
                case .evict(let uid, let signal, _):
                    let victim = pods.first { $0.uid == uid }
                    #expect(victim?.isCritical == false, "I-EVICT-2, seed \(seed)")
                    #expect(met.contains { $0.signal == signal }, "I-EVICT-5, seed \(seed)")
                    #expect(EvictionOrder.candidates(pods, for: signal).first?.uid == uid, "I-EVICT-5, seed \(seed)")
                    if signal.pressure == .disk { #expect(cleaned.contains(signal), "I-EVICT-3, seed \(seed)") }
                    let slack = (1 + EvictionMachine.slackSeconds) * second
                    let isFree = ending.map { now - $0.since >= slack } ?? true
                    #expect(isFree, "I-EVICT-1, seed \(seed)")
                    ending = (uid, now)
                }
            }
        }
    }
}

@Suite("limits on a pod's disk")
struct StorageLimitTests {
    @Test("a container over its limit, and a pod over the sum of its limits, in the kubelet's words")
    func limits() {
        let limited = makePod(containers: ["a", "b"], limits: ["ephemeral-storage": Quantity(bytes: 10 << 20)])
        #expect(StorageLimits.hasAny(limited) && !StorageLimits.hasAny(makePod()))
        var scratch = makePod()
        scratch.spec.volumes = [Volume(name: "work", emptyDir: EmptyDirVolumeSource(sizeLimit: Quantity(bytes: 1 << 20)))]
        #expect(StorageLimits.hasAny(scratch) && StorageLimits.excess(scratch, PodStorageUse(volumes: ["work": 1 << 20])) == nil)
        #expect(
            StorageLimits.excess(scratch, PodStorageUse(volumes: ["work": 2 << 20]))
                == "Usage of EmptyDir volume \"work\" exceeds the limit \"1Mi\". ")
        #expect(StorageLimits.excess(limited, PodStorageUse(containers: ["a": 10 << 20, "b": 10 << 20])) == nil)
        #expect(
            StorageLimits.excess(limited, PodStorageUse(containers: ["a": 11 << 20]))
                == "Container a exceeded its local ephemeral storage limit \"10Mi\". ")
        #expect(
            StorageLimits.excess(limited, PodStorageUse(containers: ["a": 5 << 20], volumes: ["work": 16 << 20]))
                == "Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. ")
    }
}
