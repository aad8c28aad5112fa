// Jobs through both controllers over a server in memory: success, failure, restart, commands.
import JSON
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import KusciaModel
import Testing

@Suite("jobs and tasks over a server", .timeLimit(.minutes(1)))
struct JobFlowTests {
    @Test("a job of two tasks runs to Succeeded, one task after the other")
    func success() async throws {
        let lab = try ControllerLab()
        try await lab.master {
            try await lab.submit("job", ["a": [], "b": ["a"]])
            let first = try await lab.pods(of: "job-a")
            #expect(try lab.api.objects(KusciaTask.self).map(\.metadata.name) == ["job-a"])
            let map = try #require(try lab.api.object(ConfigMap.self, namespace: "bob", name: "job-a-0-kuscia-gen-conf"))
            #expect(map.data["TASK_CLUSTER_DEFINE"]?.contains(#""selfPartyIdx":1"#) == true)
            try await lab.start("job-a")
            let hosts = try await lab.wait("hosts", ConfigMap.self) { $0.count { $0.metadata.name == "job-a-hosts" } == 2 }
            #expect(
                hosts.first { $0.metadata.name == "job-a-hosts" }?.data["hosts"]?.contains("10.0.0.2 job-a-0-spu.bob.svc") == true
            )
            for domain in ["alice", "bob"] { try await lab.end(domain, "job-a-0", code: 0) }
            let second = try await lab.pods(of: "job-b")
            #expect(Set(lab.ports(of: first)).isDisjoint(with: lab.ports(of: second)), "a port that was used just before")
            try await lab.complete("job-b")
            let status = try await lab.job("job", is: .succeeded)
            #expect(status.taskStatus == ["job-a": .succeeded, "job-b": .succeeded])
            #expect(try lab.api.objects(Pod.self).count == 4, "finished pods stay for their logs")
        }
    }

    @Test("a party's failure stops the other party and fails the job with the first cause")
    func failure() async throws {
        let lab = try ControllerLab()
        try await lab.master {
            try await lab.submit("job", ["a": [], "b": ["a"]])
            try await lab.start("job-a")
            try await lab.end("bob", "job-a-0", code: 3)
            let status = try await lab.job("job", is: .failed)
            #expect(
                status.message
                    == #"task "a" (job-a) failed: party bob, pod job-a-0: container engine ended with exit code 3, Error"#)
            try await lab.confirmStop("alice", "job-a-0")
            let tasks = try await lab.wait("alice's pod in the record", KusciaTask.self) {
                $0.first?.status.podStatuses["alice/job-a-0"]?.podPhase == .failed
            }
            #expect(tasks.first?.status.podStatuses["bob/job-a-0"]?.exitCode == 3)
            #expect(try lab.api.objects(Pod.self).map(\.namespacedName) == ["bob/job-a-0"], "the failed pod stays")
            #expect(tasks.count == 1, "what depends on it never started")
        }
    }

    @Test("a report that comes after the verdict, of a failure before it, becomes task's and job's cause")
    func lateReport() async throws {
        let lab = try ControllerLab()
        try await lab.master {
            try await lab.submit("job", ["a": []])
            try await lab.start("job-a")
            try await lab.end("bob", "job-a-0", code: 1, at: 5)
            try await lab.job("job", is: .failed)
            try await lab.end("alice", "job-a-0", code: 9, at: 4)
            try await lab.wait("the job's words", KusciaJob.self) { $0.first?.status.message?.contains("party alice") == true }
        }
    }

    @Test("a master that is killed in the middle: the next makes nothing twice and gives out no port that is in use")
    func restart() async throws {
        let lab = try ControllerLab()
        var before: [Pod] = []
        try await lab.master {
            try await lab.submit("job", ["a": [], "b": ["a"]])
            try await lab.start("job-a")
            before = try await lab.pods(of: "job-a")
            try await lab.wait("the task runs", KusciaTask.self) { $0.first?.status.phase == .running }
        }
        #expect(lab.api.watchCount == 0, "the first master left watches behind")
        try await lab.end("alice", "job-a-0", code: 0)
        let made = lab.api.calls.count { $0.verb == .create && $0.resource == Pod.resource }
        try await lab.master {
            try await lab.submit("other", ["x": []])
            let other = try await lab.pods(of: "other-x")
            #expect(Set(lab.ports(of: before)).isDisjoint(with: lab.ports(of: other)))
            try await lab.end("bob", "job-a-0", code: 0)
            try await lab.complete("job-b")
            try await lab.job("job", is: .succeeded)
            #expect(try await lab.pods(of: "job-a").map(\.metadata.uid) == before.map(\.metadata.uid))
            #expect(lab.api.calls.count { $0.verb == .create && $0.resource == Pod.resource } == made + 4)
        }
    }

    @Test("ports of a task that has failed but whose pod still runs are in use, also for a new master")
    func portsOfSurvivors() async throws {
        let lab = try ControllerLab()
        var survivor: [Pod] = []
        try await lab.master {
            try await lab.submit("job", ["a": []])
            try await lab.start("job-a")
            survivor = try await lab.pods(of: "job-a").filter { $0.metadata.namespace == "alice" }
            try await lab.end("bob", "job-a-0", code: 3)
            try await lab.job("job", is: .failed)
        }
        try await lab.master {
            try await lab.submit("other", ["x": []])
            let other = try await lab.pods(of: "other-x")
            #expect(Set(lab.ports(of: survivor)).isDisjoint(with: lab.ports(of: other)))
        }
    }

    @Test("failing and conflicting calls on the way change nothing of the outcome")
    func flakyServer() async throws {
        let lab = try ControllerLab()
        for resource in [Pod.resource, KusciaTask.resource, KusciaJob.resource, ConfigMap.resource] {
            for verb in [RecordedCall.Verb.create, .patch] { lab.api.failNext(2, verb: verb, resource: resource) }
        }
        lab.api.failNext(
            2, verb: .patch, resource: KusciaTask.resource,
            with: .status(APIStatus(status: "Failure", message: "modified", reason: "Conflict", code: 409)))
        try await lab.master {
            // The first calls to fail are the test's own.
            while (try? await lab.submit("job", ["a": []])) == nil {}
            let pods = try await lab.pods(of: "job-a")
            for pod in pods {
                let domain = pod.metadata.namespace ?? ""
                try await lab.api.bindTogether([
                    PodBinding(namespace: domain, name: pod.metadata.name, uid: pod.metadata.uid ?? "", node: "\(domain)-node")
                ])
                while (try? await lab.end(domain, "job-a-0", code: 0)) == nil {}
            }
            try await lab.job("job", is: .succeeded)
            #expect(Set(lab.ports(of: pods)).count == 2)
            #expect(try lab.api.objects(Pod.self).count == 2)
        }
    }

    @Test("a namespace that is missing is named while the task waits for it, and the task goes on when it comes")
    func missingNamespace() async throws {
        let lab = try ControllerLab()
        lab.api.failNext(
            3, verb: .create, resource: ConfigMap.resource,
            with: .status(APIStatus(status: "Failure", message: #"namespaces "alice" not found"#, reason: "NotFound", code: 404)))
        try await lab.master {
            try await lab.submit("job", ["a": []])
            try await lab.wait("the message", KusciaTask.self) { $0.first?.status.message == #"namespaces "alice" not found"# }
            try await lab.complete("job-a")
            try await lab.job("job", is: .succeeded)
        }
    }

    @Test("an object that the server refuses fails the task, in the server's words")
    func refusal() async throws {
        let lab = try ControllerLab()
        lab.api.failNext(
            verb: .create, resource: Service.resource,
            with: .status(APIStatus(status: "Failure", message: "metadata.name: too long", reason: "Invalid", code: 422)))
        try await lab.master {
            try await lab.submit("job", ["a": []])
            let status = try await lab.job("job", is: .failed)
            #expect(status.message == #"task "a" (job-a) failed: metadata.name: too long"#)
        }
    }

    @Test("Stop ends what runs; Restart makes it anew, although pods of that name are still there")
    func commands() async throws {
        let lab = try ControllerLab()
        try await lab.master {
            try await lab.submit("job", ["a": []])
            try await lab.start("job-a")
            let before = Set(try await lab.pods(of: "job-a").map(\.metadata.uid))
            try await lab.command("job", "Stop", version: "1")
            let status = try await lab.job("job", is: .failed)
            #expect(status.reason == "JobStopped")
            let stopped = try lab.api.object(KusciaTask.self, namespace: "cross-domain", name: "job-a")?.status
            #expect(stopped?.conditions.first { $0.type == "Success" }?.status == .false)
            #expect(stopped?.conditions.first { $0.type == "Success" }?.reason == "JobStopped")
            #expect(stopped?.partyTaskStatus.allSatisfy { $0.phase == .failed } == true)
            try await lab.wait("both pods stopping", Pod.self) { $0.count { $0.metadata.deletionTimestamp != nil } == 2 }
            try await lab.command("job", "Restart", version: "2")
            try await lab.start("job-a", but: before)
            for domain in ["alice", "bob"] { try await lab.end(domain, "job-a-0", code: 0) }
            try await lab.job("job", is: .succeeded)
            let maps = try lab.api.objects(ConfigMap.self)
            let task = try #require(try lab.api.object(KusciaTask.self, namespace: "cross-domain", name: "job-a"))
            #expect(maps.allSatisfy { $0.metadata.ownerReferences.map(\.uid) == [task.metadata.uid] })
        }
    }

    @Test("a job that is deleted and made again under its name runs itself; what the former one did does not count")
    func sameName() async throws {
        let lab = try ControllerLab()
        try await lab.master {
            let former = try await lab.submit("job", ["a": []])
            try await lab.complete("job-a")
            try await lab.job("job", is: .succeeded)
            let before = Set(try await lab.pods(of: "job-a").map(\.metadata.uid))
            try await lab.api.delete(KusciaJob.self, namespace: "cross-domain", name: "job")
            let again = try await lab.submit("job", ["a": []])
            #expect(former.metadata.uid != again.metadata.uid)
            try await lab.start("job-a", but: before)
            for domain in ["alice", "bob"] { try await lab.end(domain, "job-a-0", code: 0) }
            try await lab.job("job", is: .succeeded)
            #expect(try lab.api.objects(KusciaTask.self).map(\.metadata.ownerReferences[0].uid) == [again.metadata.uid])
        }
    }

    /// Job `p` with alias `b-c` and job `p-b` with alias `c` both make task p-b-c.
    @Test("a job one of whose tasks has another's name says so, runs its other tasks, and goes on when the name is free")
    func takenName() async throws {
        let lab = try ControllerLab()
        try await lab.master {
            try await lab.submit("p-b", ["c": []])
            try await lab.start("p-b-c")
            try await lab.submit("p", ["b-c": [], "other": []])
            try await lab.complete("p-other")
            func p(_ jobs: [KusciaJob]) -> KusciaJob? { jobs.first { $0.metadata.name == "p" } }
            let jobs = try await lab.wait("the words", KusciaJob.self) {
                p($0)?.status.reason == "TaskNameTaken" && p($0)?.status.taskStatus["p-other"] == .succeeded
            }
            let job = try #require(p(jobs))
            #expect(job.status.phase == .running)
            #expect(job.status.message?.contains(#"KusciaTask "p-b-c" is there already and belongs to KusciaJob "p-b""#) == true)
            try await lab.wait("the event", Event.self) { $0.contains { $0.reason == "TaskNameTaken" && $0.type == "Warning" } }
            let former = Set(try await lab.pods(of: "p-b-c").map(\.metadata.uid))
            try await lab.api.delete(KusciaJob.self, namespace: "cross-domain", name: "p-b")
            try await lab.wait("a task of its own", KusciaTask.self) {
                $0.contains { $0.metadata.name == "p-b-c" && $0.metadata.labels[KusciaLabel.jobID] == "p" }
            }
            try await lab.start("p-b-c", but: former)
            for domain in ["alice", "bob"] { try await lab.end(domain, "p-b-c-0", code: 0) }
            try await lab.job("p", is: .succeeded)
        }
    }

    @Test("a stage command that does not fit is refused with a warning")
    func misfit() async throws {
        let lab = try ControllerLab()
        try await lab.master {
            try await lab.submit("job", ["a": []])
            try await lab.start("job-a")
            try await lab.command("job", "Dance", version: "1")
            let events = try await lab.wait("the event", Event.self) { $0.contains { $0.reason == "StageCommandRefused" } }
            let event = events.first { $0.reason == "StageCommandRefused" }
            #expect(event?.type == "Warning")
            #expect(event?.message?.contains(#"found "Dance", expected Create"#) == true)
        }
    }

    @Test("a task that carries the job's label but not its ownership takes no room and no part in it")
    func strayTask() async throws {
        let lab = try ControllerLab()
        let owner = OwnerReference(apiVersion: "apps/v1", kind: "Deployment", name: "web", uid: "u")
        try lab.api.put(
            KusciaTask(
                metadata: ObjectMeta(
                    name: "stray", namespace: "cross-domain", labels: [KusciaLabel.jobID: "job"], ownerReferences: [owner]),
                status: KusciaTaskStatus(phase: .running)))
        try await lab.master {
            try await lab.submit("job", ["a": []])
            try await lab.complete("job-a")
            let status = try await lab.job("job", is: .succeeded)
            #expect(status.taskStatus == ["job-a": .succeeded])
        }
    }
}
