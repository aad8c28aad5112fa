// What does not fit becomes the nearest that does.
import KubernetesModel
import Testing

@Suite("Arithmetic that saturates")
struct SaturatingArithmeticTests {
    @Test("sums and products of numbers at the ends of their type end there")
    func ends() {
        #expect(Int64.max.saturatingAdding(1) == .max && Int64.min.saturatingAdding(-1) == .min && Int64(2).saturatingAdding(-3) == -1)
        #expect(Int64.max.saturatingMultiplied(by: 2) == .max && Int64.min.saturatingMultiplied(by: -1) == .max)
        #expect(Int64.max.saturatingMultiplied(by: -2) == .min && Int64(-3).saturatingMultiplied(by: 5) == -15)
        #expect([Int64.max, .max, -1].saturatingSum == .max - 1 && [Int64]().saturatingSum == 0)
    }

    @Test("no time is later than one that can be written")
    func times() throws {
        let latest = try #require(Timestamp("9999-12-31T23:59:59Z"))
        let now = try #require(Timestamp("2026-11-22T00:00:00Z"))
        #expect(now.adding(seconds: .max) == latest && latest.adding(seconds: 1) == latest)
        #expect(Timestamp(now.adding(seconds: .max).description) == latest)
    }
}
