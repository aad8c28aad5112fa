// The device list on cgroup v2: a program that the kernel runs on every open and mknod of a device.

import CLinux
import Glibc

/// eBPF for BPF_PROG_TYPE_CGROUP_DEVICE (linux/bpf.h). The context's first word holds the type in its low half and the access
/// in its high half, then major and minor. Rules are tried from the last to the first; the first that fits decides.
struct DeviceProgram {
    static let everything = ResourceSpecification.DeviceRule(allow: true, type: "a", major: nil, minor: nil, access: "rwm")

    private(set) var instructions: [UInt64] = []

    private enum Register {
        static let result: UInt8 = 0, context: UInt8 = 1, type: UInt8 = 2, access: UInt8 = 3, major: UInt8 = 4, minor: UInt8 = 5,
            work: UInt8 = 6
    }

    init(_ rules: [ResourceSpecification.DeviceRule]) {
        load(Register.type, offset: 0)
        emit(code: 0xbc, destination: Register.access, source: Register.type)  // mov32
        emit(code: 0x54, destination: Register.type, immediate: 0xffff)  // and32
        emit(code: 0x74, destination: Register.access, immediate: 16)  // rsh32
        load(Register.major, offset: 4)
        load(Register.minor, offset: 8)
        for rule in rules.reversed() {
            append(rule)
            // What stands behind a rule for everything is never reached, and the kernel takes no such program.
            if rule.isForEverything { return }
        }
        emit(code: 0xb7, destination: Register.result, immediate: 0)
        emit(code: 0x95)
    }

    private mutating func append(_ rule: ResourceSpecification.DeviceRule) {
        var body: [(test: UInt8, register: UInt8, value: Int32)] = []
        if rule.type != "a" { body.append((0x55, Register.type, rule.type == "b" ? 1 : 2)) }  // jne
        if let major = rule.major { body.append((0x55, Register.major, Int32(truncatingIfNeeded: major))) }
        if let minor = rule.minor { body.append((0x55, Register.minor, Int32(truncatingIfNeeded: minor))) }
        var granted: Int32 = 0
        for (letter, bit) in [("m", Int32(1)), ("r", 2), ("w", 4)] where rule.access.contains(letter) { granted |= bit }
        let checksAccess = granted != 7
        // From each test to behind this rule.
        var left = body.count + (checksAccess ? 3 : 0) + 2
        for test in body {
            left -= 1
            emit(code: test.test, destination: test.register, offset: Int16(left), immediate: test.value)
        }
        if checksAccess {
            // Allowed: nothing is asked beyond what is granted. Denied: anything is asked that the rule denies.
            emit(code: 0xbc, destination: Register.work, source: Register.access)
            emit(code: 0x54, destination: Register.work, immediate: rule.allow ? ~granted & 7 : granted)
            emit(code: rule.allow ? 0x55 : 0x15, destination: Register.work, offset: 2, immediate: 0)
        }
        emit(code: 0xb7, destination: Register.result, immediate: rule.allow ? 1 : 0)
        emit(code: 0x95)
    }

    private mutating func load(_ register: UInt8, offset: Int16) {
        emit(code: 0x61, destination: register, source: Register.context, offset: offset)
    }

    private mutating func emit(code: UInt8, destination: UInt8 = 0, source: UInt8 = 0, offset: Int16 = 0, immediate: Int32 = 0) {
        instructions.append(
            UInt64(code) | UInt64(destination) << 8 | UInt64(source) << 12 | UInt64(UInt16(bitPattern: offset)) << 16
                | UInt64(UInt32(bitPattern: immediate)) << 32)
    }

    func attach(to cgroup: String) throws(OCIError) {
        let result = instructions.withUnsafeBytes {
            clinux_attach_device_program(cgroup, $0.baseAddress, UInt32(instructions.count))
        }
        guard result == 0 else {
            // In a user namespace nobody can make or open a device that the host did not give.
            if errno == EPERM, geteuid() != 0 { return }
            throw .system("attach the device list to", cgroup)
        }
    }
}
