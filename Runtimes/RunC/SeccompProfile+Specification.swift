// A profile, resolved for its container, as linux.seccomp of the runtime-spec.

import JSON
import SandboxPolicy

extension SeccompProfile {
    var specification: JSONValue {
        var value: JSONValue = [
            "defaultAction": .string(defaultAction.specification.name),
            "architectures": .array(([.native] + foreignArchitectures).map { .string($0.rawValue) }),
            "syscalls": .array(rules.flatMap(\.specifications)),
        ]
        if let code = defaultAction.specification.errno { value["defaultErrnoRet"] = .int(Int64(code)) }
        let flags = flags.compactMap(\.specification)
        if !flags.isEmpty { value["flags"] = .array(flags.map { .string($0) }) }
        return value
    }
}

extension SeccompProfile.Action {
    fileprivate var specification: (name: String, errno: UInt16?) {
        switch self {
        case .allow: ("SCMP_ACT_ALLOW", nil)
        case .log: ("SCMP_ACT_LOG", nil)
        case .killProcess: ("SCMP_ACT_KILL_PROCESS", nil)
        case .killThread: ("SCMP_ACT_KILL_THREAD", nil)
        case .errno(let code): ("SCMP_ACT_ERRNO", code)
        case .trap: ("SCMP_ACT_TRAP", nil)
        case .trace(let code): ("SCMP_ACT_TRACE", code)
        // Without a listener, which a pod has not, nobody would ever answer.
        case .notify: ("SCMP_ACT_ERRNO", 38)
        }
    }
}

extension SeccompProfile.Rule {
    /// Conditions on one argument are alternatives to runc and to us; crun wants all of them. As entries of their own they mean the
    /// same to every runtime.
    fileprivate var specifications: [JSONValue] {
        let areAlternatives = Set(conditions.map(\.index)).count < conditions.count
        return areAlternatives ? conditions.map { specification([$0]) } : [specification(conditions)]
    }

    private func specification(_ conditions: [SeccompProfile.Condition]) -> JSONValue {
        var value: JSONValue = ["names": .array(names.map { .string($0) }), "action": .string(action.specification.name)]
        if let code = action.specification.errno { value["errnoRet"] = .int(Int64(code)) }
        if !conditions.isEmpty { value["args"] = .array(conditions.map(\.specification)) }
        return value
    }
}

extension SeccompProfile.Condition {
    fileprivate var specification: JSONValue {
        [
            "index": .int(Int64(index)), "value": .int(Int64(bitPattern: value)), "valueTwo": .int(Int64(bitPattern: valueTwo)),
            "op": .string(comparison.rawValue),
        ]
    }
}

extension SeccompFlag {
    fileprivate var specification: String? {
        switch self {
        case .threadSync: "SECCOMP_FILTER_FLAG_TSYNC"
        case .log: "SECCOMP_FILTER_FLAG_LOG"
        case .speculationAllowed: "SECCOMP_FILTER_FLAG_SPEC_ALLOW"
        case .waitKillable, .beforeCapabilities: nil
        }
    }
}
