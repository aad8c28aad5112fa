// A container's last word: what it left in its termination file, or the end of its log (core/v1 Container.terminationMessagePath
// and terminationMessagePolicy).
import AgentCore
import Glibc
import KubernetesModel
import RuntimeInterface

struct TerminationMessages: Sendable {
    static let standardPath = "/dev/termination-log"
    /// Bytes of one message, and of all messages of a pod together.
    static let limit = 4096
    static let podLimit = 12 * 1024
    /// What is taken of a log.
    static let logLimit = 2048
    static let logLines = 80

    let paths: AgentPaths

    private func file(_ pod: Pod, _ run: ContainerRun) -> String {
        paths.terminationMessage(of: pod, container: run.name, attempt: run.attempt)
    }

    /// An empty file that the container may write to, whatever its user, in the directory of the run's log. Idempotent: what is in it
    /// stays. Blocks.
    func prepare(_ run: ContainerRun, of pod: Pod) throws(FileError) {
        let path = file(pod, run)
        // Of a container that crashes again and again only two runs are ever asked for.
        if run.attempt > 1 { unlink(paths.terminationMessage(of: pod, container: run.name, attempt: run.attempt - 2)) }
        var descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
        if descriptor < 0, errno == ENOENT, paths.records?.mapsIDs != true, let slash = path.lastIndex(of: "/") {
            try DiskFiles.makeDirectory(String(path[..<slash]))
            descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
        }
        guard descriptor >= 0 else { throw FileError.last("open", path) }
        defer { close(descriptor) }
        guard fchmod(descriptor, 0o666) == 0 else { throw FileError.last("chmod", path) }
    }

    func mount(_ container: Container, _ run: ContainerRun, of pod: Pod) -> ContainerMount {
        let inside = container.terminationMessagePath ?? ""
        return ContainerMount(
            hostPath: file(pod, run), containerPath: inside.isEmpty ? Self.standardPath : inside,
            readOnly: false)
    }

    /// nil when the container had nothing to say.
    func read(_ run: ContainerRun, exitCode: Int, of pod: Pod) async -> String? {
        guard let container = Self.container(run.name, pod) else { return nil }
        let limit = Self.limit(in: pod)
        let places = [
            file(pod, run),
            paths.formerTerminationMessage(pod.metadata.uid ?? "", container: run.name, attempt: run.attempt),
        ]
        let log = paths.log(
            namespace: pod.metadata.namespace ?? "", name: pod.metadata.name, uid: pod.metadata.uid ?? "", container: run.name,
            attempt: run.attempt)
        let fallsBack = container.terminationMessagePolicy == "FallbackToLogsOnError" && exitCode != 0
        return await DiskFiles.perform {
            for path in places { if let text = Self.text(Self.head(of: path, limit), limit) { return text } }
            guard fallsBack else { return nil }
            let rest = min(limit, Self.logLimit)
            // A limit may have cut a character in two.
            let end = Self.lastLines(Self.tail(of: log, 4 * Self.logLimit)).suffix(rest).drop { $0 & 0xC0 == 0x80 }
            return Self.text(end, rest)
        }
    }

    static func limit(in pod: Pod) -> Int {
        let count = pod.spec.initContainers.count + pod.spec.containers.count + pod.spec.ephemeralContainers.count
        return min(limit, podLimit / max(1, count))
    }

    private static func container(_ name: String, _ pod: Pod) -> Container? {
        (pod.spec.containers + pod.spec.initContainers + pod.spec.ephemeralContainers).first { $0.name == name }
    }

    /// nil: nothing. Bytes that are no text become U+FFFD, which is longer than they were: the limit is the text's.
    private static func text(_ bytes: some Collection<UInt8>, _ limit: Int) -> String? {
        if bytes.isEmpty { return nil }
        let text = String(decoding: bytes, as: UTF8.self).unicodeScalars
        var (count, end) = (0, text.startIndex)
        while end < text.endIndex {
            count += UTF8.width(text[end])
            if count > limit { break }
            text.formIndex(after: &end)
        }
        return String(text[..<end])
    }

    /// The container owns the file: no link is followed and no device or pipe is waited for.
    private static func read(_ path: String, _ limit: Int, fromEnd: Bool) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else { return [] }
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = pread(descriptor, &bytes, limit, fromEnd ? max(0, facts.st_size - limit) : 0)
        return count > 0 ? Array(bytes[..<count]) : []
    }

    private static func head(of path: String, _ limit: Int) -> [UInt8] { read(path, limit, fromEnd: false) }
    private static func tail(of path: String, _ limit: Int) -> [UInt8] { read(path, limit, fromEnd: true) }

    /// The contents of the last lines of a CRI log: "TIME STREAM P|F CONTENT".
    static func lastLines(_ log: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        let lines = log.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true).suffix(logLines)
        for line in lines {
            let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 3, omittingEmptySubsequences: false)
            // The first line may have lost its beginning.
            guard parts.count == 4, parts[1] == Array("stdout".utf8)[...] || parts[1] == Array("stderr".utf8)[...] else {
                continue
            }
            text += parts[3]
            if parts[2] != [UInt8(ascii: "P")] { text.append(UInt8(ascii: "\n")) }
        }
        return text
    }
}
