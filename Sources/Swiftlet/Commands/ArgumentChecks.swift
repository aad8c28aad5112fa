// What every command asks of its words before it does anything: names that name something, numbers that can be counted with.
import ArgumentParser

enum ArgumentChecks {
    /// Longest wait that can be asked for: a year. Far below what a clock can add to its time.
    static let seconds = 0...31_536_000
    /// Log lines, and other counts that a server keeps as 64 bits.
    static let lines = 0...1_000_000_000

    /// A script's variable that was not set is an empty word: a call about "" would be one about everything.
    static func name(_ name: String?, _ what: String) throws {
        guard name?.isEmpty == true else { return }
        throw ValidationError("\(what): found \"\", expected a name. Is a variable of the script not set?")
    }

    static func number(_ number: Int?, _ option: String, in range: ClosedRange<Int>) throws {
        guard let number, !range.contains(number) else { return }
        throw ValidationError(
            "\(option): found \(number), expected a whole number from \(range.lowerBound) to \(range.upperBound).")
    }
}
