// What a program may answer to a probe, however odd.
import Testing

@testable import Agent

@Suite("Answers to HTTP probes")
struct HTTPProbeAnswerTests {
    private func parse(_ text: String) throws -> HTTPProbeAnswer? { try HTTPProbe.parse(Array(text.utf8), ended: true) }

    @Test("a few interim answers come before the answer; a flood of them is an answer that makes no sense")
    func interim() throws {
        let interim = "HTTP/1.1 100 Continue\r\n\r\n", answer = "HTTP/1.1 204 No Content\r\n\r\n"
        #expect(try parse(interim + interim + answer)?.status == 204)
        #expect(throws: (any Error).self) { try parse(String(repeating: interim, count: 6_000) + answer) }
    }
}
