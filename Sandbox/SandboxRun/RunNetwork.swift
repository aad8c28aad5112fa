// A network namespace that lives as long as one run, and what attaches it to a CNI network.
import CLinux
import Glibc
import SandboxPolicy

/// Attaches namespaces to networks of the machine. `swiftlet` gives its CNI client; without one `--network cni:NAME` is refused.
public protocol RunNetworkProvider: Sendable {
    /// `namespace` is the path of the pinned namespace, `id` unique on this machine. Returns how to undo it, and the name
    /// servers that the network names. Blocks.
    func attach(network: String, id: String, namespace: String, ports: [UInt16]) throws(RunFailure) -> RunAttachment
}

public struct RunAttachment: Sendable {
    public var nameservers: [String]
    /// Repeatable; returns what is in the way, nil when nothing is left.
    public var detach: @Sendable () -> String?

    public init(nameservers: [String], detach: @escaping @Sendable () -> String?) {
        self.nameservers = nameservers
        self.detach = detach
    }
}

/// The namespace is pinned by a mount in `directory`, as plugins want a path.
struct RunNetwork {
    let path: String
    private var attachment: RunAttachment?

    init(_ name: String, plan: RunPlan, launcher: Launcher, directory: String, provider: (any RunNetworkProvider)?)
        throws(RunFailure)
    {
        guard let provider else {
            throw RunFailure(field: "--network", found: "cni:\(name)", expected: "none or host: this program has no CNI client")
        }
        path = directory + "/netns"
        try launcher.run(["netns", "--make", path], "--network")
        do throws(RunFailure) {
            attachment = try provider.attach(
                network: name, id: "\(plan.spec.id)-\(getpid())", namespace: path, ports: plan.options.ports)
        } catch {
            release()
            throw error
        }
    }

    var nameservers: [String] { attachment?.nameservers ?? [] }

    /// Gives everything back; says what could not be.
    func release() {
        if let complaint = attachment?.detach() { RunProgram.print("swiftlet run: --network: \(complaint)\n", to: STDERR_FILENO) }
        if clinux_unmount(path) == 0 || errno == EINVAL { unlink(path) }
    }
}

extension Launcher {
    /// A verb of the launcher that is done at once; its words on standard error are the user's to read.
    func run(_ verb: [String], _ field: String) throws(RunFailure) {
        var pid: pid_t = 0
        let result = Self.withPointers([path] + verb) { clinux_spawn_foreground(&pid, path, $0, [nil], -1) }
        guard result == 0 else { throw .system(field, path, result) }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        guard status == 0 else {
            throw RunFailure(
                field: field, found: "`swiftlet-sandbox \(verb.joined(separator: " "))` failed", expected: "this to work")
        }
    }
}
