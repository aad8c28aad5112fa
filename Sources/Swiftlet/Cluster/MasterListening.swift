// Where a master listens: its address and port, the names that its certificate has to have for that, and what is said when it cannot.
import Glibc

struct MasterListening: Sendable, CustomStringConvertible {
    let host: String
    let port: Int
    private let configuredNames: [String]

    init(_ settings: KusciaConfiguration.Extensions) {
        host = settings.listenAddress ?? "0.0.0.0"
        port = settings.port ?? 6443
        configuredNames = settings.certificateNames
    }

    /// Every address of the machine.
    private var isAnywhere: Bool { host == "0.0.0.0" || host == "::" }

    /// The configured ones, and the address where clients certainly come.
    var certificateNames: [String] { isAnywhere || configuredNames.contains(host) ? configuredNames : configuredNames + [host] }

    /// For the administrator, who sits on this machine or changes the address in a copy.
    var url: String {
        MasterEndpoint(host: isAnywhere ? configuredNames.first { !$0.hasPrefix("*") } ?? "127.0.0.1" : host, port: port).url
    }

    var description: String { String(MasterEndpoint(host: host, port: port).url.dropFirst("https://".count)) }

    /// The same error in the words of the configuration; nil when it is another. It comes from below, as a system call's.
    func failure(_ error: any Error) -> CommandFailure? {
        let text = "\(error)"
        let hints: [(errno: Int32, hint: String)] = [
            (
                EADDRINUSE,
                "something listens there already, perhaps another master: `ss -ltnp` shows it; set another swiftlet.port"
            ),
            (EADDRNOTAVAIL, "swiftlet.listenAddress is none of this machine's addresses: `ip address` lists them"),
            (EACCES, "ports below 1024 need root: set another swiftlet.port"),
        ]
        guard let known = hints.first(where: { text.contains(String(cString: strerror($0.errno))) }) else { return nil }
        return CommandFailure(
            "cannot listen at \(self) (swiftlet.listenAddress, swiftlet.port): \(String(cString: strerror(known.errno)))",
            hint: known.hint)
    }
}
