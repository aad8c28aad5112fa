// What jobs leave on a node, and when it goes.
import AgentCore
import Glibc
import KubernetesModel
import Logging
import RuntimeInterface
import Testing

@testable import Agent

@Suite("data that jobs leave", .timeLimit(.minutes(2)))
struct JobDataTests {
    private static let day: Int64 = 86_400

    @Test("a job's directory goes so long after its last pod here, and nothing else does")
    func ages() async throws {
        let lab = try AgentLab()
        await lab.start()
        try lab.submit("worker") { pod in
            pod.spec.volumes = [
                Volume(name: "d", persistentVolumeClaim: PersistentVolumeClaimVolumeSource(claimName: "job-a")),
                Volume(name: "e", persistentVolumeClaim: PersistentVolumeClaimVolumeSource(claimName: "models")),
            ]
        }
        try await lab.waitForPhase("worker", .running)
        try DiskFiles.makeDirectory(lab.path("volumes/alice/job-b/deep"))
        for name in ["job-a", "job-b", "models"] { age(lab.path("volumes/alice/\(name)")) }
        // Claimed: its time is set, and that of no other.
        await keeper(lab, now: AgentLab.now()).pass()
        #expect(lab.exists("volumes/alice/job-a") && !lab.exists("volumes/alice/job-b") && lab.exists("volumes/alice/models"))
        try await lab.api.delete(Pod.self, namespace: "alice", name: "worker")
        try await lab.waitUntilGone("worker")
        let pods = lab.service.pods
        // Between two looks; the suite's time limit is the deadline.
        while await !pods.machines().isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        await keeper(lab, now: AgentLab.now()).pass()
        #expect(lab.exists("volumes/alice/job-a"))
        await keeper(lab, now: AgentLab.now() + 31 * Self.day * .nanosecondsPerSecond).pass()
        #expect(!lab.exists("volumes/alice/job-a") && lab.exists("volumes/alice/models"))
        try await lab.stop()
    }

    /// Last changed long ago.
    private func age(_ path: String) {
        let old = [timespec(tv_sec: 1000, tv_nsec: 0), timespec(tv_sec: 1000, tv_nsec: 0)]
        utimensat(AT_FDCWD, path, old, 0)
    }

    private func keeper(_ lab: AgentLab, now: Int64) -> JobDataKeeper {
        var logger = Logger(label: "keeper")
        logger.logLevel = .critical
        return JobDataKeeper(
            pods: lab.service.pods, paths: AgentPaths(state: lab.directory + "/state"), keptSeconds: 30 * Self.day,
            clock: StillClock(now / .nanosecondsPerSecond + 1), logger: logger)
    }
}
