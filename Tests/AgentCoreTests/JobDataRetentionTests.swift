// How long a node keeps what jobs left: the rule alone.
import AgentCore
import Testing

@Suite("how long what jobs left is kept")
struct JobDataRetentionTests {
    @Test("only what no pod asks for, what is a job's, and what is old enough")
    func rule() {
        let now: Int64 = 100 * .nanosecondsPerSecond
        func fact(_ claim: String, claimed: Bool = false, used: Int64) -> JobDataFact {
            JobDataFact(namespace: "alice", claim: claim, isClaimed: claimed, lastUsed: used * .nanosecondsPerSecond)
        }
        let facts = [
            fact("job-old", used: 40), fact("job-edge", used: 50), fact("job-young", used: 51),
            fact("job-busy", claimed: true, used: 0),
            fact("job-", used: 0), fact("domain-data", used: 0), fact("jobs", used: 0),
        ]
        let gone = JobDataRetention.removable(facts, keptSeconds: 50, now: now).map(\.claim)
        #expect(gone == ["job-old", "job-edge"])
        // A clock that was set back keeps everything.
        #expect(JobDataRetention.removable(facts, keptSeconds: 50, now: 0).isEmpty)
    }
}
