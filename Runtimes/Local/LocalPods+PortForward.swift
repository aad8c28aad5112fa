// A connection to a pod's own loopback, made in the pod's network namespace.

import CLinux
import Glibc
import RuntimeInterface

extension LocalPods {
    package func portForward(podUID: String, port: UInt16) async throws -> any ByteStream {
        guard let sandbox = sandbox(podUID) else { throw RuntimeError.notFound("pod sandbox \(podUID)") }
        let isHost = sandbox.config.network?.isHost ?? true
        let space = isHost ? nil : network(of: podUID).path
        do {
            return try await Self.connect(space, port, version: 4)
        } catch let error as RuntimeError {
            // A server may listen on the other family's loopback alone.
            if let stream = try? await Self.connect(space, port, version: 6) { return stream }
            throw error
        }
    }

    private static func connect(_ space: String?, _ port: UInt16, version: Int) async throws -> SocketStream {
        let stage = "connect(\(version == 4 ? "127.0.0.1" : "[::1]"):\(port))"
        let descriptor = try await Blocking.run {
            let socket = clinux_tcp_socket_in(space, version == 4 ? AF_INET : AF_INET6)
            guard socket >= 0 else { throw RecordFiles.failure("socket", space ?? "host") }
            guard begin(socket, port, version) || errno == EINPROGRESS else {
                let reason = String(cString: strerror(errno))
                Glibc.close(socket)
                throw RuntimeError.unavailable(stage: stage, reason: reason)
            }
            return AsyncDescriptor(socket)
        }
        await descriptor.writable()
        let failure: Int32? = descriptor.with { socket in
            var error: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            return getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno
        }
        guard failure == 0 else {
            descriptor.close()
            throw RuntimeError.unavailable(stage: stage, reason: String(cString: strerror(failure ?? ECANCELED)))
        }
        return SocketStream(descriptor)
    }

    private static func begin(_ socket: Int32, _ port: UInt16, _ version: Int) -> Bool {
        if version == 4 {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            return withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
        }
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        address.sin6_addr = in6addr_loopback
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in6>.size)) == 0
            }
        }
    }
}
