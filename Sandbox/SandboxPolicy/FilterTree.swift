// Puts a search tree over ranges of system call numbers before a compiled filter. libseccomp compares with every number that a
// profile names; most calls are decided by their number alone, and neighbours are decided alike, so a few dozen ranges say the same.
// The kernel walks the program once per call when it is loaded (seccomp_cache_prepare), and so each launch pays for its length.

struct FilterTree {
    /// What a program answers for all numbers from `first` to the next range's; nil: it looks at the arguments.
    struct Range: Equatable {
        var first: UInt32
        var answer: UInt32?
    }

    let ranges: [Range]

    /// Asks `program` about every number below `end`; the numbers from there on stay undecided.
    init(of program: [UInt8], end: UInt32) {
        var ranges: [Range] = []
        for number in 0..<end {
            let answer = Self.answer(of: program, number: number)
            if ranges.last?.answer != answer || ranges.isEmpty { ranges.append(Range(first: number, answer: answer)) }
        }
        if ranges.last.map({ $0.answer != nil }) ?? true { ranges.append(Range(first: end, answer: nil)) }
        self.ranges = ranges
    }

    /// The tree, and behind it `rest` for what it leaves undecided: calls with conditions, other entries, unknown numbers. Nil when
    /// the numbers lie too scattered for jumps of a byte: then nothing is won either.
    func program(before rest: [UInt8]) -> [UInt8]? {
        let answers = Array(Set(ranges.compactMap(\.answer))).sorted()
        let returns = 3 + ranges.count - 1
        let end = returns + answers.count
        guard end < 250 else { return nil }
        var leaves: [UInt32?: Int] = [nil: end]
        for (index, answer) in answers.enumerated() { leaves[answer] = returns + index }
        var instructions: [FilterProgram.Instruction] = [
            (0x20, 0, 0, 4),  // load the architecture
            (0x15, 0, UInt8(end - 2), SeccompArchitecture.native.token),  // another one: to the rest
            (0x20, 0, 0, 0),  // load the number
        ]
        appendNodes(ranges[...], leaves, to: &instructions)
        instructions += answers.map { (0x06, 0, 0, $0) }
        let program = FilterProgram.bytes(instructions) + rest
        return program.count / 8 <= FilterProgram.maximumInstructions ? program : nil
    }

    /// A node asks whether the number lies in the upper half; the lower half's nodes follow it at once.
    private func appendNodes(
        _ ranges: ArraySlice<Range>, _ leaves: [UInt32?: Int], to instructions: inout [FilterProgram.Instruction]
    ) {
        guard ranges.count > 1 else { return }
        let middle = ranges.startIndex + ranges.count / 2
        let (lower, upper) = (ranges[..<middle], ranges[middle...])
        let next = instructions.count + 1
        func place(_ half: ArraySlice<Range>, nodesAt: Int) -> UInt8 {
            let target = half.count == 1 ? half.first.flatMap { leaves[$0.answer] } ?? nodesAt : nodesAt
            return UInt8(target - next)
        }
        let (yes, no) = (place(upper, nodesAt: next + lower.count - 1), place(lower, nodesAt: next))
        instructions.append((0x35, yes, no, ranges[middle].first))
        appendNodes(lower, leaves, to: &instructions)
        appendNodes(upper, leaves, to: &instructions)
    }

    /// The answer that `program` gives to a call of the machine's own entry whatever its arguments; nil when it looks at them, or
    /// does what no filter of libseccomp does.
    private static func answer(of program: [UInt8], number: UInt32) -> UInt32? {
        var accumulator: UInt32 = 0
        var at = 0
        while at * 8 + 8 <= program.count {
            let (code, yes, no, operand) = FilterProgram.instruction(program, at * 8)
            at += 1
            switch code {
            case 0x20 where operand == 0: accumulator = number
            case 0x20 where operand == 4: accumulator = SeccompArchitecture.native.token
            case 0x54: accumulator &= operand
            case 0x05: at += Int(operand)
            case 0x15: at += Int(accumulator == operand ? yes : no)
            case 0x25: at += Int(accumulator > operand ? yes : no)
            case 0x35: at += Int(accumulator >= operand ? yes : no)
            case 0x45: at += Int(accumulator & operand != 0 ? yes : no)
            case 0x06: return operand
            default: return nil
            }
        }
        return nil
    }
}
