// Who may have a node's name: told from another agent by machine and instance, from a dead one by its lease.
import Testing

@testable import AgentCore

@Suite("a node's name")
struct NodeNameGuardTests {
    private let other = NodeHolder(machineID: "m-1", instance: "b")
    private func makeGuard() -> NodeNameGuard {
        NodeNameGuard(own: NodeHolder(machineID: "m-1", instance: "a"), leaseSeconds: 40)
    }

    @Test(
        "free at once: its own, one of an agent without an instance, one that said good-bye",
        arguments: [("m-1", "a", true), ("m-1", "", true), ("", "", true), ("m-2", "b", false)])
    func free(_ machine: String, _ instance: String, _ isReady: Bool) {
        var name = makeGuard()
        #expect(
            name.look(NodeHolder(machineID: machine, instance: instance), isReady: isReady, renewTime: "1", now: epoch) == .free)
    }

    @Test("another that renews its lease while we watch has it; also one of another machine", arguments: ["m-1", "m-2"])
    func taken(_ machine: String) {
        var name = makeGuard()
        let other = NodeHolder(machineID: machine, instance: "b")
        #expect(name.look(other, isReady: true, renewTime: "1", now: epoch) == .wait)
        #expect(name.look(other, isReady: true, renewTime: "1", now: epoch + 9 * second) == .wait)
        #expect(name.look(other, isReady: true, renewTime: "2", now: epoch + 10 * second) == .taken)
    }

    @Test("a lease that nobody renews for its duration frees the name, whatever its time says")
    func expired() {
        var name = makeGuard()
        for seconds in [Int64(0), 20, 39] {
            #expect(name.look(other, isReady: true, renewTime: "later than now", now: epoch + seconds * second) == .wait)
        }
        #expect(name.look(other, isReady: true, renewTime: "later than now", now: epoch + 40 * second) == .free)
    }

    @Test("a third that took the name meanwhile is watched from the beginning")
    func third() {
        var name = makeGuard()
        _ = name.look(other, isReady: true, renewTime: "1", now: epoch)
        let third = NodeHolder(machineID: "m-1", instance: "c")
        #expect(name.look(third, isReady: true, renewTime: "2", now: epoch + 60 * second) == .wait)
    }
}
