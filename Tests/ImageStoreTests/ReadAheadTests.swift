// Blocks from another thread: the same bytes, in their order, and what was wrong in its place.
import Synchronization
import Testing

@testable import ImageStore

@Suite(.timeLimit(.minutes(2))) struct ReadAheadTests {
    /// `total` bytes that say where they stand, in pieces of `piece` bytes at most, then `end`.
    private func source(_ total: Int, piece: Int, end: ImageStoreError? = nil, calls: CallCount = CallCount()) -> ReadAhead.Fill {
        var done = 0
        return { (buffer) throws(ImageStoreError) in
            calls.value.wrappingAdd(1, ordering: .relaxed)
            let count = min(piece, buffer.count, total - done)
            if count == 0, let end { throw end }
            for index in 0..<count { buffer[index] = Self.byte(done + index) }
            done += count
            return count
        }
    }

    private final class CallCount: Sendable {
        let value = Atomic(0)
    }

    private static func byte(_ place: Int) -> UInt8 { UInt8(truncatingIfNeeded: place &* 31 ^ place >> 8) }

    @Test(
        "what comes out is what went in, whatever the sizes",
        arguments: [(0, 1), (1, 1), (999, 7), (3_000_000, 65_536), (1_048_576, 1 << 20), (700_001, 262_144)])
    func sameBytes(total: Int, piece: Int) throws {
        let ahead = ReadAhead(source(total, piece: piece))
        var place = 0
        while let block = try ahead.next() {
            let isRight = block.enumerated().allSatisfy { $1 == Self.byte(place + $0) }
            #expect(isRight, "the block at \(place)")
            place += block.count
        }
        #expect(place == total)
        #expect(try ahead.next() == nil)
    }

    @Test("an error comes behind the bytes before it, once")
    func errorInItsPlace() throws {
        let wrong = ImageStoreError.notFound("the rest")
        let ahead = ReadAhead(source(2_000_000, piece: 100_000, end: wrong))
        var bytes = 0
        let error = #expect(throws: ImageStoreError.self) {
            while let block = try ahead.next() { bytes += block.count }
        }
        #expect(bytes == 2_000_000)
        #expect("\(String(describing: error))".contains("the rest"))
        #expect(try ahead.next() == nil)
    }

    @Test("whoever finishes early is asked for nothing more, and at most four blocks were made ahead")
    func finishedEarly() throws {
        let calls = CallCount()
        let ahead = ReadAhead(source(.max, piece: 1_000, calls: calls))
        _ = try ahead.next()
        ahead.finish()
        let count = calls.value.load(ordering: .relaxed)
        #expect(count <= 5, "one was taken, four may lie there")
        #expect(try ahead.next() == nil)
        #expect(calls.value.load(ordering: .relaxed) == count)
    }

    @Test(
        "a layer that ends in the middle of a block is read up to there: its error is of the compression, its bytes are counted")
    func truncatedStream() throws {
        let whole = TarText.finished { $0.add("a", data: Array(repeating: 0x78, count: 5_000)) }
        var rest = whole[...]
        let stream = try ArchiveStream(subject: "layer", limits: ExtractionLimits()) { (buffer) throws(ImageStoreError) in
            guard !rest.isEmpty else { throw .notFound("more") }
            let count = min(rest.count, buffer.count)
            buffer.copyBytes(from: rest.prefix(count))
            rest = rest.dropFirst(count)
            return count
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { buffer.deallocate() }
        #expect(try stream.fill(buffer) == whole.count)
        #expect(throws: ImageStoreError.self) { try stream.fill(buffer) }
    }
}
