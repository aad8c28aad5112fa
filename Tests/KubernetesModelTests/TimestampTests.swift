// Times in RFC 3339, over four centuries.
import JSON
import KubernetesModel
import Testing

@Suite("Timestamps")
struct TimestampTests {
    @Test(
        "whole seconds are read in any zone and written in UTC",
        arguments: [
            ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"),
            ("2026-01-31T12:34:56Z", 1_769_862_896, "2026-01-31T12:34:56Z"),
            ("2026-01-31T14:34:56+02:00", 1_769_862_896, "2026-01-31T12:34:56Z"),
            ("2026-01-31T00:34:56.999-12:00", 1_769_862_896, "2026-01-31T12:34:56Z"),
            ("2024-02-29T23:59:59Z", 1_709_251_199, "2024-02-29T23:59:59Z"),
            ("1969-12-31T23:59:59Z", -1, "1969-12-31T23:59:59Z"),
            ("0001-01-01T00:00:00Z", -62_135_596_800, "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59Z", 253_402_300_799, "9999-12-31T23:59:59Z"),
            ("2026-01-31t12:34:56z", 1_769_862_896, "2026-01-31T12:34:56Z"),
        ] as [(String, Int64, String)])
    func seconds(text: String, seconds: Int64, written: String) throws {
        let timestamp = try #require(Timestamp(text))
        #expect(timestamp.unixSeconds == seconds)
        #expect(timestamp.description == written)
    }

    @Test(
        "what is no time is refused",
        arguments: [
            "", "now", "2026-01-31", "2026-01-31T12:34:56", "2026-1-31T12:34:56Z", "2026-02-30T00:00:00Z",
            "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00ZZ", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00+2:00", "2026-01-01T00:00:00+0200",
            "0000-01-01T00:00:00Z", "+026-01-01T00:00:00Z",
        ])
    func malformed(text: String) {
        #expect(Timestamp(text) == nil)
        #expect(MicroTimestamp(text) == nil)
    }

    @Test(
        "microseconds keep six decimals",
        arguments: [
            ("2026-01-31T12:34:56.123456Z", "2026-01-31T12:34:56.123456Z"),
            ("2026-01-31T12:34:56Z", "2026-01-31T12:34:56.000000Z"),
            ("2026-01-31T12:34:56.5Z", "2026-01-31T12:34:56.500000Z"),
            ("2026-01-31T12:34:56.123456789Z", "2026-01-31T12:34:56.123456Z"),
            ("1969-12-31T23:59:59.250000Z", "1969-12-31T23:59:59.250000Z"),
        ])
    func micros(text: String, written: String) throws {
        #expect(try #require(MicroTimestamp(text)).description == written)
    }

    @Test("every day of four centuries survives being written and read")
    func calendar() {
        for day in stride(from: Int64(-25_567), through: 146_097 - 25_567, by: 1) {
            let timestamp = Timestamp(unixSeconds: day * 86_400 + 43_210)
            #expect(Timestamp(timestamp.description) == timestamp)
        }
    }

    @Test("a time before the epoch is cut down, not up, to whole seconds")
    func floor() {
        #expect(MicroTimestamp(unixMicroseconds: -1).timestamp.unixSeconds == -1)
        #expect(MicroTimestamp(unixMicroseconds: 1_999_999).timestamp.unixSeconds == 1)
    }

    @Test("a malformed time in JSON is refused with its path")
    func coding() {
        let error = #expect(throws: (any Error).self) {
            try JSON.decode(ObjectMeta.self, from: Array(#"{"creationTimestamp":"yesterday"}"#.utf8))
        }
        #expect(error.map { JSON.describe($0) }?.contains("creationTimestamp") == true)
    }
}
