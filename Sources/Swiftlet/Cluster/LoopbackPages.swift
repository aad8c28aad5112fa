// /metrics and /healthz on a port of 127.0.0.1, for a Prometheus on the same machine: HTTP/1.0, GET, one request a connection.
// What reaches the node from elsewhere comes through its tunnel.
import Agent
import Glibc

struct LoopbackPages: Sendable {
    let port: Int

    /// One connection after the other; so many more wait in the kernel.
    private static let backlog: Int32 = 16
    private static let maximumRequest = 8 * 1024
    private static let timeoutSeconds = 5

    /// Until cancelled.
    func serve(_ page: @escaping @Sendable (String) async -> NodePage?) async throws {
        let listener = try listen()
        defer { close(listener) }
        try await withTaskCancellationHandler {
            while !Task.isCancelled {
                let connection = await BlockingCall.run { Self.accept(listener) }
                if Task.isCancelled { break }
                // Out of descriptors, or a peer that left at once: not worth this service.
                guard connection >= 0 else {
                    try await Task.sleep(for: .milliseconds(100))
                    continue
                }
                await answer(connection, page)
                close(connection)
            }
        } onCancel: {
            _ = shutdown(listener, Int32(SHUT_RDWR))
        }
        try Task.checkCancellation()
    }

    private func listen() throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var reuse: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = in_addr_t(UInt32(0x7F00_0001).bigEndian)
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard descriptor >= 0, bound == 0, Glibc.listen(descriptor, Self.backlog) == 0 else {
            let reason = String(cString: strerror(errno))
            if descriptor >= 0 { close(descriptor) }
            throw CommandFailure(
                "swiftlet.node.metricsPort: cannot listen at 127.0.0.1:\(port): \(reason)", hint: "choose another port")
        }
        return descriptor
    }

    /// accept4 is not in the overlay; what this process spawns meanwhile closes what it does not know.
    private static func accept(_ listener: Int32) -> Int32 {
        let connection = Glibc.accept(listener, nil, nil)
        if connection >= 0 { _ = fcntl(connection, F_SETFD, FD_CLOEXEC) }
        return connection
    }

    private func answer(_ connection: Int32, _ page: @escaping @Sendable (String) async -> NodePage?) async {
        let head = await BlockingCall.run { Self.readHead(connection) }
        let words = head.prefix { $0 != "\r" && $0 != "\n" }.split(separator: " ")
        var found: NodePage?
        if words.count == 3, words[0] == "GET" { found = await page(String(words[1])) }
        let (status, type, body) =
            found.map { ($0.status, $0.contentType, $0.body) } ?? (404, "text/plain", Array("not found\n".utf8))
        let reason = status == 200 ? "OK" : status == 404 ? "Not Found" : "Internal Server Error"
        let header =
            "HTTP/1.0 \(status) \(reason)\r\nContent-Type: \(type)\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n"
        await BlockingCall.run { Self.write(Array(header.utf8) + body, to: connection) }
    }

    private static func readHead(_ connection: Int32) -> String {
        var limit = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1024)
        while bytes.count < maximumRequest {
            let count = recv(connection, &piece, piece.count, 0)
            if count <= 0 { break }
            bytes += piece[..<count]
            if bytes.suffix(4).elementsEqual([13, 10, 13, 10]) { break }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func write(_ bytes: [UInt8], to connection: Int32) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count <= 0 { return }
            rest = rest.dropFirst(count)
        }
    }
}
