// What a runtime knows of its pods: each found by its pod, each range of ids given once.

import RuntimeInterface
import Testing

@testable import LocalRuntime

@Suite("Table of pods")
struct PodTableTests {
    private func record(_ uid: String, range: UInt32?) -> SandboxRecord {
        var record = SandboxRecord(
            config: PodSandboxConfig(
                podUID: uid, namespace: "n", name: uid, hostname: uid, stateDirectory: "/s/\(uid)", logDirectory: "/l/\(uid)"))
        record.idRangeStart = range
        return record
    }

    @Test("a range is taken until the last sandbox that has it is gone, replaced ones among them")
    func ranges() {
        let ranges = IDRanges(first: 0, slots: 2)
        var table = PodTable()
        table.put(record("a", range: 0), of: "a")
        table.put(record("a", range: 0), of: "a")
        #expect(table.pickRange(of: ranges, podUID: "x") == 65_536)
        // Brought here from elsewhere, with the range of another.
        table.put(record("b", range: 0), of: "b")
        table.put(record("c", range: 65_536), of: "c")
        table.put(record("d", range: nil), of: "d")
        #expect(table.pickRange(of: ranges, podUID: "x") == nil)
        table.removeSandbox("a")
        #expect(table.pickRange(of: ranges, podUID: "x") == nil)
        table.removeSandbox("b")
        table.removeSandbox("b")
        table.removeSandbox("nobody")
        #expect(table.pickRange(of: ranges, podUID: "x") == 0)
        table.put(record("c", range: 0), of: "c")
        #expect(table.pickRange(of: ranges, podUID: "x") == 65_536)
        #expect(Set(table.sandboxes.keys) == ["c", "d"])
    }
}
