// Quantities: Kubernetes' grammar, exact arithmetic, canonical texts.
import Glibc
import JSON
import KubernetesModel
import Testing

@Suite("Quantities")
struct QuantityTests {
    @Test(
        "a quantity is exact in whole units and thousandths, rounded away from zero",
        arguments: [
            ("0", 0, 0), ("1", 1, 1000), ("+1", 1, 1000), ("-1", -1, -1000), ("500m", 1, 500), ("1500m", 2, 1500),
            ("-1500m", -2, -1500), ("0.5", 1, 500), (".5", 1, 500), ("5.", 5, 5000), ("1k", 1000, 1_000_000),
            ("1M", 1_000_000, 1_000_000_000), ("1G", 1_000_000_000, 1_000_000_000_000),
            ("1Ki", 1024, 1_024_000), ("1.5Gi", 1_610_612_736, 1_610_612_736_000), ("0.1Gi", 107_374_183, 107_374_182_400),
            ("1e3", 1000, 1_000_000), ("1E3", 1000, 1_000_000), ("1.2e+2", 120, 120_000), ("25e-1", 3, 2500),
            ("1n", 1, 1), ("1u", 1, 1), ("1000000n", 1, 1), ("1000001n", 1, 2), ("0.0000000001", 1, 1),
            ("1E", 1_000_000_000_000_000_000, Int64.max), ("007", 7, 7000),
        ] as [(String, Int64, Int64)])
    func values(text: String, value: Int64, millis: Int64) throws {
        let quantity = try Quantity(text)
        #expect(quantity.value == value)
        #expect(quantity.milliValue == millis)
        #expect(quantity.description == text)
    }

    @Test(
        "the canonical form has no fraction and the largest suffix that loses nothing",
        arguments: [
            ("1000m", "1"), ("1500m", "1500m"), ("0.5", "500m"), ("1024", "1024"), ("1000", "1k"), ("1024Ki", "1Mi"),
            ("1.5Gi", "1536Mi"), ("1023Ki", "1023Ki"), ("0.5Ki", "512"), ("0.1Gi", "107374182400m"), ("1e3", "1e3"),
            ("1000e0", "1e3"), ("12000e3", "12e6"), ("0", "0"), ("-1500m", "-1500m"), ("100000000n", "100m"),
            ("1000000000000000000", "1E"), ("1Ei", "1Ei"),
        ])
    func canonical(text: String, expected: String) throws {
        #expect(try Quantity(text).canonical == expected)
    }

    @Test(
        "amounts beyond 2^63 - 1 are capped there",
        arguments: [
            "9223372036854775808", "8Ei", "9Ei", "10E", "1e30", "1e999", nines(37), nines(38), nines(39), nines(63), nines(38) + "e3",
            nines(38) + "Ki", nines(60) + "Ei", "0." + nines(38) + "e40", nines(60) + "e-9",
        ])
    func capped(text: String) throws {
        #expect(try Quantity(text).value == Int64.max)
        #expect(try Quantity("-" + text).value == -Int64.max)
    }

    private static func nines(_ count: Int) -> String { String(repeating: "9", count: count) }

    @Test(
        "an amount below a billionth is one, however small it is",
        arguments: [
            "1e-10", "1e-29", "1e-30", "1e-48", "1e-143", "3.1357244549398962e-143", "1e-200", "1e-999", nines(50) + "e-100",
            "0." + String(repeating: "0", count: 40) + "1", "." + String(repeating: "0", count: 60) + "1",
            "0." + String(repeating: "0", count: 45) + "1Ki", "0." + String(repeating: "0", count: 58) + "1Ei", "0.1n",
        ])
    func tiny(text: String) throws {
        #expect(try Quantity(text).nanoValue == 1)
        #expect(try Quantity("-" + text).nanoValue == -1)
    }

    @Test("whatever the grammar permits has an amount, the one that floating point has for it too")
    func grammar() throws {
        var generator = SplitMix(state: 7)
        func digits(_ most: Int) -> String {
            let zeros = Bool.random(using: &generator) ? Int.random(in: 0...most, using: &generator) : 0
            let rest = Int.random(in: 0...(most - zeros), using: &generator)
            return String(repeating: "0", count: zeros) + (0..<rest).map { _ in "\(Int.random(in: 0...9, using: &generator))" }.joined()
        }
        for _ in 0..<20_000 {
            let whole = digits(28), fraction = digits(28)
            if whole.isEmpty && fraction.isEmpty { continue }
            let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"], decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"]
            let exponent = Int.random(in: -250...250, using: &generator)
            let suffix = (binary + decimal + ["e\(exponent)", "E\(exponent)"]).randomElement(using: &generator) ?? ""
            let number = "\(whole).\(fraction)"
            let base = Double("0\(number)0") ?? 0
            let factor =
                binary.firstIndex(of: suffix).map { pow(1024, Double($0 + 1)) } ?? decimal.firstIndex(of: suffix).map { pow(1000, Double($0 - 3)) }
                ?? pow(10, Double(exponent))
            let expected = min(base * factor * 1e9, Double(Int64.max) * 1e9)
            let quantity = try Quantity(number + suffix)
            // The cap of nanoValue is lower; `value` and `milliValue` round up.
            let found = [Double(quantity.nanoValue), Double(quantity.milliValue) * 1e6, Double(quantity.value) * 1e9]
            for (amount, step) in zip(found, [1, 1e6, 1e9]) where amount < Double(Int64.max) * step * 0.99 {
                #expect(amount >= expected * 0.999_999 && amount <= expected * 1.000_001 + step, "\(number)\(suffix)")
            }
        }
    }

    @Test(
        "what is no quantity is refused, and the message says what was expected",
        arguments: [
            "", " ", "1 ", " 1", "1 Gi", ".", "-", "+", "abc", "1.1.1", "1+1", "0.1mi", "0.1am", "1i", ".5i", "-3.01i",
            "1GB", "1gi", "1K", "1KI", "1e", "1e+", "-3.01e-", "1e1.5", "0x10", "1_000", "--1", "1,5", "\u{0661}", "NaN",
            "Infinity", "1\n", "1Gi1", String(repeating: "9", count: 65), "1e99999999999999999999",
        ])
    func malformed(text: String) {
        let error = #expect(throws: QuantityError.self) { try Quantity(text) }
        #expect(error?.description.contains("expected") == true)
    }

    @Test("amounts compare and hash as amounts, however they are written")
    func comparison() throws {
        #expect(try Quantity("1") == Quantity("1000m"))
        #expect(try Quantity("1Gi") > Quantity("1G"))
        #expect(try Quantity("100m") < Quantity("0.2"))
        #expect(try Set([Quantity("1"), Quantity("1e0"), Quantity("1000m")]).count == 1)
    }

    @Test("sums keep the notation of the left side, or of the right when left is zero")
    func arithmetic() throws {
        #expect(try (Quantity("1Gi") + Quantity("512Mi")).text == "1536Mi")
        #expect(try (Quantity.zero + Quantity("512Mi")).text == "512Mi")
        #expect(try (Quantity("1") - Quantity("1500m")).text == "-500m")
        #expect(try (Quantity("8E") + Quantity("8E")).value == Int64.max)
        var total = Quantity.zero
        for _ in 0..<10 { total += try Quantity("0.1") }
        #expect(total == 1)
    }

    @Test("JSON keeps the text as written, and takes numbers too")
    func coding() throws {
        let limits = try JSON.decode([String: Quantity].self, from: Array(#"{"a":"1000m","b":2,"c":1.5}"#.utf8))
        #expect(limits["a"]?.text == "1000m")
        #expect(limits["b"] == 2)
        #expect(limits["c"]?.milliValue == 1500)
        #expect(try JSON.encode(["a": Quantity("1000m")]) == Array(#"{"a":"1000m"}"#.utf8))
        let error = #expect(throws: (any Error).self) {
            try JSON.decode(ResourceRequirements.self, from: Array(#"{"limits":{"memory":"12 GB"}}"#.utf8))
        }
        let text = error.map { JSON.describe($0) } ?? ""
        #expect(text.contains("limits.memory") && text.contains("12 GB") && text.contains("expected"), "\(text)")
    }

    @Test("every canonical form reads as the amount that it stands for, over many random amounts")
    func roundTrip() throws {
        var generator = SplitMix(state: 42)
        for _ in 0..<20_000 {
            let digits =
                Int64.random(in: -1_000_000_000_000...1_000_000_000_000, using: &generator)
                >> Int64.random(in: 0...30, using: &generator)
            let suffix = ["", "m", "u", "n", "k", "M", "Ki", "Mi", "e3", "e-3"].randomElement(using: &generator) ?? ""
            let quantity = try Quantity("\(digits)\(suffix)")
            let again = try Quantity(quantity.canonical)
            #expect(again == quantity, "\(digits)\(suffix) -> \(quantity.canonical)")
            #expect(again.canonical == quantity.canonical)
        }
    }
}

/// A seeded generator, so that a failure can be repeated (Steele, Lea, Flood: SplitMix64).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
