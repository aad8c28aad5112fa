// Randomness for property tests: the same seed gives the same case everywhere. A failure names its seed; run that one case with
// `swift test --filter NAME` after narrowing the argument range to it.

/// SplitMix64.
struct SeededDice: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &self) }
    mutating func chance(_ one: Int, of many: Int) -> Bool { pick(many) < one }
}
