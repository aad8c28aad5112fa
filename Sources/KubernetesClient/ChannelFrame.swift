// How exec and attach travel through a node's tunnel: pieces of several channels in one stream of bytes.

/// A channel's byte, a length of four bytes (big endian), the bytes.
public struct ChannelFrame: Sendable, Hashable {
    /// Numbers of Kubernetes' channel protocols (v4.channel.k8s.io).
    public static let stdin: UInt8 = 0
    public static let stdout: UInt8 = 1
    public static let stderr: UInt8 = 2
    /// The final metav1.Status, as JSON.
    public static let status: UInt8 = 3
    /// {"Width":80,"Height":24}
    public static let resize: UInt8 = 4
    /// The end of the channel whose number is its one byte (v5).
    public static let close: UInt8 = 255

    public var channel: UInt8
    public var bytes: [UInt8]

    public init(_ channel: UInt8, _ bytes: [UInt8]) {
        self.channel = channel
        self.bytes = bytes
    }

    public var encoded: [UInt8] {
        [channel] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: bytes.count >> $0) } + bytes
    }
}

/// Cuts a stream of bytes into frames.
public struct ChannelFrameReader {
    /// Of one frame: what either side sends at once is far below.
    public static let maximumBytes = 4 << 20

    public struct TooLong: Error, Sendable, CustomStringConvertible {
        public var description: String { "a channel frame of more than \(ChannelFrameReader.maximumBytes) bytes" }
    }

    private var buffer: [UInt8] = []

    public init() {}

    /// The frames that are whole now.
    public mutating func append(_ bytes: [UInt8]) throws(TooLong) -> [ChannelFrame] {
        buffer += bytes
        var frames: [ChannelFrame] = []
        var at = 0
        while buffer.count - at >= 5 {
            let length = buffer[(at + 1)..<(at + 5)].reduce(0) { $0 << 8 | Int($1) }
            guard length <= Self.maximumBytes else { throw TooLong() }
            guard buffer.count - at >= 5 + length else { break }
            frames.append(ChannelFrame(buffer[at], Array(buffer[(at + 5)..<(at + 5 + length)])))
            at += 5 + length
        }
        buffer.removeFirst(at)
        return frames
    }
}
