// Says whether a TCP port is free on this machine, by binding it. The master hands out ports without knowing what else runs
// here; a task that finds its port taken dies at once or, worse, its peers wait for it.
import Glibc

public enum PortProbe {
    /// The ports of `ports` that cannot be bound on `address` (IPv4), in their order. SO_REUSEADDR is left off on purpose:
    /// engines do not set it either, so a port in TIME_WAIT counts as taken for them too.
    public static func taken(_ ports: [UInt16], address: String = "0.0.0.0") -> [UInt16] {
        ports.filter { !isFree($0, address: address) }
    }

    static func isFree(_ port: UInt16, address: String) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.bigEndian
        guard inet_pton(AF_INET, address, &target.sin_addr) == 1 else { return false }
        return withUnsafePointer(to: &target) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
