// SPDY/3.1 as kubectl speaks it: what one end writes the other reads, and no bytes whatever do harm.
import KubernetesClient
import Testing

@testable import APIServerHTTP

@Suite("SPDY frames and channel frames")
struct SPDYTests {
    @Test("the headers' dictionary is the specification's, byte for byte") func dictionary() {
        var (low, high): (UInt32, UInt32) = (1, 0)
        for byte in SPDYHeaders.dictionary {
            low = (low + UInt32(byte)) % 65521
            high = (high + low) % 65521
        }
        #expect(SPDYHeaders.dictionary.count == 1423)
        #expect(high << 16 | low == 0xe3c6_a7c2)  // its Adler-32, which every peer checks
    }

    @Test(
        "frames come back as they were written, in whatever pieces the bytes arrive", arguments: [UInt64(1), 2, 3, 4, 5, 6, 7, 8])
    func roundTrip(seed: UInt64) throws {
        var random = Seeded(seed)
        var (encoder, decoder) = (SPDYEncoder(), SPDYDecoder())
        let frames = (0..<300).map { _ in Self.frame(&random) }
        var bytes: [UInt8] = []
        for frame in frames { bytes += try encoder.encode(frame) }
        var found: [SPDYFrame] = []
        while !bytes.isEmpty {
            let piece = bytes.prefix(random.below(2000) + 1)
            bytes.removeFirst(piece.count)
            decoder.append(Array(piece))
            while let frame = try decoder.next() { found.append(frame) }
        }
        #expect(found == frames, "seed \(seed)")
    }

    @Test("bytes that are no SPDY end in an error or are waited for, never in a crash", arguments: [UInt64(11), 12, 13, 14])
    func hostile(seed: UInt64) {
        var random = Seeded(seed)
        for _ in 0..<2_000 {
            var (encoder, decoder) = (SPDYEncoder(), SPDYDecoder())
            var bytes: [UInt8] = []
            for _ in 0..<4 { bytes += (try? encoder.encode(Self.frame(&random))) ?? [] }
            for _ in 0..<(1 + random.below(8)) where !bytes.isEmpty {
                bytes[random.below(bytes.count)] = UInt8(random.below(256))
            }
            decoder.append(bytes)
            var count = 0
            while count < 100, let frame = try? decoder.next() {
                _ = frame
                count += 1
            }
            #expect(count < 100, "seed \(seed)")
        }
    }

    @Test("a block that would expand to megabytes is refused") func bomb() throws {
        var (encoder, decoder) = (SPDYEncoder(), SPDYDecoder())
        let block = try encoder.encode(
            .openStream(id: 1, headers: ["a": String(repeating: "x", count: 1 << 20)], finished: false))
        decoder.append(block)
        #expect(throws: SPDYError.self) { try decoder.next() }
    }

    @Test("channel frames come back in order from pieces of any size", arguments: [UInt64(21), 22, 23])
    func channels(seed: UInt64) throws {
        var random = Seeded(seed)
        let frames = (0..<200).map { _ in
            ChannelFrame(UInt8(random.below(256)), (0..<random.below(300)).map { _ in UInt8(random.below(256)) })
        }
        var bytes = frames.flatMap(\.encoded)
        var (reader, found) = (ChannelFrameReader(), [ChannelFrame]())
        while !bytes.isEmpty {
            let piece = bytes.prefix(random.below(700) + 1)
            bytes.removeFirst(piece.count)
            found += try reader.append(Array(piece))
        }
        #expect(found == frames, "seed \(seed)")
        #expect(throws: ChannelFrameReader.TooLong.self) { try reader.append([0, 0xff, 0, 0, 0]) }
    }

    private static func frame(_ random: inout Seeded) -> SPDYFrame {
        let id = UInt32(random.below(1000) * 2 + 1)
        switch random.below(6) {
        case 0:
            let headers = [
                "streamtype": ["stdin", "stdout", "error", "data"][random.below(4)], "port": "\(random.below(65536))",
                "requestid": "\(random.below(99))",
            ]
            return .openStream(id: id, headers: headers, finished: random.below(2) == 0)
        case 1: return .reply(id: id)
        case 2: return .reset(id: id, status: UInt32(random.below(11)))
        case 3: return .ping(UInt32(random.below(1 << 30)))
        case 4: return .goAway
        default:
            return .data(id: id, (0..<random.below(500)).map { _ in UInt8(random.below(256)) }, finished: random.below(4) == 0)
        }
    }
}

/// SplitMix64.
struct Seeded {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func below(_ bound: Int) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return Int((z ^ z >> 31) % UInt64(bound))
    }
}
