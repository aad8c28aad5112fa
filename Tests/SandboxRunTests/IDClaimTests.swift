// Host ids of tasks: parts that do not meet, and one task's alone at a time.

import Foundation
import SandboxPolicy
import Testing

@testable import SandboxRun

@Suite("Host ids")
struct IDClaimTests {
    @Test("pods, commands and owners of namespaces have ids of their own, inside of what systemd leaves to containers")
    func parts() {
        let parts = [HostIDs.pods, HostIDs.commands, HostIDs.owners]
        #expect(zip(parts, parts.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound })
        #expect(parts.allSatisfy { $0.lowerBound >= 0x0008_0000 && $0.upperBound <= 0x7000_0000 })
        #expect(parts.allSatisfy { $0.count % Int(SandboxSpec.idRangeCount) == 0 })
    }

    @Test("every process id gives ids inside of the commands' part", arguments: [1, 42, 4_094, 4_095, 32_768, 4_194_304] as [Int32])
    func inside(_ processID: Int32) throws {
        var machine = Machines.root()
        machine.processID = processID
        let start = try #require(try RunPlanTests.plan(machine, "true").spec.idRangeStart)
        #expect(HostIDs.commands.contains(start) && HostIDs.commands.contains(start + SandboxSpec.idRangeCount - 1))
    }

    @Test("what somebody holds is passed over until he ends, round to the first")
    func claims() throws {
        let path = NSTemporaryDirectory() + "swiftlet-ids-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let first = try #require(IDClaim(wish: 2, of: 4, at: path))
        let second = try #require(IDClaim(wish: 2, of: 4, at: path))
        let third = try #require(IDClaim(wish: 3, of: 4, at: path))
        #expect([first.slot, second.slot, third.slot] == [2, 3, 0])
        let fourth = try #require(IDClaim(wish: 2, of: 4, at: path))
        #expect(fourth.slot == 1 && IDClaim(wish: 2, of: 4, at: path) == nil)
        second.release()
        #expect(try #require(IDClaim(wish: 2, of: 4, at: path)).slot == 3)
        for claim in [first, third, fourth] { claim.release() }
    }
}
