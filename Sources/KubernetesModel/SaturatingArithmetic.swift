// Sums and products of what others wrote: Swift ends the process where one does not fit, and with it everybody else's tasks.

extension FixedWidthInteger where Self: SignedInteger {
    /// The sum, or the nearest that the type holds.
    public func saturatingAdding(_ other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }

    /// The product, or the nearest that the type holds.
    public func saturatingMultiplied(by other: Self) -> Self {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? ((self < 0) == (other < 0) ? .max : .min) : product
    }
}

extension Sequence where Element: FixedWidthInteger & SignedInteger {
    /// The sum of all, or the nearest that the type holds.
    public var saturatingSum: Element { reduce(0) { $0.saturatingAdding($1) } }
}
