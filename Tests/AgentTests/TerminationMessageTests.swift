// A container's last word, read from files that the container could have written anything into.
import AgentCore
import Glibc
import KubernetesModel
import RuntimeInterface
import Testing

@testable import Agent

@Suite("a termination message", .timeLimit(.minutes(1)))
final class TerminationMessageTests {
    private let directory: String
    private let messages: TerminationMessages
    private var pod = Pod(
        metadata: ObjectMeta(name: "web", namespace: "alice", uid: "u1"),
        spec: PodSpec(containers: [Container(name: "main", image: "psi:1")]))
    private let run = ContainerRun(name: "main", attempt: 0)

    init() throws {
        var template = Array("/tmp/swiftlet-message-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw LabError("mkdtemp: errno \(errno)") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        messages = TerminationMessages(paths: AgentPaths(state: directory))
        try DiskFiles.makeDirectory(messages.paths.logs(namespace: "alice", name: "web", uid: "u1") + "/main")
    }

    deinit {
        // The test's own temporary directory, made by mkdtemp above.
        try? DiskFiles.removeTree(directory)
    }

    private func prepare(_ run: ContainerRun? = nil) throws -> String { try place(run).hostPath }

    @Test("it lies beside the run's log, or with the records in memory where these can be mounted with a pod's ids; a former agent's is read too")
    func lies() async throws {
        let state = directory + "/s"
        func path(_ records: RecordsInMemory?) -> String {
            AgentPaths(state: state, records: records).terminationMessage(of: pod, container: "main", attempt: 0)
        }
        #expect(path(nil) == state + "/logs/pods/alice_web_u1/main/0.termination")
        #expect(path(RecordsInMemory(directory: "/m", mapsIDs: false)) == path(nil))
        #expect(path(RecordsInMemory(directory: "/m", mapsIDs: true)) == "/m/u1/main_0.termination")
        let former = messages.paths.formerTerminationMessage("u1", container: "main", attempt: 0)
        try DiskFiles.makeDirectory(messages.paths.pod("u1"))
        try write(Array("before".utf8), to: former)
        #expect(await read() == "before")
        try write(Array("now".utf8), to: try prepare())
        #expect(await read() == "now")
    }

    private func place(_ run: ContainerRun? = nil) throws -> ContainerMount {
        try messages.prepare(run ?? self.run, of: pod)
        return messages.mount(pod.spec.containers[0], run ?? self.run, of: pod)
    }

    private func read(exitCode: Int = 0) async -> String? { await messages.read(run, exitCode: exitCode, of: pod) }

    private func write(_ bytes: [UInt8], to path: String) throws {
        let file = try #require(fopen(path, "w"))
        defer { fclose(file) }
        #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    }

    private func log(_ text: String) throws {
        let path = messages.paths.log(namespace: "alice", name: "web", uid: "u1", container: "main", attempt: 0)
        try DiskFiles.makeDirectory(String(path.dropLast("/0.log".count)))
        try write(Array(text.utf8), to: path)
    }

    @Test("the file is empty, anybody in the container may write to it, and lies where the container says")
    func prepared() async throws {
        let standard = try place()
        #expect(standard.containerPath == "/dev/termination-log" && !standard.readOnly)
        var facts = stat()
        #expect(stat(standard.hostPath, &facts) == 0 && facts.st_size == 0 && facts.st_mode & 0o777 == 0o666)
        pod.spec.containers[0].terminationMessagePath = "/tmp/last"
        try write(Array("said".utf8), to: standard.hostPath)
        #expect(try place().containerPath == "/tmp/last")
        #expect(await read() == "said", "preparing again keeps it")
    }

    @Test("nothing said is no message; each run has its own, and of a crashing container two runs' files are kept")
    func runs() async throws {
        let paths = try [0, 1, 2, 3].map { try prepare(ContainerRun(name: "main", attempt: $0)) }
        #expect(await read() == nil)
        try write(Array("third".utf8), to: paths[2])
        #expect(await messages.read(ContainerRun(name: "main", attempt: 2), exitCode: 1, of: pod) == "third")
        #expect(await messages.read(ContainerRun(name: "main", attempt: 3), exitCode: 1, of: pod) == nil)
        #expect(paths.map { access($0, F_OK) == 0 } == [false, false, true, true])
        #expect(await messages.read(ContainerRun(name: "other", attempt: 0), exitCode: 1, of: pod) == nil)
    }

    @Test("at most 4096 bytes, less in a pod of many containers, whatever was written; no character is cut in two")
    func limits() async throws {
        let path = try prepare()
        for bytes in [[UInt8](repeating: 0xFF, count: 9000), Array(String(repeating: "\u{20AC}", count: 3000).utf8)] {
            try write(bytes, to: path)
            let text = try #require(await read())
            #expect((4090...4096).contains(text.utf8.count), "\(text.utf8.count) bytes")
        }
        #expect(try #require(await read()).allSatisfy { $0 == "\u{20AC}" || $0 == "\u{FFFD}" })
        pod.spec.containers += (1..<24).map { Container(name: "c\($0)", image: "psi:1") }
        #expect(try #require(await read()).utf8.count <= 512)
    }

    @Test("a link, a pipe or a directory in the file's place is no message, and is not followed or waited for")
    func places() async throws {
        let path = try prepare()
        try write(Array("secret".utf8), to: directory + "/secret")
        for make in [{ symlink(self.directory + "/secret", path) }, { mkfifo(path, 0o666) }, { mkdir(path, 0o777) }] {
            #expect(remove(path) == 0)
            #expect(make() == 0)
            #expect(await read() == nil)
        }
        #expect(throws: (any Error).self, "a directory cannot be written to") { try self.prepare() }
    }

    @Test("with FallbackToLogsOnError the log's last lines speak for a failed container that said nothing itself")
    func fallback() async throws {
        let path = try prepare()
        try log("T stdout F one\nT stderr P tw\nT stderr F o\nnot a line\nT other F no\nT stdout F three four\n")
        #expect(await read(exitCode: 1) == nil, "only where the policy says so")
        pod.spec.containers[0].terminationMessagePolicy = "FallbackToLogsOnError"
        #expect(await read(exitCode: 0) == nil)
        #expect(await read(exitCode: 1) == "one\ntwo\nthree four\n")
        try log((1...200).map { "T stdout F \($0)\n" }.joined())
        #expect(await read(exitCode: 1)?.hasPrefix("121\n") == true, "80 lines")
        try log((1...80).map { _ in "T stdout F " + String(repeating: "\u{20AC}", count: 60) + "\n" }.joined())
        let text = try #require(await read(exitCode: 1))
        #expect((2040...2048).contains(text.utf8.count) && !text.contains("\u{FFFD}"), "\(text.utf8.count) bytes")
        try write(Array("own word".utf8), to: path)
        #expect(await read(exitCode: 1) == "own word")
    }
}
