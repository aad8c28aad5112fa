// What `swiftlet up` is to start, checked before anything is: domains, directories, images, the port.
import Glibc
import ImageStore
import JSON

struct UpPlan: Sendable {
    let state: StateDirectory
    let domains: [String]
    /// Data directory by domain.
    let data: [String: String]
    /// Images for every node: descriptions of built-in ones (.json), or archives.
    let images: [String]
    let port: Int
    let executable: String

    init(state: String, domains: String, data: [String], images: [String], port: Int) throws {
        self.state = StateDirectory(state)
        self.domains = try Self.domains(domains)
        self.data = try Self.dataDirectories(data, domains: self.domains)
        self.images = try images.map { path in
            let absolute = FileText.absolute(path)
            guard FileText.exists(absolute) else {
                throw CommandFailure(
                    "--image: there is no file \(path)", hint: "a .json file, or a docker-archive or oci-archive")
            }
            try Self.checkImage(absolute, path)
            return absolute
        }
        guard (0...65535).contains(port) else { throw CommandFailure("--port \(port): expected 0 to 65535", hint: nil) }
        self.port = port == 0 ? try FreePort.find() : port
        executable = try Self.ownExecutable()
        guard geteuid() == 0 else {
            throw CommandFailure(
                "swiftlet up needs root: its nodes make cgroups, namespaces and mounts for their tasks", hint: "run it with sudo")
        }
    }

    /// The description of a built-in image has to be one; whoever unpacks an archive sees what is in it.
    private static func checkImage(_ file: String, _ path: String) throws {
        guard UpConfiguration.isManifest(file) else { return }
        let hint = "examples/psi/image.json.template is one; an archive's name does not end in .json"
        let bytes: [UInt8]
        do throws(FileText.Unreadable) { bytes = try FileText.contents(file) } catch {
            throw CommandFailure("--image: cannot read \(path): \(error.reason)", hint: hint)
        }
        do { _ = try JSON.decode(BuiltinImage.self, from: bytes) } catch {
            throw CommandFailure(
                "--image: \(path): expected the description of a built-in image: \(JSON.describe(error))", hint: hint)
        }
    }

    private static func domains(_ list: String) throws -> [String] {
        let domains = list.split(separator: ",").map(String.init)
        guard !domains.isEmpty else { throw CommandFailure("--domains: expected at least one domain id", hint: nil) }
        for domain in domains {
            if let problem = KusciaConfiguration.domainIDProblem(domain) {
                throw CommandFailure("--domains: \(problem)", hint: nil)
            }
            if KusciaConfiguration.reservedDomainIDs.contains(domain) {
                throw CommandFailure("--domains: \"\(domain)\" is reserved", hint: "choose another id")
            }
        }
        guard Set(domains).count == domains.count else {
            throw CommandFailure("--domains: an id stands twice in \(list)", hint: nil)
        }
        return domains
    }

    private static func dataDirectories(_ options: [String], domains: [String]) throws -> [String: String] {
        var directories: [String: String] = [:]
        for option in options {
            guard let equals = option.firstIndex(of: "=") else {
                throw CommandFailure(
                    "--data \(option): expected DOMAIN=DIRECTORY", hint: "e.g. --data alice=examples/psi/data/alice")
            }
            let (domain, path) = (String(option[..<equals]), String(option[option.index(after: equals)...]))
            guard domains.contains(domain) else {
                throw CommandFailure(
                    "--data \(option): \(domain) is none of the domains", hint: "--domains \(domains.joined(separator: ","))")
            }
            let absolute = FileText.absolute(path)
            guard FileText.isDirectory(absolute) else {
                throw CommandFailure("--data \(option): \(path) is no directory", hint: nil)
            }
            directories[domain] = absolute
        }
        return directories
    }

    static func ownExecutable() throws -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0 else { throw CommandFailure("cannot find this program's own file", hint: "is /proc mounted?") }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// A port that nobody uses now. Between the answer and its use another process may take it; the start then says so.
enum FreePort {
    static let range = 10_000..<20_000  // below the tasks' ports and the ones that the kernel gives to outgoing connections
    static let attempts = 100

    static func find() throws -> Int {
        for _ in 0..<attempts {
            let port = Int.random(in: range)
            if isFree(port) { return port }
        }
        throw CommandFailure(
            "no free port found between \(range.lowerBound) and \(range.upperBound)", hint: "name one with --port")
    }

    static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // As the server itself will: a former connection in TIME_WAIT does not count.
        var reuse: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
