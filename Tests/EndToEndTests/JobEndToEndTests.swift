// Whole jobs through real processes: master, nodes, sandboxes.
import FoundationEssentials
import Glibc
import JSON
import Testing

@testable import Swiftlet

// One after the other: each cluster has four processes and its tasks, and timing promises are made for an idle machine.
@Suite(.serialized, .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct JobEndToEndTests {
    @Test("two organisations find the size of their intersection, each keeping its own result", .timeLimit(.minutes(5)))
    func privateSetIntersection() async throws {
        let directory = "/tmp/swiftlet-psi-\(getpid())"
        try FileText.makeDirectory(directory)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let image = try await PSIExample.prepare(in: directory, rows: 2000)
        let options = ["--image", image] + ["alice", "bob"].flatMap { ["--data", "\($0)=\(directory)/data/\($0)"] }
        try await TestCluster.with(options: options) { cluster in
            let example = "\(EndToEnd.repository)/examples/psi"
            let result = try await cluster.run(
                "submit", "\(example)/appimage.yaml", "\(example)/job.yaml", "--wait", "--timeout", "180", within: .seconds(200))
            let expected = try JSONValue(parsing: FileText.bytes("\(directory)/data/expected.json") ?? [])
            for party in ["alice", "bob"] {
                let summary = try JSONValue(
                    parsing: FileText.bytes("\(cluster.jobVolume("psi-demo", of: party))/summary.json") ?? [])
                for key in ["rows", "intersection", "sha256"] { #expect(summary[key] == expected[key], "\(party) \(key)") }
            }
            #expect(result.output.contains("Job psi-demo succeeded"), "\(result)")
            #expect(result.output.contains("PEAK MEMORY"), "\(result)")
        }
    }

    @Test(
        "a task over its memory limit ends as OOMKilled (137), and the job names task, party and limit", .timeLimit(.minutes(3)))
    func outOfMemory() async throws {
        try await TestCluster.with { cluster in
            // tail keeps all of its last line, which never ends.
            let script = "if [ $KUSCIA_DOMAIN_ID = bob ]; then exec tail /dev/zero; fi; sleep 600"
            let job = ShellJob(name: "hungry", tasks: [ShellTask(alias: "eat", script: script, memory: "48Mi")])
            let result = try await cluster.run(
                "submit", job.write(to: cluster.directory), "--wait", "--timeout", "90", within: .seconds(100), expecting: 1)
            let message = result.output
            #expect(message.contains("party bob, pod hungry-eat-0: container sh ended with exit code 137"), "\(message)")
            for part in ["OOMKilled", "48Mi"] { #expect(message.contains(part), "\(part) in: \(message)") }
            let pod = try #require(try await cluster.object("pod", "hungry-eat-0"), "a failed pod stays")
            let ended = pod[path: "status", "containerStatuses"]?[0]?[path: "state", "terminated"]
            #expect(ended?["reason"] == "OOMKilled")
            #expect(ended?["exitCode"] == 137)
        }
    }

    @Test("when a task fails, what depends on it never starts and the job is Failed", .timeLimit(.minutes(3)))
    func failingDependency() async throws {
        try await TestCluster.with { cluster in
            let job = ShellJob(
                name: "chain",
                tasks: [
                    ShellTask(alias: "first", script: "exit 3", parties: ["alice"]),
                    ShellTask(alias: "second", script: "touch $JOB/ran", dependencies: ["first"], parties: ["alice"]),
                ])
            let result = try await cluster.run(
                "submit", job.write(to: cluster.directory), "--wait", "--timeout", "60", within: .seconds(70), expecting: 1)
            #expect(result.output.contains("party alice, pod chain-first-0: container sh ended with exit code 3"), "\(result)")
            #expect(try await !cluster.exists("kusciatask", "chain-second"))
            #expect(!FileText.exists("\(cluster.jobVolume("chain", of: "alice"))/ran"))
        }
    }

    @Test("a party's task that dies makes the others stop within seconds, and the first cause is named", .timeLimit(.minutes(3)))
    func peerDies() async throws {
        try await TestCluster.with { cluster in
            let script =
                "touch $JOB/started; if [ $KUSCIA_DOMAIN_ID = alice ]; then until [ -e $JOB/die ]; do sleep 0.1; done; exit 7; fi; exec sleep 3600"
            let job = ShellJob(name: "pair", tasks: [ShellTask(alias: "work", script: script)])
            try await cluster.run("submit", job.write(to: cluster.directory))
            try await eventually("both parties run") {
                ["alice", "bob"].allSatisfy { FileText.exists("\(cluster.jobVolume("pair", of: $0))/started") }
            }
            try FileText.write("", to: "\(cluster.jobVolume("pair", of: "alice"))/die")
            try await eventually("the job is Failed and bob's pod has stopped", within: .seconds(15)) {
                let running = try await cluster.objects("pods").contains { $0[path: "status", "phase"] == "Running" }
                return try await cluster.phase("kusciajob", "pair") == "Failed" && !running
            }
            let shown = try await cluster.run("describe", "kusciajob", "pair")
            #expect(shown.output.contains("party alice, pod pair-work-0: container sh ended with exit code 7"), "\(shown)")
        }
    }

    @Test("kill -9 on an agent: its task goes on, is adopted, and its result is reported once", .timeLimit(.minutes(3)))
    func killedAgent() async throws {
        try await TestCluster.with(domains: ["alice"]) { cluster in
            let script = "echo $$ >>$JOB/starts; until [ -e $JOB/release ]; do sleep 0.1; done; echo done >>$JOB/ends"
            let job = ShellJob(name: "steady", tasks: [ShellTask(alias: "wait", script: script, parties: ["alice"])])
            try await cluster.run("submit", job.write(to: cluster.directory))
            let volume = cluster.jobVolume("steady", of: "alice")
            try await eventually("the task runs") { FileText.exists("\(volume)/starts") }
            try await cluster.killAndAwaitRestart("alice")
            #expect(!FileText.exists("\(volume)/ends"))
            try FileText.write("", to: "\(volume)/release")
            try await eventually("the job succeeds", within: .seconds(60)) {
                try await cluster.phase("kusciajob", "steady") == "Succeeded"
            }
            #expect(FileText.read("\(volume)/starts")?.split(separator: "\n").count == 1)
            #expect(FileText.read("\(volume)/ends")?.split(separator: "\n").count == 1)
            let pod = try #require(try await cluster.object("pod", "steady-wait-0"))
            #expect(pod[path: "status", "containerStatuses"]?[0]?["restartCount"] == 0)
            #expect(pod[path: "status", "containerStatuses"]?[0]?[path: "state", "terminated", "exitCode"] == 0)
        }
    }

    @Test("kill -9 on the master in the middle of a job: the job completes after the restart", .timeLimit(.minutes(3)))
    func killedMaster() async throws {
        try await TestCluster.with { cluster in
            let first = "touch $JOB/started; until [ -e $JOB/release ]; do sleep 0.1; done"
            let job = ShellJob(
                name: "durable",
                tasks: [
                    ShellTask(alias: "first", script: first),
                    ShellTask(alias: "second", script: "echo x >>$JOB/second", dependencies: ["first"]),
                ])
            let submit = try cluster.start("submit", try job.write(to: cluster.directory), "--wait", "--timeout", "120")
            let volumes = ["alice", "bob"].map { cluster.jobVolume("durable", of: $0) }
            try await eventually("both parties run") { volumes.allSatisfy { FileText.exists("\($0)/started") } }
            try await cluster.killAndAwaitRestart("master")
            for volume in volumes { try FileText.write("", to: "\(volume)/release") }
            let result = try await submit.result(within: .seconds(130))
            #expect(result.status == 0, "\(result)")
            for volume in volumes { #expect(FileText.read("\(volume)/second") == "x\n") }
        }
    }

    @Test("a fork bomb stops at the pids limit, and the node goes on", .timeLimit(.minutes(3)))
    func forkBomb() async throws {
        try await TestCluster.with(domains: ["alice"]) { cluster in
            // So much memory that its limit of processes is what it meets. Whatever becomes of the bomb on a slow machine, the shell itself
            // goes on until it cannot fork, which ends it.
            let bomb = "bomb() { bomb | bomb & }; bomb; while :; do sleep 600 & done"
            let job = ShellJob(name: "bomb", tasks: [ShellTask(alias: "bomb", script: bomb, parties: ["alice"], memory: "4Gi")])
            try await cluster.run(
                "submit", job.write(to: cluster.directory), "--wait", "--timeout", "90", within: .seconds(100), expecting: 1)
            let pod = try #require(try await cluster.object("pod", "bomb-bomb-0"), "a failed pod stays")
            let ended = pod[path: "status", "containerStatuses"]?[0]?[path: "state", "terminated"]
            #expect(ended?["message"]?.stringValue?.contains("limit of processes reached") == true, "\(ended ?? .null)")
            let next = ShellJob(name: "after", tasks: [ShellTask(alias: "ok", script: "exit 0", parties: ["alice"])])
            try await cluster.run("submit", next.write(to: cluster.directory), "--wait", "--timeout", "60", within: .seconds(70))
        }
    }

    @Test("logs are read by pod, by task and party, from the end, and followed to the task's end", .timeLimit(.minutes(3)))
    func logs() async throws {
        try await TestCluster.with(domains: ["alice"]) { cluster in
            let script =
                "for i in 1 2 3 4 5; do echo line $i; done; touch $JOB/started; until [ -e $JOB/release ]; do sleep 0.1; done; echo last"
            let job = ShellJob(name: "talk", tasks: [ShellTask(alias: "say", script: script, parties: ["alice"])])
            try await cluster.run("submit", job.write(to: cluster.directory))
            let volume = cluster.jobVolume("talk", of: "alice")
            try await eventually("the task runs") { FileText.exists("\(volume)/started") }
            let tail = try await cluster.run("logs", "talk-say-0", "--tail", "2")
            #expect(tail.output == "line 4\nline 5\n")
            let following = try cluster.start("logs", "-f", "--task", "talk-say", "--party", "alice")
            try await eventually("the log flows") { following.output.contains("line 5") }
            try FileText.write("", to: "\(volume)/release")
            let result = try await following.result(within: .seconds(30))
            #expect(result.output == "line 1\nline 2\nline 3\nline 4\nline 5\nlast\n", "\(result)")
        }
    }

    @Test("deleting a job takes its tasks and pods with it, running or not", .timeLimit(.minutes(3)))
    func deleteJob() async throws {
        try await TestCluster.with(domains: ["alice"]) { cluster in
            let script = "touch $JOB/started; exec sleep 3600"
            let job = ShellJob(name: "gone", tasks: [ShellTask(alias: "sleep", script: script, parties: ["alice"])])
            try await cluster.run("submit", job.write(to: cluster.directory))
            try await eventually("the task runs") { FileText.exists("\(cluster.jobVolume("gone", of: "alice"))/started") }
            try await cluster.run("delete", "kusciajob", "gone")
            try await eventually("nothing of it is left") {
                let tasks = try await cluster.objects("kusciatasks")
                let pods = try await cluster.objects("pods")
                let configMaps = try await cluster.objects("configmaps").filter {
                    $0[path: "metadata", "name"]?.stringValue?.hasPrefix("gone") == true
                }
                return tasks.isEmpty && pods.isEmpty && configMaps.isEmpty
            }
        }
    }

    @Test("kill -9 on up: its tasks go on, and the next up on the same directory finishes the job", .timeLimit(.minutes(3)))
    func killedUp() async throws {
        try await TestCluster.with(domains: ["alice"]) { cluster in
            let script = "echo $$ >>$JOB/starts; until [ -e $JOB/release ]; do sleep 0.1; done; echo done >>$JOB/ends"
            let job = ShellJob(name: "patient", tasks: [ShellTask(alias: "wait", script: script, parties: ["alice"])])
            try await cluster.run("submit", job.write(to: cluster.directory))
            let volume = cluster.jobVolume("patient", of: "alice")
            try await eventually("the task runs") { FileText.exists("\(volume)/starts") }
            try await cluster.killUp()
            // Nobody watches it now; how it ended must be found on disk.
            try FileText.write("", to: "\(volume)/release")
            try await eventually("the task ends without its agent") { FileText.exists("\(volume)/ends") }
            try await cluster.startUpAgain()
            try await eventually("the job succeeds") { try await cluster.phase("kusciajob", "patient") == "Succeeded" }
            #expect(FileText.read("\(volume)/starts")?.split(separator: "\n").count == 1)
        }
    }

    @Test("down after kill -9 on up ends the tasks that were left", .timeLimit(.minutes(3)))
    func downAfterKilledUp() async throws {
        try await TestCluster.with(domains: ["alice"]) { cluster in
            let job = ShellJob(
                name: "orphan",
                tasks: [ShellTask(alias: "sleep", script: "touch $JOB/started; exec sleep 3600", parties: ["alice"])])
            try await cluster.run("submit", job.write(to: cluster.directory))
            let volume = cluster.jobVolume("orphan", of: "alice")
            try await eventually("the task runs") { FileText.exists("\(volume)/started") }
            try await cluster.killUp()
            try await cluster.run("down", "--state", cluster.state.path)
            try cluster.expectNothingLeft()
            // The next start finds a pod whose task is gone, and says so instead of running it again.
            try await cluster.startUpAgain()
            try await eventually("the job is Failed") { try await cluster.phase("kusciajob", "orphan") == "Failed" }
        }
    }
}
