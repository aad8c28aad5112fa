// One call of grpc.health.v1.Health/Check over a byte stream, in as much of HTTP/2 (RFC 9113) as that needs.
import RuntimeInterface

enum GRPCHealth: Sendable, Hashable {
    case serving
    /// The status' name, or why there is none.
    case notServing(String)
}

enum GRPCHealthProbe {
    /// Bytes that a server may send before its answer.
    static let limit = 64 * 1024

    static func check(_ stream: any ByteStream, authority: String, service: String) async throws -> GRPCHealth {
        try await stream.write(request(authority: authority, service: service))
        var (received, message): ([UInt8], [UInt8]) = ([], [])
        var total = 0
        while total < limit, let more = try await stream.read() {
            total += more.count
            received += more
            while let frame = try Frame(&received) {
                if let answer = try await handle(frame, stream, &message) { return answer }
            }
        }
        throw RuntimeError.unavailable(stage: "health rpc", reason: "the connection ended before an answer")
    }

    private static func handle(_ frame: Frame, _ stream: any ByteStream, _ message: inout [UInt8]) async throws -> GRPCHealth? {
        switch frame.kind {
        case .data where frame.streamID == 1:
            message += frame.unpadded
            return status(message) ?? (frame.endsStream ? .notServing("no answer") : nil)
        case .headers where frame.streamID == 1 && frame.endsStream:
            // Trailers without a message: the call failed.
            return .notServing("the server has no health service, or does not know this one")
        case .reset where frame.streamID == 1:
            return .notServing("the server refused the call")
        case .goAway where !frame.letsFirstCallEnd:
            return .notServing("the server refused the call")
        case .settings where frame.flags & Frame.acknowledged == 0:
            try await stream.write(Frame.bytes(.settings, flags: Frame.acknowledged, streamID: 0, []))
        case .ping where frame.flags & Frame.acknowledged == 0:
            try await stream.write(Frame.bytes(.ping, flags: Frame.acknowledged, streamID: 0, frame.payload))
        case .data, .headers, .reset, .goAway, .settings, .ping, .windowUpdate, .other:
            break
        }
        return nil
    }

    /// HealthCheckResponse { ServingStatus status = 1 } behind gRPC's five bytes (compressed?, length). nil: incomplete.
    static func status(_ message: [UInt8]) -> GRPCHealth? {
        guard message.count >= 5 else { return nil }
        let length = message[1..<5].reduce(0) { $0 << 8 | Int($1) }
        guard message[0] == 0, length <= limit else { return .notServing("an answer that cannot be read") }
        guard message.count >= 5 + length else { return nil }
        let body = message[5..<(5 + length)]
        let value = body.count >= 2 && body[5] == 0x08 ? body[6] : 0
        return switch value {
        case 1: .serving
        case 2: .notServing("NOT_SERVING")
        case 3: .notServing("SERVICE_UNKNOWN")
        default: .notServing("UNKNOWN")
        }
    }

    // MARK: Request

    /// Preface, empty settings, headers, and the message as the stream's end.
    static func request(authority: String, service: String) -> [UInt8] {
        let name = Array(service.utf8.prefix(1024))
        let body = name.isEmpty ? [] : [0x0A] + varint(name.count) + name
        let length = UInt32(body.count)
        let prefix: [UInt8] = [
            0, UInt8(length >> 24), UInt8(length >> 16 & 0xFF), UInt8(length >> 8 & 0xFF), UInt8(length & 0xFF),
        ]
        return Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + Frame.bytes(.settings, flags: 0, streamID: 0, [])
            + Frame.bytes(.headers, flags: Frame.endHeaders, streamID: 1, headers(authority))
            + Frame.bytes(.data, flags: Frame.endStream, streamID: 1, prefix + body)
    }

    /// HPACK (RFC 7541): two names from the static table, the rest literally and without indexing.
    private static func headers(_ authority: String) -> [UInt8] {
        var block: [UInt8] = [0x83, 0x86]  // :method POST, :scheme http
        let fields = [
            (":path", "/grpc.health.v1.Health/Check"), (":authority", authority), ("content-type", "application/grpc"),
            ("te", "trailers"), ("user-agent", "kube-probe/1.33"),
        ]
        for (name, value) in fields { block += [0x00] + text(name) + text(value) }
        return block
    }

    /// A length below 127 is one byte; all of ours are (an authority is an address and a port).
    private static func text(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8.prefix(126))
        return [UInt8(bytes.count)] + bytes
    }

    private static func varint(_ value: Int) -> [UInt8] {
        value < 128 ? [UInt8(value)] : [UInt8(value & 0x7F | 0x80)] + varint(value >> 7)
    }
}

/// A frame of HTTP/2.
private struct Frame {
    enum Kind: UInt8 {
        case data = 0
        case headers = 1
        case reset = 3
        case settings = 4
        case ping = 6
        case goAway = 7
        case windowUpdate = 8
        case other = 255
    }

    static let endStream: UInt8 = 0x1
    static let acknowledged: UInt8 = 0x1
    static let endHeaders: UInt8 = 0x4
    static let padded: UInt8 = 0x8
    /// We allow no more than every peer may send (SETTINGS_MAX_FRAME_SIZE's first value).
    static let limit = 16 * 1024

    let kind: Kind
    let flags: UInt8
    let streamID: UInt32
    let payload: [UInt8]

    var endsStream: Bool { flags & Self.endStream != 0 }

    /// GOAWAY: without an error, and our call is among those that are still answered.
    var letsFirstCallEnd: Bool {
        payload.count >= 8 && payload[4..<8].allSatisfy { $0 == 0 }
            && (payload[0] & 0x7F != 0 || payload[1..<4].contains { $0 != 0 })
    }

    /// Takes the first whole frame off `bytes`; nil: there is none yet. Throws for what cannot be one: a peer of another protocol.
    init?(_ bytes: inout [UInt8]) throws {
        guard bytes.count >= 9 else { return nil }
        let length = Int(bytes[0]) << 16 | Int(bytes[1]) << 8 | Int(bytes[2])
        guard length <= Self.limit else {
            throw RuntimeError.unavailable(stage: "health rpc", reason: "not an HTTP/2 answer: a frame of \(length) bytes")
        }
        guard bytes.count >= 9 + length else { return nil }
        kind = Kind(rawValue: bytes[3]) ?? .other
        flags = bytes[4]
        streamID = (UInt32(bytes[5]) << 24 | UInt32(bytes[6]) << 16 | UInt32(bytes[7]) << 8 | UInt32(bytes[8])) & 0x7FFF_FFFF
        payload = Array(bytes[9..<(9 + length)])
        bytes.removeFirst(9 + length)
    }

    var unpadded: ArraySlice<UInt8> {
        guard flags & Self.padded != 0, let padding = payload.first else { return payload[...] }
        return payload.dropFirst().dropLast(Int(padding))
    }

    static func bytes(_ kind: Kind, flags: UInt8, streamID: UInt32, _ payload: [UInt8]) -> [UInt8] {
        let count = payload.count
        return [UInt8(count >> 16 & 0xFF), UInt8(count >> 8 & 0xFF), UInt8(count & 0xFF), kind.rawValue, flags]
            + [UInt8(streamID >> 24), UInt8(streamID >> 16 & 0xFF), UInt8(streamID >> 8 & 0xFF), UInt8(streamID & 0xFF)] + payload
    }
}
