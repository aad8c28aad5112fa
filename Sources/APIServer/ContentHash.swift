// Names a version of a document, for ETags; no protection against forgery.

/// FNV-1a, 128 bits as two lanes.
struct ContentHash: Sendable {
    private var first: UInt64 = 0xCBF2_9CE4_8422_2325
    private var second: UInt64 = 0x8422_2325_CBF2_9CE4

    mutating func add(_ bytes: some Sequence<UInt8>) {
        for byte in bytes {
            first = (first ^ UInt64(byte)) &* 0x100_0000_01B3
            second = (second &+ UInt64(byte)) &* 0x100_0000_01B3 ^ (second >> 29)
        }
    }

    var text: String { Self.hex(first) + Self.hex(second) }

    private static func hex(_ number: UInt64) -> String {
        let text = String(number, radix: 16, uppercase: true)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}
