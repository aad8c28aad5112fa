// Profile -> BPF, through libseccomp; compiled once per profile and process, loaded raw by the launcher.

import CSeccomp
import Glibc
import Synchronization

public enum SeccompCompiler {
    /// A node uses a handful of profiles; what is beyond is compiled anew each time.
    private static let cacheCapacity = 64
    private static let cache = Mutex<[[UInt8]: [UInt8]]>([:])

    /// The program's bytes, 8 an instruction, for this machine's architecture. System calls that the library does not
    /// know are passed over: the kernel cannot be asked for them by a name it has not.
    public static func program(for profile: SeccompProfile) throws(SandboxPolicyError) -> [UInt8] {
        if let known = cache.withLock({ $0[profile.source] }) { return known }
        let program = try compile(profile)
        cache.withLock { if $0.count < cacheCapacity { $0[profile.source] = program } }
        return program
    }

    private static func compile(_ profile: SeccompProfile) throws(SandboxPolicyError) -> [UInt8] {
        guard let context = seccomp_init(profile.defaultAction.code) else { throw .profile("libseccomp has no memory") }
        defer { seccomp_release(context) }
        // The launcher sets no_new_privs itself; 32-bit and x32 entries end the process; a binary tree loads fastest.
        try check(seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 0), "no_new_privs")
        try check(seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SeccompProfile.Action.killProcess.code), "architecture")
        try check(seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2), "optimize")
        var newest: Int32 = 0
        for rule in profile.rules {
            for name in rule.names {
                let number = seccomp_syscall_resolve_name(name)
                if number < 0 { continue }
                newest = max(newest, number)
                for conditions in rule.alternatives { try add(rule.action, name, number, conditions, to: context) }
            }
        }
        let program = try export(context)
        guard case .errno = profile.defaultAction else { return program }
        return Self.unknownCallsAreAbsent(newerThan: UInt32(newest)) + program
    }

    /// Calls newer than any that the profile names answer ENOSYS: a libc that tries them first then falls back, where
    /// EPERM would be taken for an answer (the same stub as runc's). Everything else goes on to the profile's program.
    private static func unknownCallsAreAbsent(newerThan newest: UInt32) -> [UInt8] {
        let native = seccomp_arch_native()
        let instructions: [(code: UInt16, yes: UInt8, no: UInt8, operand: UInt32)] = [
            (0x20, 0, 0, 4),  // load the architecture
            (0x15, 0, 4, native),  // another one: to the program, which ends the process
            (0x20, 0, 0, 0),  // load the number
            (0x35, 2, 0, 0x4000_0000),  // an x32 entry: likewise
            (0x25, 0, 1, newest),
            (0x06, 0, 0, SeccompProfile.Action.errno(38).code),
        ]
        return instructions.flatMap { instruction -> [UInt8] in
            let (code, operand) = (instruction.code, instruction.operand)
            return [UInt8(code & 0xff), UInt8(code >> 8), instruction.yes, instruction.no]
                + (0..<4).map { UInt8(truncatingIfNeeded: operand >> (8 * $0)) }
        }
    }

    private static func add(
        _ action: SeccompProfile.Action, _ name: String, _ number: Int32, _ conditions: [SeccompProfile.Condition],
        to context: scmp_filter_ctx
    ) throws(SandboxPolicyError) {
        let comparisons = conditions.map {
            scmp_arg_cmp(arg: $0.index, op: $0.comparison.code, datum_a: $0.value, datum_b: $0.valueTwo)
        }
        let result = seccomp_rule_add_array(context, action.code, number, UInt32(comparisons.count), comparisons)
        // A rule that repeats the default or an earlier rule adds nothing.
        if result == -EACCES || result == -EEXIST { return }
        try check(result, name)
    }

    private static func export(_ context: scmp_filter_ctx) throws(SandboxPolicyError) -> [UInt8] {
        // A program has at most 4096 instructions (BPF_MAXINSNS), half of what a pipe holds: writing never blocks.
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw .profile("pipe: \(String(cString: strerror(errno)))") }
        let exported = seccomp_export_bpf(context, ends[1])
        close(ends[1])
        defer { close(ends[0]) }
        try check(exported, "export")
        var bytes: [UInt8] = []
        while true {
            let chunk = [UInt8](unsafeUninitializedCapacity: 8192) { buffer, count in
                count = max(0, read(ends[0], buffer.baseAddress, buffer.count))
            }
            if chunk.isEmpty { break }
            bytes += chunk
        }
        guard !bytes.isEmpty, bytes.count % 8 == 0 else { throw .profile("export: \(bytes.count) bytes") }
        return bytes
    }

    private static func check(_ result: Int32, _ what: String) throws(SandboxPolicyError) {
        if result != 0 { throw .profile("\(what): \(String(cString: strerror(-result)))") }
    }
}

extension SeccompProfile.Rule {
    /// Conditions that all must hold; several on the same argument are alternatives (runc reads profiles so).
    var alternatives: [[SeccompProfile.Condition]] {
        Set(conditions.map(\.index)).count == conditions.count ? [conditions] : conditions.map { [$0] }
    }
}

extension SeccompProfile.Action {
    /// The values of <seccomp.h>; some are macros, which Swift does not see.
    var code: UInt32 {
        switch self {
        case .allow: 0x7fff_0000
        case .log: 0x7ffc_0000
        case .trap: 0x0003_0000
        case .killProcess: 0x8000_0000
        case .killThread: 0x0000_0000
        case .errno(let number): 0x0005_0000 | UInt32(number)
        }
    }
}

extension SeccompProfile.Comparison {
    var code: scmp_compare {
        switch self {
        case .notEqual: SCMP_CMP_NE
        case .lessThan: SCMP_CMP_LT
        case .lessOrEqual: SCMP_CMP_LE
        case .equal: SCMP_CMP_EQ
        case .greaterOrEqual: SCMP_CMP_GE
        case .greaterThan: SCMP_CMP_GT
        case .maskedEqual: SCMP_CMP_MASKED_EQ
        }
    }
}
