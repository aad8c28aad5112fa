// What a person sees of a job follows from the job and its tasks.
import JSON
import Testing

@testable import Swiftlet

@Suite struct JobViewTests {
    private static let job: JSONValue = [
        "metadata": ["name": "j", "creationTimestamp": "2026-01-01T00:00:00Z"],
        "spec": [
            "tasks": [
                [
                    "alias": "psi", "taskID": "j-psi",
                    "parties": [
                        ["domainID": "alice", "resources": ["limits": ["cpu": 1, "memory": "1Gi"]]], ["domainID": "bob"],
                    ],
                ],
                ["alias": "check", "taskID": "j-check", "dependencies": ["psi"], "parties": [["domainID": "alice"]]],
            ]
        ],
        "status": ["phase": "Running", "startTime": "2026-01-01T00:00:00Z"],
    ]

    private static func task(phase: String, alice: JSONValue, bob: JSONValue) -> JSONValue {
        [
            "metadata": ["name": "j-psi", "labels": ["kuscia.secretflow/job-id": "j"]],
            "status": ["phase": .string(phase), "podStatuses": ["alice/j-psi-0": alice, "bob/j-psi-0": bob]],
        ]
    }

    @Test("a task that waits for its dependency is shown before it exists")
    func waiting() {
        var view = JobView(name: "j")
        view.apply(job: .snapshot([Self.job]))
        let rows = view.rows(now: 0)
        #expect(rows.map(\.task) == ["psi", "psi", "check"])
        #expect(rows.map(\.phase) == ["Waiting", "Waiting", "Waiting"])
        #expect(rows[0].memoryLimit == "1Gi" && rows[0].cpuLimit == "1" && rows[1].memoryLimit == nil)
    }

    @Test("each party's row has its own pod, node, time and usage")
    func running() {
        var view = JobView(name: "j")
        view.apply(job: .snapshot([Self.job]))
        let usage: JSONValue = ["containers": ["psi": ["cpuSeconds": 1.5, "peakMemoryBytes": 1_048_576]]]
        view.apply(
            task: .changed(
                Self.task(
                    phase: "Running", alice: ["podPhase": "Running", "nodeName": "a1", "startTime": "2026-01-01T00:00:10Z"],
                    bob: [
                        "podPhase": "Succeeded", "nodeName": "b1", "startTime": "2026-01-01T00:00:10Z",
                        "finishTime": "2026-01-01T00:00:14Z", "usage": usage,
                    ])))
        let start = HumanText.unixSeconds("2026-01-01T00:00:10Z") ?? 0
        let rows = view.rows(now: start + 20)
        #expect(rows[0].pod == "alice/j-psi-0" && rows[0].node == "a1" && rows[0].elapsedSeconds == 20)
        #expect(rows[1].phase == "Succeeded" && rows[1].elapsedSeconds == 4 && rows[1].cpuSeconds == 1.5)
        #expect(rows[1].peakMemoryBytes == 1_048_576)
    }

    @Test("a task without an id is found under the name that the master made, and never another job's", arguments: [true, false])
    func unnamedTask(byAnnotation: Bool) throws {
        var job = Self.job
        job["spec"] = ["tasks": [["alias": "psi", "parties": [["domainID": "alice"]]]]]
        var task = Self.task(phase: "Succeeded", alice: ["podPhase": "Succeeded", "nodeName": "a1"], bob: [:])
        let pod: JSONValue = ["podPhase": "Succeeded", "nodeName": "a1"]
        task["status"] = ["phase": "Succeeded", "podStatuses": ["alice/made-by-the-master-0": pod]]
        // One of another job with that alias, which comes first by name; one whose alias is no label.
        let labels: JSONValue = ["kuscia.secretflow/task-alias": "psi", "kuscia.secretflow/job-id": "other"]
        let others = ["another", "zebra"].map { name -> JSONValue in
            ["metadata": ["name": .string(name), "labels": labels], "status": ["phase": "Failed"]]
        }
        task["metadata"] =
            byAnnotation
            ? [
                "name": "made-by-the-master", "labels": ["kuscia.secretflow/job-id": "j"],
                "annotations": ["kuscia.secretflow/task-alias": "psi"],
            ]
            : [
                "name": "made-by-the-master", "labels": ["kuscia.secretflow/task-alias": "psi", "kuscia.secretflow/job-id": "j"],
            ]
        var view = JobView(name: "j")
        view.apply(job: .snapshot([job]))
        view.apply(task: .snapshot(others + [task]))
        let row = try #require(view.rows(now: 0).first)
        #expect(row.phase == "Succeeded" && row.node == "a1" && row.taskID == "made-by-the-master")
    }

    @Test("each role's row has its own pod, though the task's id has the role's name in it; of replicas, the culprit's")
    func roles() {
        var job = Self.job
        let parties: JSONValue = [["domainID": "alice", "role": "b"], ["domainID": "alice"], ["domainID": "alice", "role": "a"]]
        job["spec"] = ["tasks": [["alias": "psi", "taskID": "j-a-psi", "parties": parties]]]
        func pod(_ phase: String, _ reason: String = "") -> JSONValue { ["podPhase": .string(phase), "reason": .string(reason)] }
        let pods: JSONValue = [
            "alice/j-a-psi-a-0": pod("Failed", "Stopped"), "alice/j-a-psi-a-10": pod("Failed", "Error"),
            "alice/j-a-psi-a-9": pod("Failed", "Error"), "alice/j-a-psi-b-0": pod("Failed", "Stopped"),
            "alice/j-a-psi-b-1": pod("Failed", "OOMKilled"), "alice/j-a-psi-0": pod("Succeeded"),
        ]
        let task: JSONValue = [
            "metadata": ["name": "j-a-psi", "labels": ["kuscia.secretflow/job-id": "j"]],
            "status": ["phase": "Failed", "message": "party alice, pod j-a-psi-a-10: exit code 1", "podStatuses": pods],
        ]
        var view = JobView(name: "j")
        view.apply(job: .snapshot([job]))
        view.apply(task: .snapshot([task]))
        let rows = view.rows(now: 0)
        #expect(rows.map(\.role) == ["b", "", "a"])
        #expect(rows.map(\.pod) == ["alice/j-a-psi-b-1", "alice/j-a-psi-0", "alice/j-a-psi-a-10"])
        #expect(JobReport.usageTable(rows).lines.first?.contains("ROLE") == true)
        #expect(JobReport.usageTable(Array(rows.prefix(1))).lines.first?.contains("ROLE") == false)
    }

    @Test("a job under way says what it waits for, one that ended does not")
    func waitsFor() {
        var view = JobView(name: "j")
        view.apply(job: .snapshot([Self.job]))
        #expect(view.waitsFor == nil)
        var job = Self.job
        job.set(["status", "message"], to: "task j-psi: ErrImagePull")
        view.apply(job: .changed(job))
        #expect(view.waitsFor == "task j-psi: ErrImagePull")
        job.set(["status", "phase"], to: "Failed")
        view.apply(job: .changed(job))
        #expect(view.waitsFor == nil)
    }

    @Test("a failed job tells the cause, and what never started is not shown as waiting")
    func failed() {
        var view = JobView(name: "j")
        var job = Self.job
        job.set(["status", "phase"], to: "Failed")
        job.set(["status", "message"], to: "task psi, party bob: OOMKilled")
        view.apply(job: .changed(job))
        #expect(view.isFinished && !view.succeeded)
        #expect(view.message.contains("OOMKilled"))
        #expect(view.rows(now: 0).allSatisfy { $0.phase == "NotStarted" })
    }

    @Test(
        "durations and bytes read as people write them",
        arguments: [(0.4, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (3700, "1 h 1 min"), (-5, "0 s")])
    func duration(seconds: Double, text: String) { #expect(HumanText.duration(seconds: seconds) == text) }

    @Test("bytes", arguments: [(512, "512 B"), (1536, "1.5 KiB"), (178_257_920, "170 MiB"), (1 << 30, "1 GiB")])
    func bytes(count: Int64, text: String) { #expect(HumanText.bytes(count) == text) }
}
