// A guest's limit of calls.
import Testing

@testable import KubernetesClient

@Suite("Rate limit")
struct RateLimitTests {
    @Test("a burst goes at once, what follows at the rate; time without calls gathers no more than a burst")
    func bucket() {
        var bucket = TokenBucket(perSecond: 10, burst: 3)
        for _ in 0..<3 { #expect(bucket.take(at: .zero) == .zero) }
        #expect(bucket.take(at: .zero) == .milliseconds(100))
        #expect(bucket.take(at: .zero) == .milliseconds(200))
        // Two waited; after a second all of it is there again, and no more.
        for _ in 0..<3 { #expect(bucket.take(at: .seconds(60)) == .zero) }
        #expect(bucket.take(at: .seconds(60)) > .zero)
    }

    @Test("a clock that seems to go back costs nothing")
    func backwards() {
        var bucket = TokenBucket(perSecond: 1, burst: 1)
        #expect(bucket.take(at: .seconds(10)) == .zero)
        #expect(bucket.take(at: .seconds(5)) == .seconds(1))
    }
}
