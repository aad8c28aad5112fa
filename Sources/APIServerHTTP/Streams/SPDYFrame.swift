// Frames of SPDY/3.1 as kubectl before 1.31 (and its port-forward to this day) speaks it: bytes in, frames out, and back. No I/O.

enum SPDYFrame: Sendable, Equatable {
    /// `headers` by lower-case name.
    case openStream(id: UInt32, headers: [String: String], finished: Bool)
    case reply(id: UInt32)
    case data(id: UInt32, [UInt8], finished: Bool)
    case reset(id: UInt32, status: UInt32)
    case ping(UInt32)
    case goAway
    /// Settings, window updates and whatever else changes nothing here.
    case other
}

struct SPDYError: Error, Sendable, Equatable {
    var reason: String
}

/// Cuts bytes into frames. Header blocks are one compressed stream, so every block has to pass here in order.
struct SPDYDecoder {
    /// Streams are created with a handful of short headers; data frames of spdystream are at most what one write holds.
    static let maximumControlBytes = 64 << 10
    static let maximumDataBytes = 1 << 24

    private var buffer: [UInt8] = []
    private var start = 0
    private var headers = SPDYHeaderInflater()

    mutating func append(_ bytes: [UInt8]) {
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer += bytes
    }

    /// The next whole frame; nil when more bytes are needed. Throws at the first byte that is not SPDY/3.1.
    mutating func next() throws(SPDYError) -> SPDYFrame? {
        guard buffer.count - start >= 8 else { return nil }
        let isControl = buffer[start] & 0x80 != 0
        let length = Int(number(at: 4) & 0xff_ffff)
        guard length <= (isControl ? Self.maximumControlBytes : Self.maximumDataBytes) else {
            throw SPDYError(reason: "a frame of \(length) bytes")
        }
        guard buffer.count - start >= 8 + length else { return nil }
        defer { start += 8 + length }
        let flags = buffer[start + 4]
        guard isControl else {
            let data = Array(buffer[(start + 8)..<(start + 8 + length)])
            return .data(id: number(at: 0), data, finished: flags & 1 != 0)
        }
        guard number(at: 0) >> 16 == 0x8003 else { throw SPDYError(reason: "a version other than SPDY/3") }
        return try control(type: number(at: 0) & 0xffff, flags: flags, length: length)
    }

    private mutating func control(type: UInt32, flags: UInt8, length: Int) throws(SPDYError) -> SPDYFrame {
        let least: [UInt32: Int] = [1: 10, 2: 4, 3: 8, 6: 4, 8: 4]
        guard length >= least[type, default: 0] else { throw SPDYError(reason: "a frame of type \(type) with \(length) bytes") }
        let id = length >= 4 ? number(at: 8) & 0x7fff_ffff : 0
        switch type {
        case 1:
            let block = Array(buffer[(start + 18)..<(start + 8 + length)])
            return .openStream(id: id, headers: try headers.inflate(block), finished: flags & 1 != 0)
        case 2, 8:
            _ = try headers.inflate(Array(buffer[(start + 12)..<(start + 8 + length)]))
            return type == 2 ? .reply(id: id) : .other
        case 3: return .reset(id: id, status: number(at: 12))
        case 6: return .ping(number(at: 8))
        case 7: return .goAway
        default: return .other
        }
    }

    private func number(at offset: Int) -> UInt32 {
        buffer[(start + offset)..<(start + offset + 4)].reduce(0) { $0 << 8 | UInt32($1) }
    }
}

/// Frames as bytes. Headers that we send are always empty, but still a part of one compressed stream.
struct SPDYEncoder {
    private var headers = SPDYHeaderDeflater()

    mutating func encode(_ frame: SPDYFrame) throws(SPDYError) -> [UInt8] {
        switch frame {
        case .openStream(let id, let fields, let finished):
            let block = try headers.deflate(fields)
            return Self.control(1, flags: finished ? 1 : 0, Self.bytes(id) + Self.bytes(0) + [0, 0] + block)
        case .reply(let id): return Self.control(2, flags: 0, Self.bytes(id) + (try headers.deflate([:])))
        case .data, .reset, .ping, .goAway, .other: return Self.plain(frame)
        }
    }

    /// Of a frame without headers: whoever sends one need not keep the order of the others.
    static func plain(_ frame: SPDYFrame) -> [UInt8] {
        switch frame {
        case .data(let id, let data, let finished):
            bytes(id) + bytes(UInt32(finished ? 1 : 0) << 24 | UInt32(data.count)) + data
        case .reset(let id, let status): control(3, flags: 0, bytes(id) + bytes(status))
        case .ping(let id): control(6, flags: 0, bytes(id))
        case .goAway: control(7, flags: 0, bytes(0) + bytes(0))
        case .openStream, .reply, .other: []
        }
    }

    private static func control(_ type: UInt32, flags: UInt8, _ body: [UInt8]) -> [UInt8] {
        bytes(0x8003_0000 | type) + bytes(UInt32(flags) << 24 | UInt32(body.count)) + body
    }

    private static func bytes(_ value: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
}
