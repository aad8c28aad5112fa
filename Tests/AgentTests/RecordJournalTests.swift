// Records beyond a power cut: the files are taken away or cut off as a disk would have them that had not been flushed.
import AgentCore
import Glibc
import KubernetesModel
import Logging
import Synchronization
import Testing

@testable import Agent

@Suite("the journal of records", .timeLimit(.minutes(2)))
struct RecordJournalTests {
    /// A state directory of its own.
    private final class Place {
        let directory: String
        var paths: AgentPaths { AgentPaths(state: directory) }

        init() throws {
            var template = Array("/tmp/swiftlet-journal-XXXXXX".utf8CString)
            directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        }

        deinit { try? DiskFiles.removeTree(directory) }

        /// The next life of an agent, and what it finds.
        func life(boot: String, journalBytes: Int = 64 << 10) async -> (PodRecordStore, [String: PodRecordStore.Found]) {
            var logger = Logger(label: "records")
            logger.logLevel = .critical
            let store = PodRecordStore(paths: paths, boot: boot, journalBytes: journalBytes)
            return (store, await store.load(logger))
        }
    }

    private func machine(_ uid: String, _ change: Int = 0) -> PodStateMachine {
        var pod = Pod(metadata: ObjectMeta(name: "p", namespace: "alice"))
        pod.metadata.uid = uid
        pod.metadata.labels["change"] = String(change)
        pod.spec.containers = [Container(name: "main", image: "psi:1")]
        return PodStateMachine(pod: pod, context: PodContext(nodeIP: "10.0.0.7", runtimeName: "fake"))
    }

    private func change(_ found: PodRecordStore.Found?) -> String? { found?.machine.pod.metadata.labels["change"] }

    @Test("a lasting record that a power cut took from its file, or cut off, is found; one that is newer in its file is read there")
    func powerCut() async throws {
        let place = try Place()
        let (store, nothing) = await place.life(boot: "b-1")
        #expect(nothing.isEmpty)
        for uid in ["gone", "torn", "older", "newer"] { try await store.save(machine(uid, 1), uid: uid) }
        let old = try DiskFiles.read(place.paths.record("older"))
        try await store.save(machine("older", 2), uid: "older")
        try await store.save(machine("newer", 2), uid: "newer", durable: false)
        try DiskFiles.removeTree(place.paths.pod("gone"))
        try DiskFiles.replace(place.paths.record("torn"), with: [], durable: false)
        try DiskFiles.replace(place.paths.record("older"), with: old, durable: false)
        let (next, found) = await place.life(boot: "b-2")
        #expect(found.mapValues { change($0) } == ["gone": "1", "torn": "1", "older": "2", "newer": "2"])
        let former = found.values.allSatisfy { $0.isOfFormerBoot }
        #expect(former)
        // It stands in its file again, for the power cut after this one.
        #expect(DiskFiles.exists(place.paths.record("gone")))
        // Serials go on: what is written now is newer than all that was there.
        try await next.save(machine("torn", 3), uid: "torn")
        try DiskFiles.removeTree(place.paths.pod("torn"))
        let (_, last) = await place.life(boot: "b-3")
        #expect(change(last["torn"]) == "3")
    }

    @Test("in the same boot files are whole: a damaged one is nobody's power cut, and a removed one is not brought back")
    func sameBoot() async throws {
        let place = try Place()
        let (store, _) = await place.life(boot: "b-1")
        for uid in ["damaged", "removed", "whole"] { try await store.save(machine(uid), uid: uid) }
        try DiskFiles.replace(place.paths.record("damaged"), with: Array("}}".utf8), durable: false)
        try DiskFiles.removeTree(place.paths.pod("removed"))
        let (_, found) = await place.life(boot: "b-1")
        #expect(Set(found.keys) == ["whole"])
    }

    @Test("a pod that was forgotten does not come back with the power, nor does a settled one that is gone")
    func forgotten() async throws {
        let place = try Place()
        let (store, _) = await place.life(boot: "b-1")
        for uid in ["a", "b", "c"] { try await store.save(machine(uid), uid: uid) }
        try await store.settle(machine("b"), uid: "b")
        try await store.remove(uid: "a")
        try await store.remove(uid: "b")
        let (_, found) = await place.life(boot: "b-2")
        #expect(Set(found.keys) == ["c"])
    }

    @Test("pods that are recorded at once all last, in whatever order their records come to the disk")
    func together() async throws {
        let place = try Place()
        let (store, _) = await place.life(boot: "b-1", journalBytes: 1 << 20)
        let uids = (0..<64).map { "pod-\($0)" }
        for round in 1...3 {
            await withTaskGroup(of: Void.self) { group in
                for uid in uids {
                    group.addTask { [self] in
                        do { try await store.save(machine(uid, round), uid: uid) } catch { Issue.record("\(error)") }
                    }
                }
            }
        }
        for uid in uids { try DiskFiles.removeTree(place.paths.pod(uid)) }
        let (_, found) = await place.life(boot: "b-2", journalBytes: 1 << 20)
        for uid in uids { #expect(change(found[uid]) == "3") }
    }

    @Test("what a half still holds is settled bit by bit before the journal comes round to it, and not what needs it no more")
    func settledAhead() async throws {
        let place = try Place()
        try DiskFiles.makeDirectory(place.paths.state)
        let settled = Mutex<[String]>([])
        let journal = try RecordJournal.open(place.paths.recordJournal, bytes: 64 << 10) { uid throws(FileError) in
            settled.withLock { $0.append(uid) }
        }.journal
        func append(_ uid: String) {
            // Ten of them fill a half.
            journal.append(uid: uid, [UInt8](repeating: 0x20, count: 3000)) { #expect($0) }
        }
        for uid in ["one", "two", "told"] { append(uid) }
        for round in 0..<7 { append("busy\(round % 2)") }
        for round in 0..<8 { append("busy\(round % 2)") }
        journal.release("told")
        #expect(settled.withLock { $0 }.isEmpty, "not while there is time")
        append("busy0")
        #expect(Set(settled.withLock { $0 }) == ["one", "two"])
        for round in 0..<4 { append("busy\(round % 2)") }
        #expect(settled.withLock { $0 }.count == 2, "and the turn has nothing left to do")
    }

    @Test("whatever number of records passes through it, the newest of each pod is found, at once with many who write")
    func manyTurns() async throws {
        let place = try Place()
        let (store, _) = await place.life(boot: "b-1", journalBytes: 16 << 10)
        let uids = (0..<8).map { "pod-\($0)" }
        for round in 0..<40 {
            await withTaskGroup(of: Void.self) { group in
                for uid in uids where uid != "pod-7" || round == 0 {
                    group.addTask { [self] in
                        do { try await store.save(machine(uid, round), uid: uid) } catch { Issue.record("\(error)") }
                    }
                }
            }
        }
        // As after a power cut that took what was written last: of pod-7 the journal has nothing any more, its file was
        // flushed before.
        for uid in uids.dropLast() { try DiskFiles.removeTree(place.paths.pod(uid)) }
        let (_, found) = await place.life(boot: "b-2", journalBytes: 16 << 10)
        for uid in uids.dropLast() { #expect(change(found[uid]) == "39" || found[uid] == nil) }
        #expect(change(found["pod-7"]) == "0")
        // The last written are there whatever came before.
        #expect(found.count > 1)
    }

    @Test("where there can be no journal, records last all the same; one of another size is made anew")
    func without() async throws {
        let place = try Place()
        mkdir(place.paths.recordJournal, 0o755)
        let (store, _) = await place.life(boot: "b-1")
        try await store.save(machine("a", 1), uid: "a")
        rmdir(place.paths.recordJournal)
        try await place.life(boot: "b-1").0.save(machine("a", 2), uid: "a")
        let (_, found) = await place.life(boot: "b-1", journalBytes: 128 << 10)
        #expect(change(found["a"]) == "2")
    }

    @Test("an entry is read as it was written; a changed byte anywhere in it costs that entry and no other")
    func entries() {
        let entries = (1...3).map { number in
            RecordJournalEntry(uid: "pod-\(number)", serial: UInt64(number), body: Array(repeating: UInt8(number), count: 300 * number))
        }
        let bytes = entries.flatMap(\.bytes) + [UInt8](repeating: 0, count: 1024)
        #expect(RecordJournalEntry.all(bytes, from: 0, to: bytes.count).map(\.entry) == entries)
        let second = entries[0].bytes.count
        let used = 32 + "pod-2".utf8.count + 600
        for at in 0..<used where !(28..<32).contains(at) {
            var damaged = bytes
            damaged[second + at] ^= 0x40
            let found = RecordJournalEntry.all(damaged, from: 0, to: bytes.count).map(\.entry)
            #expect(found == [entries[0], entries[2]], "byte \(at)")
        }
        // Older ones behind the newest are those of the round before.
        let reused = [entries[2], entries[0], entries[1]].flatMap(\.bytes)
        #expect(RecordJournalEntry.all(reused, from: 0, to: reused.count).map(\.entry) == [entries[2]])
    }
}
