// Fair queueing: invariants I-LIMIT-1 to 4 over random histories, and the classes of requests.
import Testing

@testable import APIServer

struct SecurityLimitsTests {
    /// A random history over few seats and callers; everything is checked after every step.
    @Test("bounds hold and no seat stays free while somebody may have it (I-LIMIT-1, I-LIMIT-2)", arguments: 0..<20)
    func bounds(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var limits = FairQueue.Configuration()
        limits.seats = Int.random(in: 1...6, using: &random)
        limits.seatsPerCaller = Int.random(in: 1...limits.seats, using: &random)
        limits.waitingPerCaller = Int.random(in: 1...5, using: &random)
        limits.waiting = Int.random(in: 1...12, using: &random)
        limits.maximumWaitMilliseconds = 50
        limits.requestsPerSecond = 100_000
        limits.burst = 100_000
        var queue = FairQueue(limits)
        let callers = ["a", "b", "c", "d", "e"]
        var running: [UInt64: String] = [:]
        var waiting: [UInt64: String] = [:]
        var now: Int64 = 0
        for step in 0..<3000 as Range<UInt64> {
            let context = "seed \(seed), step \(step)"
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let name = callers.randomElement(using: &random) ?? "a"
                let level = FairQueue.Level(rawValue: (callers.firstIndex(of: name) ?? 0) % 3) ?? .workload
                switch queue.enter(step, caller: name, level: level, cost: Int.random(in: 0...6, using: &random), now: now) {
                case .run: running[step] = name
                case .wait: waiting[step] = name
                case .refuse(let reason): #expect(reason == .queueFull, "\(context)")
                }
            case 5..<8:
                guard let id = running.keys.sorted().randomElement(using: &random) else { continue }
                running[id] = nil
                for next in queue.leave(id) {
                    let name = waiting.removeValue(forKey: next)
                    #expect(name != nil, "\(context): \(next) did not wait")
                    running[next] = name
                }
            case 8:
                guard let id = waiting.keys.sorted().randomElement(using: &random) else { continue }
                let wasWaiting = queue.abandon(id)
                #expect(wasWaiting, "\(context)")
                waiting[id] = nil
            default:
                now += Int64.random(in: 0...30, using: &random)
                for id in queue.expire(now: now) { #expect(waiting.removeValue(forKey: id) != nil, "\(context)") }
            }
            #expect(queue.runningCount == running.count && queue.waitingCount == waiting.count, "\(context)")
            #expect(running.count <= limits.seats && waiting.count <= limits.waiting, "I-LIMIT-1 \(context)")
            for name in callers {
                #expect(queue.running(of: name) == running.values.count { $0 == name }, "\(context)")
                #expect(queue.running(of: name) <= limits.seatsPerCaller, "I-LIMIT-1 \(context)")
                #expect(queue.waiting(of: name) <= limits.waitingPerCaller, "I-LIMIT-1 \(context)")
            }
            #expect(running.count == limits.seats || !queue.hasEligible, "I-LIMIT-2 \(context)")
        }
        for id in running.keys.sorted() { _ = queue.leave(id) }
    }

    /// Callers that always want more, one seat; returns who was served, in order.
    private static func serve(_ callers: [(name: String, level: FairQueue.Level, cost: Int)], departures: Int) -> [String] {
        var limits = FairQueue.Configuration()
        limits.seats = 1
        limits.seatsPerCaller = 1
        limits.burst = 1_000_000
        var queue = FairQueue(limits)
        var owner: [UInt64: (name: String, level: FairQueue.Level, cost: Int)] = [:]
        var id: UInt64 = 0
        func refill(_ caller: (name: String, level: FairQueue.Level, cost: Int)) {
            while queue.waiting(of: caller.name) < 3 {
                id += 1
                owner[id] = caller
                if case .refuse = queue.enter(id, caller: caller.name, level: caller.level, cost: caller.cost, now: 0) { return }
            }
        }
        id += 1
        owner[id] = ("first", .guest, 1)
        _ = queue.enter(id, caller: "first", level: .guest, cost: 1, now: 0)
        var seat = id
        for caller in callers { refill(caller) }
        var served: [String] = []
        for _ in 0..<departures {
            guard let next = queue.leave(seat).first, let caller = owner[next] else { break }
            served.append(caller.name)
            refill(caller)
            seat = next
        }
        return served
    }

    @Test("whoever waits is served, however many others of any level always want more (I-LIMIT-3)", arguments: 0..<6)
    func noStarvation(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let count = Int.random(in: 2...40, using: &random)
        var callers = (0..<count).map { index in
            (
                name: "c\(index)", level: FairQueue.Level(rawValue: Int.random(in: 0...1, using: &random)) ?? .system,
                cost: Int.random(in: 1...4, using: &random)
            )
        }
        callers.append((name: "victim", level: .guest, cost: 4))
        // A round of levels gives each at most its weight in quanta, each departure costs at least one.
        let bound = 2 * (4 + 2 + 1) * FairQueue.quantum + 2
        let served = Self.serve(callers, departures: bound * 4)
        var gap = 0
        for name in served {
            gap = name == "victim" ? 0 : gap + 1
            #expect(gap <= bound, "seed \(seed): \(gap) others before the victim")
        }
        #expect(served.contains("victim"), "seed \(seed)")
    }

    @Test("callers of one level get the same, levels get their weights (I-LIMIT-4)") func fairness() {
        let greedy = Self.serve([("a", .workload, 1), ("b", .workload, 1), ("c", .workload, 1)], departures: 300)
        for name in ["a", "b", "c"] { #expect(abs(greedy.count { $0 == name } - 100) <= FairQueue.quantum) }
        // Dear requests are served less often: what counts is their cost.
        let dear = Self.serve([("a", .workload, 4), ("b", .workload, 1)], departures: 500)
        #expect(abs(dear.count { $0 == "a" } * 4 - dear.count { $0 == "b" }) <= 2 * FairQueue.quantum)
        let levels = Self.serve([("s", .system, 1), ("w", .workload, 1), ("g", .guest, 1)], departures: 700)
        #expect(abs(levels.count { $0 == "s" } - 400) <= 20 && abs(levels.count { $0 == "w" } - 200) <= 20)
        #expect(abs(levels.count { $0 == "g" } - 100) <= 20)
    }

    @Test("a caller's rate is bounded, and comes back with time") func rate() {
        var limits = FairQueue.Configuration()
        limits.requestsPerSecond = 10
        limits.burst = 5
        var queue = FairQueue(limits)
        var id: UInt64 = 0
        func enter(_ now: Int64) -> FairQueue.Outcome {
            id += 1
            defer { _ = queue.leave(id) }
            return queue.enter(id, caller: "a", level: .workload, cost: 1, now: now)
        }
        for _ in 0..<5 { #expect(enter(0) == .run) }
        #expect(enter(0) == .refuse(.rate) && enter(99) == .refuse(.rate))
        #expect(enter(100) == .run && enter(100) == .refuse(.rate))
        let other = queue.enter(9999, caller: "b", level: .workload, cost: 1, now: 100)
        #expect(other == .run)
        for _ in 0..<5 { #expect(enter(100_000) == .run) }
    }

    @Test("idle callers are forgotten, so that made-up names cannot fill the table") func forgetting() {
        var limits = FairQueue.Configuration()
        limits.callers = 10
        var queue = FairQueue(limits)
        for index in 0..<1000 as Range<UInt64> {
            let outcome = queue.enter(index, caller: "n\(index)", level: .guest, cost: 1, now: Int64(index) * 10_000)
            #expect(outcome == .run, "\(index)")
            _ = queue.leave(index)
        }
    }

    @Test("what keeps the cluster alive does not wait, lists cost most") func classes() {
        func classOf(_ user: UserInfo, _ method: HTTPMethodName, _ path: String, long: Bool = false) -> RequestClass {
            RequestClass(user: user, method: method, path: path, isLongRunning: long)
        }
        let lite = UserInfo.lite("n", domain: "alice")
        let ann = UserInfo(name: "ann", groups: ["system:authenticated"])
        #expect(classOf(UserInfo(name: "admin", groups: ["system:masters"]), .get, "/api/v1/pods") == .exempt)
        #expect(classOf(ann, .get, "/healthz") == .exempt)
        #expect(classOf(lite, .patch, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n") == .exempt)
        #expect(classOf(lite, .patch, "/api/v1/nodes/n/status") == .exempt)
        #expect(classOf(lite, .get, "/api/v1/namespaces/alice/pods") == .queued(.system, cost: 4))
        #expect(classOf(ann, .patch, "/api/v1/nodes/n/status") == .queued(.workload, cost: 2))
        #expect(classOf(ann, .get, "/api/v1/namespaces/alice/pods/p") == .queued(.workload, cost: 1))
        #expect(classOf(ann, .get, "/api/v1/namespaces/alice") == .queued(.workload, cost: 1))
        #expect(classOf(ann, .get, "/api/v1/namespaces") == .queued(.workload, cost: 4))
        #expect(classOf(ann, .get, "/api/v1/pods", long: true) == .queued(.workload, cost: 2))
        #expect(
            classOf(.deployToken("alice"), .post, "/apis/certificates.k8s.io/v1/certificatesigningrequests")
                == .queued(.guest, cost: 2))
        #expect(RequestSize.maximumBytes(for: .deployToken("alice")) < RequestSize.maximumBytes(for: ann))
    }
}
