// The health call over scripted HTTP/2 frames: what servers answer, and what is no answer.
import AgentCore
import KubernetesModel
import RuntimeInterface
import Synchronization
import Testing

@testable import Agent

@Suite("a gRPC probe", .timeLimit(.minutes(1)))
struct GRPCProbeTests {
    private static func frame(_ kind: UInt8, _ flags: UInt8 = 0, stream: UInt8 = 1, _ payload: [UInt8] = []) -> [UInt8] {
        [0, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF), kind, flags, 0, 0, 0, stream] + payload
    }

    private static func message(_ status: UInt8) -> [UInt8] { [0, 0, 0, 0, 2, 0x08, status] }
    private static let (settings, headers) = (frame(4, stream: 0), frame(1, 4, [0x88]))
    private static let trailers = frame(1, 5, [0x88])

    private func outcome(_ answer: [UInt8], ends: Bool = false, pieces: Int? = nil) async throws -> ProbeOutcome {
        let lab = try await ProbeLab()
        lab.serve { stream in
            _ = try await stream.read()
            // A probe that has its answer hangs up.
            if let pieces {
                for start in stride(from: 0, to: answer.count, by: pieces) {
                    try? await stream.write(Array(answer[start..<min(start + pieces, answer.count)]))
                }
            } else {
                try? await stream.write(answer)
            }
            if ends { await stream.finishWriting() }
        }
        return await lab.outcome(Probe(grpc: GRPCAction(port: 8080)))
    }

    @Test("SERVING is a success, in frames and pieces of any kind", arguments: [1, 2, 5, 9, 1000])
    func serving(_ pieces: Int) async throws {
        let (start, end) = (Array(Self.message(1).prefix(3)), Array(Self.message(1).dropFirst(3)))
        let padded = Self.frame(0, 8, [2] + end + [0, 0])
        let answer =
            Self.settings + Self.frame(4, 1, stream: 0) + Self.frame(8, stream: 0, [0, 0, 1, 0]) + Self.headers
            + Self.frame(0, 0, start) + Self.frame(99, stream: 0, [1, 2, 3]) + padded + Self.trailers
        #expect(try await outcome(answer, pieces: pieces) == .success())
    }

    @Test(
        "every other status is a failure that names it",
        arguments: [(0, "UNKNOWN"), (2, "NOT_SERVING"), (3, "SERVICE_UNKNOWN"), (9, "UNKNOWN")])
    func unhealthy(_ status: UInt8, _ name: String) async throws {
        let answer = Self.settings + Self.headers + Self.frame(0, 0, Self.message(status))
        #expect(try await outcome(answer) == .failure("service unhealthy (responded with \"\(name)\")"))
        // The first value of an enum is not sent.
        #expect(
            try await outcome(Self.settings + Self.frame(0, 0, [0, 0, 0, 0, 0]))
                == .failure("service unhealthy (responded with \"UNKNOWN\")"))
    }

    @Test(
        "a refused, reset, empty, compressed or broken call is a failure, told at once, on an open connection too",
        arguments: [
            trailers, frame(3, 0, [0, 0, 0, 7]), frame(7, stream: 0, [0, 0, 0, 0, 0, 0, 0, 0]),
            frame(7, stream: 0, [0, 0, 0, 1, 0, 0, 0, 2]),
            frame(7, stream: 0), frame(0, 1), frame(0, 0, [1, 0, 0, 0, 2, 8, 1]), frame(0, 0, [0, 0xFF, 0xFF, 0xFF, 0xFF]),
            frame(0, 9, [200]), frame(0, 9),
        ])
    func refused(_ answer: [UInt8]) async throws {
        guard case .failure = try await outcome(Self.settings + answer) else {
            return #expect(Bool(false), "\(answer)")
        }
    }

    @Test(
        "a huge frame, or a peer of another protocol, is not waited for",
        arguments: [
            [0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 1], [0, 0x40, 1, 0, 0, 0, 0, 0, 1], Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8),
        ])
    func otherProtocols(_ answer: [UInt8]) async throws {
        guard case .failure(let text) = try await outcome(answer) else { return #expect(Bool(false)) }
        #expect(text.contains("not an HTTP/2 answer"))
    }

    @Test("frames without end are not listened to for ever; an end before the answer is a failure") func endless() async throws {
        let lab = try await ProbeLab()
        lab.serve { stream in
            _ = try await stream.read()
            let noise = Self.frame(99, stream: 0, [UInt8](repeating: 7, count: 4096))
            while true {
                try await stream.write(noise)
                await Task.yield()
            }
        }
        guard case .failure = await lab.outcome(Probe(grpc: GRPCAction(port: 8080))) else { return #expect(Bool(false)) }
        guard case .failure = try await outcome(Self.settings + Self.headers, ends: true) else { return #expect(Bool(false)) }
    }

    @Test("settings and pings are answered, a graceful GOAWAY is not the answer, and the request names the service")
    func conversation() async throws {
        let lab = try await ProbeLab()
        let seen = Mutex<[UInt8]>([])
        lab.serve { stream in
            func next() async throws -> [UInt8] { try await stream.read() ?? [] }
            let request = try await next()
            seen.withLock { $0 = request }
            try await stream.write(Self.settings + Self.frame(6, stream: 0, [1, 2, 3, 4, 5, 6, 7, 8]))
            var answers: [UInt8] = []
            while answers.count < 26 { answers += try await next() }
            guard answers == Self.frame(4, 1, stream: 0) + Self.frame(6, 1, stream: 0, [1, 2, 3, 4, 5, 6, 7, 8]) else {
                return await stream.close()
            }
            try await stream.write(Self.frame(7, stream: 0, [0, 0, 0, 1, 0, 0, 0, 0]))
            try await stream.write(Self.headers + Self.frame(0, 0, Self.message(1)))
        }
        #expect(await lab.outcome(Probe(grpc: GRPCAction(port: 8080, service: "psi"))) == .success())
        let request = seen.withLock { $0 }
        #expect(request.starts(with: Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)))
        #expect(request.suffix(19) == Self.frame(0, 1, [0, 0, 0, 0, 5, 0x0A, 3] + Array("psi".utf8))[...])
        #expect(String(decoding: request, as: UTF8.self).contains("/grpc.health.v1.Health/Check"))
    }
}
