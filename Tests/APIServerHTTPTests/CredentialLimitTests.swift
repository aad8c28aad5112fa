// Unknown tokens: how many may come from one address, and who is not kept out by them.
import KubernetesClient
import NIOCore
import Testing

@testable import APIServerHTTP
@testable import KubernetesClientHTTP

@Suite("Failed authentications are bounded per address")
struct CredentialLimitTests {
    private static let here = SourceAddress.v4(1)
    private static let there = SourceAddress.v4(2)

    private func failures(burst: Double = 3, perSecond: Double = 1) -> Failures {
        Failures(CredentialFailures(.init(burst: burst, perSecond: perSecond)))
    }

    @Test("after a burst of unknown tokens an address waits, others do not, and time pays it back") func burst() {
        let failures = failures()
        for number in 0..<3 { #expect(failures.attempt("wrong-\(number)", from: Self.here, now: 0)) }
        #expect(!failures.attempt("wrong-3", from: Self.here, now: 0))
        #expect(failures.attempt("wrong-3", from: Self.there, now: 0))
        #expect(!failures.attempt("wrong-3", from: Self.here, now: 999))
        #expect(failures.attempt("wrong-3", from: Self.here, now: 1000))
        #expect(!failures.attempt("wrong-3", from: Self.here, now: 1000))
    }

    @Test("a token that was good is let through from an address that failed; one that is not known yet waits like all")
    func known() {
        let failures = failures()
        #expect(failures.attempt("good", from: Self.here, now: 0))
        failures.forgive("good", from: Self.here, now: 0, isKnown: true)
        for number in 0..<3 { #expect(failures.attempt("wrong-\(number)", from: Self.here, now: 0)) }
        #expect(failures.attempt("good", from: Self.here, now: 0))
        #expect(!failures.attempt("new", from: Self.here, now: 0))
    }

    @Test("good tokens and questions without an answer do not use up the burst") func forgiven() {
        let failures = failures()
        for number in 0..<50 {
            #expect(failures.attempt("token-\(number)", from: Self.here, now: 0))
            failures.forgive("token-\(number)", from: Self.here, now: 0, isKnown: number % 2 == 0)
        }
    }

    /// Invariant I-CREDENTIALS-1: in any window of t seconds an address has at most burst + t * perSecond unknown tokens looked up.
    @Test("no order of attempts and pauses gets more unknown tokens looked up than the rate allows", arguments: 0..<8)
    func rate(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let failures = failures(burst: 5, perSecond: 2)
        var (now, passed): (Int64, [Int64]) = (0, [])
        for number in 0..<400 {
            now += Int64.random(in: 0..<400, using: &random) * (Bool.random(using: &random) ? 0 : 1)
            if failures.attempt("wrong-\(number)", from: Self.here, now: now) { passed.append(now) }
            for start in passed.indices {
                let seconds = Double(now - passed[start]) / 1000
                #expect(Double(passed.count - start) <= 5 + seconds * 2 + 1e-6, "seed \(seed), attempt \(number)")
            }
        }
        #expect(passed.count > 5, "seed \(seed)")
    }

    @Test("what is remembered stays bounded, however many addresses call") func bounded() {
        var entries = RecentEntries<Int, Bool>(bound: 10)
        for number in 0..<1000 {
            entries[number] = true
            #expect(entries.count <= 20 && entries[number] == true)
        }
        #expect(entries[999 - 5] == true && entries[1] == nil)
    }

    @Test("an IPv6 caller is its network, an IPv4 address within IPv6 is that address") func addresses() throws {
        func source(_ text: String) throws -> SourceAddress { SourceAddress(try SocketAddress(ipAddress: text, port: 1)) }
        #expect(try source("10.0.0.1") == source("::ffff:10.0.0.1"))
        #expect(try source("10.0.0.1") != source("10.0.0.2"))
        #expect(try source("2001:db8:0:1::1") == source("2001:db8:0:1:ffff::2"))
        #expect(try source("2001:db8:0:1::1") != source("2001:db8:0:2::1"))
    }

    @Test("a server answers 429 with Retry-After to a guesser, and goes on serving tokens and certificates from the same address")
    func overTLS() async throws {
        try await FrontLaboratory.run {
            $0.failedCredentials = .init(burst: 5, perSecond: 0.001)
        } _: { laboratory async throws in
            func code(_ credentials: ClientCredentials) async throws -> Int? {
                try await laboratory.client(credentials) { api in
                    do {
                        _ = try await api.list(configMaps, namespace: "alice", options: ListOptions())
                        return 200
                    } catch let error as KubernetesAPIError {
                        return error.code
                    }
                }
            }
            let admin = ClientCredentials(bearerToken: FrontLaboratory.adminToken)
            #expect(try await code(admin) == 200)
            for number in 0..<5 { #expect(try await code(ClientCredentials(bearerToken: "guess-\(number)")) == 401) }
            let raw = try await RawConnection.open(laboratory, anonymous: true)
            raw.send("GET /api/v1/pods HTTP/1.1\r\nhost: x\r\nauthorization: Bearer guess-6\r\n\r\n")
            try await raw.received("HTTP/1.1 429 ")
            try await raw.received("Retry-After: ")
            #expect(try await code(admin) == 200)
            #expect(try await code(laboratory.admin) == 200)
            #expect(try await code(.none) == 401)
        }
    }
}

/// The value in a box: `#expect` takes no mutating calls.
private final class Failures {
    private var value: CredentialFailures
    init(_ value: CredentialFailures) { self.value = value }

    func attempt(_ token: String, from source: SourceAddress, now: Int64) -> Bool { value.attempt(token, from: source, now: now) }
    func forgive(_ token: String, from source: SourceAddress, now: Int64, isKnown: Bool) {
        value.forgive(token, from: source, now: now, isKnown: isKnown)
    }
}

/// splitmix64: a failing seed gives the same run again.
private struct SplitMix: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
