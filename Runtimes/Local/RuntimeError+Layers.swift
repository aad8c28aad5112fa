// What the layers below throw, in the contract's words.

import Cgroups
import Glibc
import RuntimeInterface
import SandboxPolicy

extension SandboxPolicyError {
    package var asRuntimeError: RuntimeError {
        switch self {
        case .invalid(let field, let found, let expected): .invalid(field: field, reason: "found \(found), expected \(expected)")
        case .profile(let reason): .invalid(field: "seccompProfile", reason: reason)
        }
    }
}

extension CgroupError {
    package var asRuntimeError: RuntimeError {
        stage == "unenforceable"
            ? .unenforceable(hint.isEmpty ? path : "\(path); \(hint)")
            : .unavailable(stage: "cgroup \(stage)(\(path))", reason: String(cString: strerror(self.errno)))
    }
}
