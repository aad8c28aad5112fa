// Asks a compiled filter what it answers, without root and without loading it.

import Testing

@testable import SandboxPolicy

/// The classic-BPF subset that seccomp filters use: enough to ask a program what it answers.
struct FilterMachine {
    let instructions: [FilterProgram.Instruction]

    init(program: [UInt8]) {
        instructions = stride(from: 0, to: program.count - 7, by: 8).map { FilterProgram.instruction(program, $0) }
    }

    /// `arguments` as the system call's six registers. x86-64 or AArch64 as compiled.
    func answer(number: UInt32, architecture: UInt32, arguments: [UInt64] = []) throws -> UInt32 {
        var data = [UInt32](repeating: 0, count: 16)
        data[0] = number
        data[1] = architecture
        for (index, argument) in arguments.enumerated() {
            data[4 + 2 * index] = UInt32(truncatingIfNeeded: argument)
            data[5 + 2 * index] = UInt32(argument >> 32)
        }
        var accumulator: UInt32 = 0
        var at = 0
        while true {
            guard at < instructions.count else { throw SandboxPolicyError.profile("a jump behind the end") }
            let instruction = instructions[at]
            let (code, operand) = (instruction.code, instruction.operand)
            let (yes, no) = (Int(instruction.yes), Int(instruction.no))
            at += 1
            switch code {
            case 0x20: accumulator = data[Int(operand / 4)]
            case 0x54: accumulator &= operand
            case 0x05: at += Int(operand)
            case 0x15: at += accumulator == operand ? yes : no
            case 0x25: at += accumulator > operand ? yes : no
            case 0x35: at += accumulator >= operand ? yes : no
            case 0x45: at += accumulator & operand != 0 ? yes : no
            case 0x06: return operand
            default: throw SandboxPolicyError.profile("instruction \(code)")
            }
        }
    }

    /// This machine's own entry, by the call's name; -1 in an argument is all ones.
    func answer(_ name: String, _ arguments: [UInt64] = [0, 0, 0]) throws -> UInt32 {
        try answer(
            number: try #require(SystemCallName.number(name), "\(name)"), architecture: SeccompArchitecture.native.token,
            arguments: arguments)
    }
}

/// What a filter answers, as the values of <linux/seccomp.h>.
enum Answer {
    static let allow: UInt32 = 0x7fff_0000
    static let question: UInt32 = 0x7fc0_0000
    static let killProcess: UInt32 = 0x8000_0000
    static let absent = errno(38)
    static let denied = errno(1)
    static func errno(_ code: UInt32) -> UInt32 { 0x0005_0000 | code }
}
