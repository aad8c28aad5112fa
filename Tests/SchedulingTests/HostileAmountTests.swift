// What pods and nodes say of themselves is written by others: no amount ends the scheduler, and with it the master.
import KubernetesModel
import Testing

@testable import Scheduling

@Suite("amounts that no number holds")
struct HostileAmountTests {
    static let huge = ["9223372036854775807", "9999999999Ei", "-9223372036854775807", "-1"]

    static func hostile(_ name: String, _ amount: String, on node: String? = nil) throws -> PodDescription {
        let quantity = try Quantity(amount)
        var pod = Pod(metadata: ObjectMeta(name: name, namespace: "alice", uid: "uid-\(name)"))
        pod.spec.containers = (0..<3).map { number in
            Container(
                name: "c\(number)", image: "x",
                resources: ResourceRequirements(limits: ["cpu": quantity, "memory": quantity, "example.com/x": quantity]))
        }
        pod.spec.nodeName = node
        return PodDescription(pod)
    }

    @Test(
        "pods that want more than there is, bound by others or not, are counted without end of the scheduler, and given back whole",
        arguments: huge)
    func pods(_ amount: String) throws {
        var table = NodeTable()
        _ = table.set("n", to: node("n"))
        let slot = table.slotForPod(on: "n")
        let before = table.rows[slot]
        let needs = try (0..<20).map { PodNeeds(try Self.hostile("p\($0)", amount).request, hostPorts: []) }
        for one in needs { table.take(one, at: slot) }
        for one in needs { table.giveBack(one, at: slot) }
        #expect(table.rows[slot].freeCPU == before.freeCPU && table.rows[slot].freeMemory == before.freeMemory)
        #expect(table.freeExtended("example.com/x", at: slot) == 0)
    }

    @Test("a node that says it had more than there is gets a bounded amount, and less again", arguments: huge)
    func nodes(_ amount: String) throws {
        let quantity = try Quantity(amount)
        var table = NodeTable()
        let large = ResourceAmounts(["cpu": quantity, "memory": quantity, "pods": quantity, "example.com/x": quantity])
        #expect((0...ResourceAmounts.maximum).contains(large.memory) && (0...ResourceAmounts.maximum).contains(large.milliCPU))
        _ = table.set("n", to: NodeDescription(name: "n", allocatable: large))
        _ = table.set("n", to: node("n"))
        #expect(table.rows[table.slotForPod(on: "n")].freeMemory == 8 << 30)
    }
}
