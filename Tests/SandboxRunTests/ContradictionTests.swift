// Options of `swiftlet run` that contradict each other or the machine: refused by name, before anything is made.
import Cgroups
import Testing

@testable import SandboxRun

@Suite("Contradicting options of swiftlet run")
struct ContradictionTests {
    @Test(
        "options that contradict each other or the machine are refused by name",
        arguments: [
            (["--swap", "1Gi", "x"], "--swap"), (["--seccomp", "Strict", "--seccomp-learn", "/tmp/l", "x"], "--seccomp-learn"),
            (["--cpuset", "99", "x"], "--cpuset"), (["--cpuset", "0,2-5", "x"], "--cpuset"),
            (["--network", "host", "--sysctl", "net.ipv4.ip_forward=1", "x"], "--sysctl"),
        ])
    func contradictions(words: [String], field: String) throws {
        var machine = Machines.root(Machines.version2)
        machine.cpus = "0-3"
        #expect { try RunPlanTests.plan(machine, words) } throws: { ($0 as? RunFailure)?.field == field }
        _ = try RunPlanTests.plan(machine, "--cpuset", "0,2-3", "--swap", "0", "--seccomp-learn", "/tmp/l", "x")
    }
}
