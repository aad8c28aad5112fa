// The grammar of quantities: sign, decimal digits, then one suffix.
//
//   quantity = [+-] digits[.digits] | [+-] .digits,  followed by
//   suffix   = Ki Mi Gi Ti Pi Ei | n u m "" k M G T P E | (e|E)[+-]digits

extension Quantity {
    static let expectedForm =
        "a decimal number with an optional suffix (n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei, or an exponent "
        + "such as e3), for example 500m or 1.5Gi"
    /// More digits than any amount below the cap needs; keeps the arithmetic inside 128 bits and the work bounded.
    static let maximumLength = 64

    /// Throws `QuantityError` when the text does not follow the grammar. Steps below a billionth are rounded away from
    /// zero, amounts above 2^63 - 1 capped.
    public init(_ text: String) throws(QuantityError) {
        let malformed = QuantityError(text: text, expected: Self.expectedForm)
        guard text.utf8.count <= Self.maximumLength else {
            throw QuantityError(text: String(text.prefix(80)), expected: "at most \(Self.maximumLength) characters")
        }
        var rest = Array(text.utf8)[...]
        var negative = false
        if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
            negative = sign == UInt8(ascii: "-")
            rest.removeFirst()
        }
        var digits = Self.takeDigits(&rest)
        var fractionDigits = 0
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            let fraction = Self.takeDigits(&rest)
            fractionDigits = fraction.count
            digits += fraction
        }
        guard !digits.isEmpty, let suffix = Suffix(rest) else { throw malformed }
        let magnitude = Self.nanos(digits: digits, fractionDigits: fractionDigits, suffix: suffix)
        self.init(nanos: negative ? -magnitude : magnitude, format: suffix.format, text: text)
    }

    private static func takeDigits(_ rest: inout ArraySlice<UInt8>) -> [UInt8] {
        let digits = rest.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        rest = rest.dropFirst(digits.count)
        return digits.map { $0 - UInt8(ascii: "0") }
    }

    struct Suffix {
        var format: Format
        /// The number is multiplied by 2^binary or by 10^decimal.
        var binary = 0
        var decimal = 0

        /// nil when the bytes are no suffix.
        init?(_ bytes: ArraySlice<UInt8>) {
            let text = String(decoding: bytes, as: UTF8.self)
            if let index = Quantity.binarySuffixes.firstIndex(of: text) {
                format = .binarySI
                binary = 10 * (index + 1)
            } else if let (exponent, _) = Quantity.decimalSuffixes.first(where: { $0.1 == text }) {
                format = .decimalSI
                decimal = exponent
            } else {
                guard let letter = bytes.first, letter == UInt8(ascii: "e") || letter == UInt8(ascii: "E"),
                    let exponent = Int(text.dropFirst())
                else { return nil }
                format = .decimalExponent
                // Beyond these the amount is the cap or a billionth anyway.
                decimal = min(max(exponent, -200), 200)
            }
        }
    }

    static let binarySuffixes = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
    static let decimalSuffixes = [
        (-9, "n"), (-6, "u"), (-3, "m"), (0, ""), (3, "k"), (6, "M"), (9, "G"), (12, "T"), (15, "P"), (18, "E"),
    ]

    /// digits x 10^-fractionDigits x suffix, in billionths, rounded up, capped.
    private static func nanos(digits: [UInt8], fractionDigits: Int, suffix: Suffix) -> Int128 {
        // The digits are consumed as a big decimal: `shift` is the power of ten that the last digit has in billionths.
        let significant = digits.drop { $0 == 0 }
        guard !significant.isEmpty else { return 0 }
        var shift = 9 - fractionDigits + suffix.decimal
        // 39 digits never fit below the cap unless they are mostly fraction: drop what is beyond a billionth first, but
        // binary factors (up to 2^60, 19 digits) still reach into it.
        var kept = significant
        var inexact = false
        let reach = suffix.binary > 0 ? 20 : 0
        while shift < -reach, let last = kept.popLast() {
            inexact = inexact || last != 0
            shift += 1
        }
        // All of it is below what counts, even times the largest factor.
        if kept.isEmpty { return inexact ? 1 : 0 }
        var amount: Int128 = 0
        for digit in kept {
            let (product, overflow) = amount.multipliedReportingOverflow(by: 10)
            guard !overflow, product < Int128.max - 10 else { return maximum }
            amount = product + Int128(digit)
        }
        for _ in 0..<max(shift, 0) {
            guard amount <= maximum else { return maximum }
            amount *= 10
        }
        let divisor = power(10, max(-shift, 0))
        return min(scaled(amount, by: Int128(1) << Int128(suffix.binary), over: divisor, inexact: inexact), maximum)
    }

    /// ceil(amount x factor / divisor) without leaving 128 bits; divisor <= 10^20, factor <= 2^60.
    private static func scaled(_ amount: Int128, by factor: Int128, over divisor: Int128, inexact: Bool) -> Int128 {
        let (whole, rest) = amount.quotientAndRemainder(dividingBy: divisor)
        let (high, overflow) = whole.multipliedReportingOverflow(by: factor)
        guard !overflow else { return maximum }
        let (low, lowRest) = (rest * factor).quotientAndRemainder(dividingBy: divisor)
        let (sum, isTooMuch) = high.addingReportingOverflow(low + (lowRest != 0 || inexact ? 1 : 0))
        return isTooMuch ? maximum : sum
    }

    static func power(_ base: Int128, _ exponent: Int) -> Int128 {
        var result: Int128 = 1
        for _ in 0..<exponent { result *= base }
        return result
    }

    static func canonical(nanos: Int128, format: Format) -> String {
        switch format {
        case .binarySI:
            let isSmall = nanos.magnitude < UInt128(1024 * nanosPerUnit)
            // Kubernetes: no rounding, so small or broken amounts fall back to decimal suffixes.
            guard !isSmall, nanos % nanosPerUnit == 0 else { return canonical(nanos: nanos, format: .decimalSI) }
            var amount = nanos / nanosPerUnit
            var suffix = ""
            for next in binarySuffixes where amount % 1024 == 0 {
                amount /= 1024
                suffix = next
            }
            return "\(amount)\(suffix)"
        case .decimalSI, .decimalExponent:
            guard nanos != 0 else { return "0" }
            var amount = nanos
            var exponent = -9
            while exponent < 18, amount % 1000 == 0 {
                amount /= 1000
                exponent += 3
            }
            if format == .decimalExponent { return exponent == 0 ? "\(amount)" : "\(amount)e\(exponent)" }
            let suffix = decimalSuffixes.first { $0.0 == exponent }?.1 ?? ""
            return "\(amount)\(suffix)"
        }
    }
}
