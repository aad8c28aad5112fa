// Ports: all or none, round robin, never two owners.
@testable import Orchestration
import Testing

@Suite("PortAllocator") struct PortAllocatorTests {
    @Test("ports are handed out one after the other, and one that came back is not the next")
    func roundRobin() throws {
        var ports = PortAllocator()
        #expect(try ports.allocate(2, owner: "a") == [20000, 20001])
        ports.release(owner: "a")
        #expect(ports.taken == 0)
        #expect(try ports.allocate(2, owner: "b") == [20002, 20003])
    }

    @Test("the search goes round the end of the pool")
    func wrap() throws {
        var ports = PortAllocator(start: 32766)
        #expect(try ports.allocate(3, owner: "a") == [32766, 32767, 20000])
        #expect(try PortAllocator(start: 80).allocating(1) == [20000], "a start outside the pool is the pool's start")
    }

    @Test("what is in use already is never handed out, and stays with its first owner")
    func adopt() throws {
        var ports = PortAllocator()
        ports.adopt([20000, 20002], owner: "old")
        ports.adopt([20002, 20004], owner: "other")
        #expect(try ports.allocate(3, owner: "new") == [20001, 20003, 20005])
        ports.release(owner: "other")
        #expect(ports.taken == 5)
    }

    @Test("all or none: what does not fit takes nothing, and says how much there is")
    func exhaustion() throws {
        var ports = PortAllocator()
        let all = PortAllocator.pool.count
        #expect(Set(try ports.allocate(all - 1, owner: "a")).count == all - 1)
        #expect(throws: PortAllocator.Exhausted(asked: 2, free: 1)) { try ports.allocate(2, owner: "b") }
        #expect(ports.taken == all - 1)
        #expect(try ports.allocate(1, owner: "b") == [32767])
        #expect("\(PortAllocator.Exhausted(asked: 1, free: 0))" == "ports: 1 asked for, 0 of 12768 free in 20000-32767")
        #expect(try ports.allocate(0, owner: "c") == [])
    }
}

extension PortAllocator {
    fileprivate func allocating(_ count: Int) throws -> [Int] {
        var copy = self
        return try copy.allocate(count, owner: "test")
    }
}
