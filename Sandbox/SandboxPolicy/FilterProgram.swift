// Programs of classic BPF as bytes: the few that no profile makes, and changes that need no compiler.

public enum FilterProgram {
    /// BPF_MAXINSNS.
    public static let maximumInstructions = 4096

    /// The filter with every EPERM turned into a question to the listener (SECCOMP_RET_USER_NOTIF), whose answer is EPERM
    /// again: what a profile refuses is then counted. Other answers, ENOSYS above all, stay: they are no denials but
    /// calls that are not there.
    public static func countingDenials(_ program: [UInt8]) -> [UInt8] {
        var program = program
        for at in stride(from: 0, to: program.count & ~7, by: 8)
        where program[at] == 0x06 && program[at + 1] == 0 && operand(program, at) == refusal {
            replaceOperand(&program, at, with: question)
        }
        return program
    }

    /// The filter for learning: every system call of the machine's own entry is a question to the listener.
    public static var learning: [UInt8] {
        var instructions: [Instruction] = [
            (0x20, 0, 0, 4),  // load the architecture
            (0x15, 0, 3, SeccompArchitecture.native.token),  // another one: kill
            (0x20, 0, 0, 0),  // load the number
            (0x35, 1, 0, 0x4000_0000),  // an x32 entry: kill
            (0x06, 0, 0, question),
            (0x06, 0, 0, SeccompProfile.Action.killProcess.code),
        ]
        if SeccompArchitecture.native != .x86_64 { instructions[3] = (0x35, 0, 0, 0x4000_0000) }
        return bytes(instructions)
    }

    /// Calls newer than any that the profile names answer ENOSYS: a libc that tries them first then falls back, where
    /// EPERM would be taken for an answer (the same stub as runc's). Everything else goes on to the profile's program.
    static func absentCalls(newerThan newest: UInt32) -> [UInt8] {
        bytes([
            (0x20, 0, 0, 4),  // load the architecture
            (0x15, 0, 4, SeccompArchitecture.native.token),  // another one: to the program, which knows what to do
            (0x20, 0, 0, 0),  // load the number
            (0x35, 2, 0, 0x4000_0000),  // an x32 entry: likewise
            (0x25, 0, 1, newest),
            (0x06, 0, 0, SeccompProfile.Action.errno(38).code),
        ])
    }

    /// What the kernel will check again: whole instructions, known opcodes, jumps that stay inside, a return at the end.
    static func isWellFormed(_ program: [UInt8]) -> Bool {
        let count = program.count / 8
        guard program.count % 8 == 0, count > 0, count <= maximumInstructions else { return false }
        for index in 0..<count {
            let at = index * 8
            let code = UInt16(program[at]) | UInt16(program[at + 1]) << 8
            let left = count - index - 1
            switch code {
            case 0x20: if operand(program, at) % 4 != 0 || operand(program, at) > 60 { return false }
            case 0x54, 0x06: break
            case 0x05: if Int(operand(program, at)) >= left { return false }
            case 0x15, 0x25, 0x35, 0x45: if Int(max(program[at + 2], program[at + 3])) >= left { return false }
            default: return false
            }
        }
        return program[program.count - 8] == 0x06
    }

    typealias Instruction = (code: UInt16, yes: UInt8, no: UInt8, operand: UInt32)
    private static let refusal = SeccompProfile.Action.errno(1).code
    private static let question = SeccompProfile.Action.notify.code

    static func bytes(_ instructions: [Instruction]) -> [UInt8] {
        instructions.flatMap { instruction -> [UInt8] in
            let (code, operand) = (instruction.code, instruction.operand)
            return [UInt8(code & 0xff), UInt8(code >> 8), instruction.yes, instruction.no]
                + (0..<4).map { UInt8(truncatingIfNeeded: operand >> (8 * $0)) }
        }
    }

    /// The instruction whose eight bytes begin at `at`.
    static func instruction(_ program: [UInt8], _ at: Int) -> Instruction {
        (UInt16(program[at]) | UInt16(program[at + 1]) << 8, program[at + 2], program[at + 3], operand(program, at))
    }

    private static func operand(_ program: [UInt8], _ at: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(program[at + 4 + $1]) << UInt32(8 * $1) }
    }

    private static func replaceOperand(_ program: inout [UInt8], _ at: Int, with value: UInt32) {
        for byte in 0..<4 { program[at + 4 + byte] = UInt8(truncatingIfNeeded: value >> UInt32(8 * byte)) }
    }
}
