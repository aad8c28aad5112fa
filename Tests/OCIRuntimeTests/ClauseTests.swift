// Every clause on swiftlet-oci; and beside it what runc does with the same clause on this machine.

import Glibc
import Testing

@testable import OCIRuntime

@Suite(
    "Clauses of the runtime specification", .enabled(if: Machine.canRun, "needs root, busybox-static and a built swiftlet-oci"))
struct ClauseTests {
    @Test("holds", arguments: Clause.all.indices)
    func holds(_ index: Int) throws {
        let clause = Clause.all[index]
        let path = try #require(Machine.runtime)
        #expect(try clause.holds { Runtime(path, for: $0) }, "\(clause)")
    }
}

/// What Debian's runc passes, swiftlet-oci passes: held clause by clause, so that a clause of which both fail shows above only.
@Suite("Against runc", .enabled(if: Machine.canCompare, "needs runc"), .serialized)
struct ComparisonTests {
    /// Scripts/oci-validation asks for the whole table; else only the differences are told.
    private static let printsAll = getenv("SWIFTLET_PRINT_CLAUSES") != nil

    @Test("no clause that runc passes is failed by swiftlet-oci")
    func comparison() throws {
        let ours = try #require(Machine.runtime)
        let theirs = try #require(Machine.runc)
        var passed = (ours: 0, theirs: 0)
        for clause in Clause.all {
            let (mine, other) = (Self.passes(clause, ours), Self.passes(clause, theirs))
            passed.ours += mine ? 1 : 0
            passed.theirs += other ? 1 : 0
            #expect(mine || !other, "\(clause)")
            if mine != other || Self.printsAll { print("| \(clause) | \(mine ? "yes" : "**no**") | \(other ? "yes" : "no") |") }
        }
        Self.removeGroupsLeftBehind()
        print("clauses passed: swiftlet-oci \(passed.ours), runc \(passed.theirs), of \(Clause.all.count)")
        #expect(passed.ours >= passed.theirs)
    }

    private static func passes(_ clause: Clause, _ path: String) -> Bool {
        Bundle.$prefix.withValue("oci-other") { (try? clause.holds { Runtime(path, for: $0) }) ?? false }
    }

    /// runc 1.1 leaves groups when a create fails late; only what this test had made is removed.
    private static func removeGroupsLeftBehind() {
        for hierarchy in HostFile.entries(CgroupHierarchy.root, onlyDirectories: true) {
            for name in HostFile.entries("\(CgroupHierarchy.root)/\(hierarchy)", onlyDirectories: true)
            where name.hasPrefix("oci-other-\(getpid())-") {
                rmdir("\(CgroupHierarchy.root)/\(hierarchy)/\(name)")
            }
        }
    }
}
