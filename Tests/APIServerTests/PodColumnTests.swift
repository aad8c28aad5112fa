// What kubectl shows of a pod with init containers and sidecars; the cases of upstream's TestPrintPod.
import JSON
import Testing

@testable import APIServer

struct PodColumnTests {
    private static func container(
        _ name: String, _ state: JSONValue, restarts: Int = 0, ready: Bool = false, started: Bool? = nil
    )
        -> JSONValue
    {
        var status: JSONValue = [
            "name": .string(name), "state": state, "restartCount": .int(Int64(restarts)), "ready": .bool(ready),
        ]
        if let started { status["started"] = .bool(started) }
        return status
    }

    private static func waiting(_ reason: String) -> JSONValue { ["waiting": ["reason": .string(reason)]] }
    private static func ended(_ code: Int64, _ reason: String = "") -> JSONValue {
        ["terminated": ["exitCode": .int(code), "reason": .string(reason)]]
    }
    private static let running: JSONValue = ["running": [:]]

    /// Init containers "i1" and "i2", sidecar "s", main containers "m1" and "m2".
    private static func pod(
        _ phase: String, initial: [JSONValue], main: [JSONValue] = [], conditions: [String] = []
    ) -> JSONValue {
        [
            "spec": [
                "initContainers": [["name": "i1"], ["name": "s", "restartPolicy": "Always"], ["name": "i2"]],
                "containers": [["name": "m1"], ["name": "m2"]],
            ],
            "status": [
                "phase": .string(phase), "initContainerStatuses": .array(initial), "containerStatuses": .array(main),
                "conditions": .array(conditions.map { ["type": .string($0), "status": "True"] }),
            ],
        ]
    }

    private static func row(_ pod: JSONValue) throws -> [String] {
        let summary = PodSummary(try JSONTape(parsing: pod.serialized()))
        return [summary.ready, summary.status, summary.restarts(0)]
    }

    @Test("the init order shows how far it is, and a sidecar that has started does not hold it up")
    func initializing() throws {
        let waiting = [
            Self.container("m1", Self.waiting("PodInitializing")), Self.container("m2", Self.waiting("PodInitializing")),
        ]
        let none = ["i1", "s", "i2"].map { Self.container($0, Self.waiting("PodInitializing")) }
        #expect(try Self.row(Self.pod("Pending", initial: none, main: waiting)) == ["0/3", "Init:0/3", "0"])
        let third = [
            Self.container("i1", Self.ended(0, "Completed"), restarts: 2),
            Self.container("s", Self.running, ready: true, started: true),
            Self.container("i2", Self.running),
        ]
        #expect(try Self.row(Self.pod("Pending", initial: third, main: waiting)) == ["1/3", "Init:2/3", "2"])
        let slow = [Self.container("i1", Self.ended(0)), Self.container("s", Self.running, started: false)]
        #expect(try Self.row(Self.pod("Pending", initial: slow, main: waiting)) == ["0/3", "Init:1/3", "0"])
        let failed = [Self.container("i1", Self.ended(1), restarts: 4)]
        #expect(try Self.row(Self.pod("Pending", initial: failed, main: waiting)) == ["0/3", "Init:ExitCode:1", "4"])
        let pulls = [Self.container("i1", Self.waiting("ImagePullBackOff"))]
        #expect(try Self.row(Self.pod("Pending", initial: pulls, main: waiting)) == ["0/3", "Init:ImagePullBackOff", "0"])
    }

    @Test("sidecars count as ready beside the main containers, and restarts of both are summed")
    func runs() throws {
        let initial = [
            Self.container("i1", Self.ended(0), restarts: 5),
            Self.container("s", Self.running, restarts: 2, ready: true, started: true),
            Self.container("i2", Self.ended(0)),
        ]
        let main = [
            Self.container("m1", Self.running, restarts: 1, ready: true), Self.container("m2", Self.running, ready: true),
        ]
        #expect(try Self.row(Self.pod("Running", initial: initial, main: main)) == ["3/3", "Running", "3"])
        let half = [Self.container("m1", Self.ended(0, "Completed")), main[1]]
        #expect(try Self.row(Self.pod("Running", initial: initial, main: half, conditions: ["Ready"]))[1] == "Running")
        #expect(try Self.row(Self.pod("Running", initial: initial, main: half))[1] == "NotReady")
    }

    @Test("a sidecar that was ended behind the main containers, or crashed, does not hide them")
    func initialized() throws {
        let initial = [
            Self.container("i1", Self.ended(0)), Self.container("s", Self.ended(137, "Error"), restarts: 3, started: false),
            Self.container("i2", Self.ended(0)),
        ]
        let done = [Self.container("m1", Self.ended(0, "Completed")), Self.container("m2", Self.ended(0, "Completed"))]
        let over = Self.pod("Succeeded", initial: initial, main: done, conditions: ["Initialized"])
        #expect(try Self.row(over) == ["0/3", "Completed", "3"])
        // Of one that waits to be started again kubectl tells, and counts the others all the same.
        let main = [Self.container("m1", Self.running, ready: true), Self.container("m2", Self.running, ready: true)]
        let crashed = Self.pod("Running", initial: initial, main: main, conditions: ["Initialized"])
        #expect(try Self.row(crashed) == ["2/3", "Init:Error", "3"])
    }

    @Test("a pod that is deleted is Terminating until it is over; counts at their ends end nothing")
    func deleted() throws {
        var pod = Self.pod("Running", initial: [], main: [Self.container("m1", Self.running, restarts: .max)])
        pod["metadata"] = ["deletionTimestamp": "2026-11-21T10:00:00Z"]
        #expect(try Self.row(pod)[1] == "Terminating")
        pod["status"]?["phase"] = "Failed"
        #expect(try Self.row(pod)[1] == "Failed")
        pod["status"]?["containerStatuses"] = .array([
            Self.container("m1", Self.running, restarts: .max), Self.container("m2", Self.running, restarts: .max),
        ])
        #expect(try Self.row(pod)[2] == String(Int64.max))
    }
}
