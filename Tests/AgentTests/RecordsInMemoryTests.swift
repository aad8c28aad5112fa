// Records whose files lie in the machine's memory: what a restart of the agent finds there, and what is on the disk for the machine's.
import AgentCore
import Glibc
import KubernetesModel
import Logging
import Testing

@testable import Agent

@Suite("records in the machine's memory", .timeLimit(.minutes(2)))
struct RecordsInMemoryTests {
    /// A state directory, and one that is as good as memory: the tests take it away where a machine would forget.
    private final class Place {
        let directory: String
        var memory: String { directory + "/memory" }
        var state: String { directory + "/state" }
        var paths: AgentPaths { AgentPaths(state: state, records: RecordsInMemory(directory: memory, mapsIDs: true)) }
        var onDisk: AgentPaths { AgentPaths(state: state) }

        init() throws {
            var template = Array("/tmp/swiftlet-records-XXXXXX".utf8CString)
            directory = try #require(mkdtemp(&template).map { String(cString: $0) })
            try DiskFiles.makeDirectory(memory, mode: 0o700)
        }

        deinit { try? DiskFiles.removeTree(directory) }

        /// The next life of an agent, and what it finds.
        func life(boot: String, journalBytes: Int = 64 << 10, paths: AgentPaths? = nil) async -> (
            PodRecordStore, [String: PodRecordStore.Found]
        ) {
            var logger = Logger(label: "records")
            logger.logLevel = .critical
            let store = PodRecordStore(paths: paths ?? self.paths, boot: boot, journalBytes: journalBytes)
            return (store, await store.load(logger))
        }

        func restartMachine() throws {
            try DiskFiles.removeTree(memory)
            try DiskFiles.makeDirectory(memory, mode: 0o700)
        }
    }

    private func machine(_ uid: String, _ change: Int = 0, isStatic: Bool = false) -> PodStateMachine {
        var pod = Pod(metadata: ObjectMeta(name: "p", namespace: "alice"))
        pod.metadata.uid = uid
        pod.metadata.labels["change"] = String(change)
        if isStatic { pod.metadata.annotations[StaticPod.sourceAnnotation] = "file" }
        pod.spec.containers = [Container(name: "main", image: "psi:1")]
        return PodStateMachine(pod: pod, context: PodContext(nodeIP: "10.0.0.7", runtimeName: "fake"))
    }

    private func changes(_ found: [String: PodRecordStore.Found]) -> [String: String] {
        found.mapValues { $0.machine.pod.metadata.labels["change"] ?? "" }
    }

    @Test("a pod's records make nothing on the disk but entries of the journal, and the next agent reads the newest")
    func restart() async throws {
        let place = try Place()
        let (store, nothing) = await place.life(boot: "b-1")
        #expect(nothing.isEmpty)
        try await store.save(machine("a", 1), uid: "a")
        try await store.save(machine("b", 1), uid: "b")
        try await store.save(machine("b", 2), uid: "b", durable: false)
        #expect(!DiskFiles.exists(place.onDisk.pods))
        let (next, found) = await place.life(boot: "b-1")
        #expect(changes(found) == ["a": "1", "b": "2"])
        #expect(!found.values.contains { $0.isOfFormerBoot })
        try await next.remove(uid: "a")
        try await next.settle(machine("b", 2), uid: "b")
        #expect(DiskFiles.exists(place.paths.settledRecord("b")))
        #expect(await next.directories() == ["b"])
        let (_, last) = await place.life(boot: "b-1")
        #expect(changes(last) == ["b": "2"])
    }

    @Test("after the machine's restart what had to last is found, as of a former boot, and is in memory again")
    func powerCut() async throws {
        let place = try Place()
        let (store, _) = await place.life(boot: "b-1")
        try await store.save(machine("a", 1), uid: "a")
        try await store.save(machine("a", 2), uid: "a", durable: false)
        try place.restartMachine()
        let (next, found) = await place.life(boot: "b-2")
        #expect(changes(found) == ["a": "1"])
        #expect(found["a"]?.isOfFormerBoot == true)
        #expect(DiskFiles.exists(place.paths.record("a")))
        try await next.save(machine("a", 3), uid: "a")
        try place.restartMachine()
        let (_, last) = await place.life(boot: "b-3")
        #expect(changes(last) == ["a": "3"], "what is written in the second boot is newer than all of the first")
    }

    @Test("memory that is gone without a restart counts as one: what was newer than the journal nobody knows")
    func forgetfulMemory() async throws {
        let place = try Place()
        let (store, _) = await place.life(boot: "b-1")
        try await store.save(machine("a", 1), uid: "a")
        try place.restartMachine()
        let (_, found) = await place.life(boot: "b-1")
        #expect(changes(found) == ["a": "1"] && found["a"]?.isOfFormerBoot == true)
    }

    @Test("a damaged record is not replaced by an older one, and costs its own pod alone")
    func damaged() async throws {
        let place = try Place()
        let (store, _) = await place.life(boot: "b-1")
        for uid in ["hurt", "whole"] { try await store.save(machine(uid, 1), uid: uid) }
        try DiskFiles.replace(place.paths.record("hurt"), with: Array("}}".utf8), durable: false)
        let (_, found) = await place.life(boot: "b-1")
        #expect(changes(found) == ["whole": "1"])
    }

    @Test("a pod that outlives the journal's room has its record on the disk, until its final status has arrived")
    func longLife() async throws {
        let place = try Place()
        let (store, _) = await place.life(boot: "b-1", journalBytes: 16 << 10)
        try await store.save(machine("long", 1), uid: "long")
        try await store.save(machine("over", 1), uid: "over")
        for round in 0..<40 { try await store.save(machine("busy", round), uid: "busy") }
        #expect(DiskFiles.exists(place.onDisk.record("long")) && DiskFiles.exists(place.onDisk.record("over")))
        try await store.settle(machine("over", 1), uid: "over")
        #expect(!DiskFiles.exists(place.onDisk.record("over")))
        try place.restartMachine()
        let (next, found) = await place.life(boot: "b-2", journalBytes: 16 << 10)
        #expect(changes(found) == ["long": "1", "busy": "39"])
        for uid in ["long", "busy", "over"] { try await next.remove(uid: uid) }
        #expect(DiskFiles.names(in: place.onDisk.pods).isEmpty && DiskFiles.names(in: place.memory).isEmpty)
        let (_, last) = await place.life(boot: "b-3", journalBytes: 16 << 10)
        #expect(last.isEmpty)
    }

    @Test(
        "a pod whose final status arrived takes no room of the journal, before all that it held is removed; a killed agent's next one still finds it"
    )
    func told() async throws {
        let place = try Place()
        let (store, _) = await place.life(boot: "b-1", journalBytes: 16 << 10)
        for uid in ["told", "kept", "file"] { try await store.save(machine(uid, 1, isStatic: uid == "file"), uid: uid) }
        try await store.release(machine("told", 1), uid: "told")
        try await store.release(machine("file", 1, isStatic: true), uid: "file")
        for round in 0..<40 { try await store.save(machine("busy", round), uid: "busy") }
        #expect(!DiskFiles.exists(place.onDisk.record("told")) && DiskFiles.exists(place.onDisk.record("kept")))
        #expect(changes(await place.life(boot: "b-1", journalBytes: 16 << 10).1).keys.contains("told"))
        // One that was moved to the disk leaves it: there it would tell of a pod that runs.
        try await store.release(machine("kept", 1), uid: "kept")
        #expect(!DiskFiles.exists(place.onDisk.record("kept")))
        try place.restartMachine()
        let (_, found) = await place.life(boot: "b-2", journalBytes: 16 << 10)
        #expect(
            changes(found) == ["busy": "39", "file": "1"], "the API server tells of the others; of a static pod nobody else does")
    }

    @Test("how a static pod ended is known after the machine's restart, as no API server tells it")
    func staticPod() async throws {
        let place = try Place()
        let (store, _) = await place.life(boot: "b-1", journalBytes: 16 << 10)
        for (uid, isStatic) in [("file", true), ("object", false)] {
            try await store.save(machine(uid, 1, isStatic: isStatic), uid: uid)
            try await store.settle(machine(uid, 2, isStatic: isStatic), uid: uid)
        }
        for round in 0..<40 { try await store.save(machine("busy", round), uid: "busy") }
        try place.restartMachine()
        let (_, found) = await place.life(boot: "b-2", journalBytes: 16 << 10)
        #expect(changes(found) == ["file": "2", "busy": "39"])
    }

    @Test("an orderly end leaves nothing in memory of pods that are over; what runs stays there, and the next agent knows both")
    func orderlyEnd() async throws {
        let place = try Place()
        let (store, _) = await place.life(boot: "b-1")
        for uid in ["over", "runs"] { try await store.save(machine(uid, 1), uid: uid) }
        try await store.settle(machine("over", 1), uid: "over")
        await store.leaveMemory()
        #expect(DiskFiles.names(in: place.memory) == ["runs"])
        #expect(DiskFiles.exists(place.onDisk.settledRecord("over")))
        for boot in ["b-1", "b-2"] {
            #expect(changes(await place.life(boot: boot).1) == ["over": "1", "runs": "1"])
            try place.restartMachine()
        }
        try await store.remove(uid: "over")
        #expect(!DiskFiles.exists(place.onDisk.pod("over")))
    }

    @Test("where memory takes no record, or there is no journal, it is on the disk")
    func noRoom() async throws {
        let place = try Place()
        let (store, _) = await place.life(boot: "b-1")
        try await store.save(machine("a", 1), uid: "a", durable: false)
        // As a full one, which refuses every new file.
        try DiskFiles.makeDirectory(place.paths.record("a") + ".new")
        try await store.save(machine("a", 2), uid: "a", durable: false)
        #expect(changes(await place.life(boot: "b-1").1) == ["a": "2"])
        let (plain, _) = await place.life(boot: "b-1", journalBytes: 0)
        try await plain.save(machine("b", 1), uid: "b")
        try place.restartMachine()
        #expect(changes(await place.life(boot: "b-2", journalBytes: 0).1) == ["a": "2", "b": "1"])
    }

    @Test("records that an agent had on the disk are read there, and leave it with their pod's end")
    func older() async throws {
        let place = try Place()
        let (former, _) = await place.life(boot: "b-1", paths: place.onDisk)
        for uid in ["a", "b", "c"] { try await former.save(machine(uid, 1), uid: uid) }
        try await former.settle(machine("c", 1), uid: "c")
        let (store, found) = await place.life(boot: "b-1")
        #expect(changes(found) == ["a": "1", "b": "1", "c": "1"])
        try await store.save(machine("a", 2), uid: "a")
        try await store.settle(machine("b", 1), uid: "b")
        #expect(changes(await place.life(boot: "b-1").1) == ["a": "2", "b": "1", "c": "1"])
        for uid in ["a", "b", "c"] { try await store.remove(uid: uid) }
        #expect(DiskFiles.names(in: place.onDisk.pods).isEmpty && DiskFiles.names(in: place.memory).isEmpty)
    }
}
