// Profile -> BPF, through libseccomp. The launcher loads the raw program; SeccompFilterCache keeps it.

import CSeccomp
import Glibc

public enum SeccompCompiler {
    /// The program's bytes, 8 an instruction, for this machine. System calls that neither libseccomp nor the kernel's newer
    /// list knows are passed over: the kernel cannot be asked for them by a name it has not.
    /// Throws `.profile` with the entry's place for what cannot be enforced.
    public static func program(for profile: SeccompProfile) throws(SandboxPolicyError) -> [UInt8] {
        if let known = SeccompFilterCache.shared[profile] { return known }
        let program = try compile(profile)
        SeccompFilterCache.shared[profile] = program
        return program
    }

    /// libseccomp's program behind a search tree over what it answers whatever the arguments (FilterTree). With entries of other
    /// architectures libseccomp's alone: the tree would win little.
    static func compile(_ profile: SeccompProfile) throws(SandboxPolicyError) -> [UInt8] {
        let whole = try translate(profile)
        guard profile.foreignArchitectures.isEmpty else { return whole.program }
        let tree = FilterTree(of: whole.program, end: whole.newest + 1)
        // Behind the tree stand only the calls that it cannot decide.
        let undecided = Set(profile.rules.filter { !$0.conditions.isEmpty }.flatMap(\.names))
        var rest = profile
        for index in rest.rules.indices { rest.rules[index].names.removeAll { !undecided.contains($0) } }
        return tree.program(before: try translate(rest, newest: whole.newest).program) ?? whole.program
    }

    /// Through libseccomp; with the highest number that the profile names, or `newest`, whichever is greater.
    static func translate(
        _ profile: SeccompProfile, newest: UInt32 = 0
    ) throws(SandboxPolicyError) -> (program: [UInt8], newest: UInt32) {
        guard let context = seccomp_init(profile.defaultAction.code) else { throw .profile("libseccomp has no memory") }
        defer { seccomp_release(context) }
        // The launcher sets no_new_privs itself; entries that are not served end the process.
        try check(seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 0), "no_new_privs")
        try check(seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SeccompProfile.Action.killProcess.code), "architecture")
        for architecture in profile.foreignArchitectures {
            let added = seccomp_arch_add(context, architecture.libseccompToken)
            if added != -EEXIST { try check(added, "architectures: \(architecture.rawValue)") }
        }
        // A binary tree: half the instructions on the way to a call in the middle of the table. Libraries before 2.5 have
        // none and make a list, which answers the same.
        _ = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2)
        var newest = newest
        var decided: Set<String> = []
        for rule in profile.rules {
            if rule.action == .notify { throw Self.nobodyListens(rule.place) }
            for name in rule.names {
                // The first rule without arguments decides, as with libseccomp in every runtime: podman's own profile has such
                // pairs. `redundancies` names the later one.
                if rule.conditions.isEmpty, !decided.insert(name).inserted { continue }
                if try cannotTranslate(name, rule, of: profile) { continue }
                newest = max(newest, SystemCallName.number(name) ?? 0)
                for conditions in rule.alternatives { try add(rule, name, conditions, of: profile, to: context) }
            }
        }
        if profile.defaultAction == .notify { throw Self.nobodyListens("defaultAction") }
        let program = try export(context)
        guard case .errno = profile.defaultAction else { return (program, newest) }
        return (FilterProgram.absentCalls(newerThan: newest) + program, newest)
    }

    /// With entries of other architectures, calls that are newer than the library are left out, and so absent (ENOSYS), as they are
    /// for every runtime on that library. One that is to be refused cannot be left out of a profile that allows the rest.
    private static func cannotTranslate(
        _ name: String, _ rule: SeccompProfile.Rule, of profile: SeccompProfile
    ) throws(SandboxPolicyError) -> Bool {
        if profile.foreignArchitectures.isEmpty || SystemCallName.isInLibrary(name) { return false }
        if profile.defaultAction.permits, !rule.action.permits, SystemCallName.number(name) != nil {
            throw .profile(
                "\(rule.place).names: this libseccomp cannot refuse \(name) on \(profile.foreignArchitectures.map(\.rawValue))")
        }
        return true
    }

    private static func nobodyListens(_ place: String) -> SandboxPolicyError {
        .profile("\(place): SCMP_ACT_NOTIFY needs an agent of the profile's own, which this launcher does not serve")
    }

    private static func add(
        _ rule: SeccompProfile.Rule, _ name: String, _ conditions: [SeccompProfile.Condition], of profile: SeccompProfile,
        to context: scmp_filter_ctx
    ) throws(SandboxPolicyError) {
        guard let number = SystemCallName.ruleNumber(name) else { return }
        if profile.foreignArchitectures.isEmpty, number < 0 { return }  // a call of other machines
        let comparisons = conditions.map {
            scmp_arg_cmp(arg: $0.index, op: $0.comparison.code, datum_a: $0.value, datum_b: $0.valueTwo)
        }
        let result = seccomp_rule_add_array(context, rule.action.code, number, UInt32(comparisons.count), comparisons)
        // A rule that repeats the default adds nothing.
        if result == -EACCES, rule.action == profile.defaultAction { return }
        try check(result, "\(rule.place).names: \(name)")
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
        guard FilterProgram.isWellFormed(bytes) else { throw .profile("export: \(bytes.count) bytes that are no filter") }
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

extension SeccompArchitecture {
    var libseccompToken: UInt32 { self == .x32 ? 0x4000_003e : token }
}

extension SeccompProfile.Action {
    /// The values of <seccomp.h>; some are macros, which Swift does not see.
    var code: UInt32 {
        switch self {
        case .allow: 0x7fff_0000
        case .log: 0x7ffc_0000
        case .notify: 0x7fc0_0000
        case .trace(let number): 0x7ff0_0000 | UInt32(number)
        case .errno(let number): 0x0005_0000 | UInt32(number)
        case .trap: 0x0003_0000
        case .killThread: 0x0000_0000
        case .killProcess: 0x8000_0000
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
