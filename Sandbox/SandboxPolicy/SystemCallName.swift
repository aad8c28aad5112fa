// Numbers of system calls by name: libseccomp's table, and below it the calls that are newer than a distribution's library.

import CSeccomp
import Glibc

enum SystemCallName {
    /// On this machine's own entry; nil when it has no such call.
    static func number(_ name: String) -> UInt32? {
        let known = seccomp_syscall_resolve_name(name)
        if known >= 0 { return UInt32(known) }
        // Below zero, but for -1, are calls that only other architectures have.
        return known == unknown ? newer[name] : nil
    }

    /// What a rule is to be added with: libseccomp's number, which is negative for a call of other architectures only.
    static func ruleNumber(_ name: String) -> Int32? {
        let known = seccomp_syscall_resolve_name(name)
        if known != unknown { return known }
        return newer[name].map { Int32($0) }
    }

    /// True when libseccomp has it too: what it does not know it cannot translate for other architectures.
    static func isInLibrary(_ name: String) -> Bool { seccomp_syscall_resolve_name(name) != unknown }

    /// Nil for a number that has no name.
    static func name(_ number: UInt32) -> String? {
        guard let number = Int32(exactly: number) else { return nil }
        if let text = seccomp_syscall_resolve_num_arch(seccomp_arch_native(), number) {
            defer { free(text) }
            return String(cString: text)
        }
        return newer.first { $0.value == UInt32(number) }?.key
    }

    private static let unknown: Int32 = -1

    /// Since Linux 5.1 a new call has the same number on every architecture (Documentation/process/adding-syscalls.rst).
    private static let newer: [String: UInt32] = [
        "process_mrelease": 448, "futex_waitv": 449, "set_mempolicy_home_node": 450, "cachestat": 451, "fchmodat2": 452,
        "map_shadow_stack": 453, "futex_wake": 454, "futex_wait": 455, "futex_requeue": 456, "statmount": 457, "listmount": 458,
        "lsm_get_self_attr": 459, "lsm_set_self_attr": 460, "lsm_list_modules": 461, "mseal": 462, "setxattrat": 463,
        "getxattrat": 464, "listxattrat": 465, "removexattrat": 466, "open_tree_attr": 467, "file_getattr": 468,
        "file_setattr": 469, "listns": 470, "rseq_slice_yield": 471,
    ]
}
