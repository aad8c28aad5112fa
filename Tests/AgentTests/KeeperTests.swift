// The two that look after running pods: volumes that follow their objects, logs that stay within the policy.
import AgentCore
import Glibc
import KubernetesModel
import Logging
import RuntimeInterface
import Testing

@testable import Agent

@Suite("volumes and logs of running pods", .timeLimit(.minutes(1)))
struct KeeperTests {
    private static var logger: Logger {
        var logger = Logger(label: "keeper")
        logger.logLevel = .critical
        return logger
    }

    // MARK: Volumes

    @Test(
        "a ConfigMap that changes reaches the running containers that mount it whole; each object is fetched once, immutable ones never again"
    )
    func volumes() async throws {
        let lab = try AgentLab()
        func put(_ name: String, _ value: String, immutable: Bool? = nil) throws {
            try lab.api.put(
                ConfigMap(metadata: ObjectMeta(name: name, namespace: "alice"), data: ["key": value], immutable: immutable))
        }
        try put("shared", "1")
        try put("fixed", "1", immutable: true)
        await lab.start()
        let pods = try ["a", "b"].map { name in
            try lab.submit(name) { pod in
                pod.spec.volumes = [
                    Volume(name: "v", configMap: ConfigMapVolumeSource(name: "shared")),
                    Volume(name: "f", configMap: ConfigMapVolumeSource(name: "fixed")),
                ]
                pod.spec.containers[0].volumeMounts = [
                    VolumeMount(name: "v", mountPath: "/v"), VolumeMount(name: "f", mountPath: "/f"),
                ]
            }
        }
        for name in ["a", "b"] { try await lab.waitForPhase(name, .running) }
        let paths = try pods.map { try #require(lab.runtime.machine.configs[lab.containerID($0)]?.mounts.first).hostPath }
        #expect(paths.map { readFile($0 + "/key") } == ["1", "1"])
        try put("shared", "2")
        let keeper = VolumeKeeper(pods: lab.service.pods, clock: SystemClock(), logger: Self.logger)
        func gets(_ name: String) -> Int { lab.api.calls.count { $0.verb == .get && $0.name == name } }
        let before = (gets("shared"), gets("fixed"))
        let known = await keeper.pass()
        #expect(paths.map { readFile($0 + "/key") } == ["2", "2"])
        #expect(gets("shared") == before.0 + 1 && gets("fixed") == before.1 + 1)
        #expect(known.map(\.key) == ["alice/fixed"])
        #expect(await keeper.pass(known) == known)
        #expect(gets("fixed") == before.1 + 1)
        // A server that is away, an object that is gone: the volume stays.
        lab.api.remove(ConfigMap.resource, namespace: "alice", name: "shared")
        await keeper.pass(known)
        #expect(paths.map { readFile($0 + "/key") } == ["2", "2"])
        try await lab.stop()
    }

    // MARK: Logs

    private func keeper(_ lab: AgentLab, _ policy: LogPolicy, now: Int64 = AgentLab.now()) -> LogKeeper {
        LogKeeper(
            pods: lab.service.pods, runtime: lab.runtime, paths: AgentPaths(state: lab.directory + "/state"), policy: policy,
            clock: StillClock(now / .nanosecondsPerSecond + 1), logger: Self.logger)
    }

    private func lines(_ numbers: Range<Int>) -> String {
        numbers.map { "2026-11-21T04:00:00.\(1_000_000_000 + $0)".replacing(".1", with: ".") + "Z stdout F line \($0)\n" }
            .joined()
    }

    @Test("rotated files are compressed, and the log reads as before")
    func compression() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try lab.submit("talker")
        try await lab.waitForPhase("talker", .running)
        let log = try await lab.log(of: "talker")
        appendFile(log.path + ".1", lines(0..<3000))
        appendFile(log.path + ".2", lines(3000..<6000))
        appendFile(log.path + ".3", lines(6000..<6010))
        appendFile(log.path, lines(6010..<6020))
        appendFile(log.path + ".1.gz.tmp", "an agent died here")
        await keeper(lab, LogPolicy()).pass()
        let directory = lab.path("logs/pods/alice_talker_\(pod.metadata.uid ?? "")/main")
        let names = Set(DiskFiles.names(in: directory).filter { $0.contains(".log") })
        #expect(names == ["0.log", "0.log.1.gz", "0.log.2.gz", "0.log.3"])
        let expected = (0..<6020).map { "line \($0)" }
        #expect(try await read(log.path) == expected)
        for tail in [0, 1, 10, 15, 20, 21, 3015, 3020, 3021, 6019, 6020, 9000] {
            #expect(try await read(log.path) { $0.tailLines = tail } == expected.suffix(tail), "tail \(tail)")
        }
        #expect(try await read(log.path) { $0.since = "2026-11-21T04:00:00.000005990Z" } == expected.suffix(30))
        #expect(try await read(log.path) { $0.limitBytes = 13 } == ["line 0", "line 1"].map(\.self))
        try await lab.stop()
    }

    private func read(_ path: String, _ change: (inout ContainerLogQuery) -> Void = { _ in }) async throws -> [String] {
        var query = ContainerLogQuery()
        change(&query)
        let sink = ContainerLogReaderTests.Sink()
        try await ContainerLogReader(path: path, query: query).copy(ended: { true }) { sink.write($0) }
        return sink.text.split(separator: "\n").map(String.init)
    }

    @Test("a file that only holds old lines is begun anew while its container runs")
    func oldLines() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try lab.submit("quiet")
        try await lab.waitForPhase("quiet", .running)
        appendFile(try await lab.log(of: "quiet").path, lines(0..<1))
        await keeper(lab, LogPolicy(maximumAgeSeconds: 3600)).pass()
        #expect(lab.runtime.count(.reopenContainerLog) == 0)
        await keeper(lab, LogPolicy(maximumAgeSeconds: 3600), now: AgentLab.now() + 7200 * .nanosecondsPerSecond).pass()
        #expect(lab.runtime.calls.filter { $0.verb == .reopenContainerLog }.map(\.subject) == [lab.containerID(pod).description])
        try await lab.stop()
    }

    @Test("logs of a pod that is gone stay for their time, and go then")
    func afterThePod() async throws {
        let lab = try AgentLab()
        await lab.start()
        let pod = try lab.submit("gone")
        try await lab.waitForPhase("gone", .running)
        let directory = "logs/pods/alice_gone_\(pod.metadata.uid ?? "")"
        appendFile(lab.path(directory + "/main/0.log"), lines(0..<5))
        // Written long ago: what counts is when the pod went.
        let old = [timespec(tv_sec: 1000, tv_nsec: 0), timespec(tv_sec: 1000, tv_nsec: 0)]
        utimensat(AT_FDCWD, lab.path(directory + "/main/0.log"), old, 0)
        try await lab.api.delete(Pod.self, namespace: "alice", name: "gone")
        try await lab.waitUntilGone("gone")
        // The record goes before the worker does, and while there is a worker its logs are a pod's.
        try await lab.eventually { await lab.service.pods.machines().isEmpty }
        #expect(!lab.exists("pods/\(pod.metadata.uid ?? "")"))
        let policy = LogPolicy(maximumAgeSeconds: nil, keepAfterPodSeconds: 3600)
        await keeper(lab, policy).pass()
        #expect(lab.exists(directory + "/main/0.log"))
        await keeper(lab, policy, now: AgentLab.now() + 3600 * .nanosecondsPerSecond).pass()
        #expect(!lab.exists(directory))
        try await lab.stop()
    }

    @Test("a container that starts again keeps the log of the run before, and no older one")
    func attempts() throws {
        var template = Array("/tmp/swiftlet-runs-XXXXXX".utf8CString)
        let made = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { try? DiskFiles.removeTree(made) }
        for attempt in 0..<4 {
            let path = "\(made)/main/\(attempt).log"
            try ContainerLogs.prepare(path, attempt: attempt)
            // A silent run made none.
            try DiskFiles.makeDirectory(made + "/main")
            for name in [path, path + ".1", path + ".2.gz"] { appendFile(name, "x") }
        }
        #expect(
            Set(DiskFiles.names(in: made + "/main")) == Set([2, 3].flatMap { ["\($0).log", "\($0).log.1", "\($0).log.2.gz"] }))
    }
}
