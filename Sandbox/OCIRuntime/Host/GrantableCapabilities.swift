// Capabilities that this process may give away: outside a user namespace of its own a container gets no more than we have.

import CLinux
import SandboxPolicy

extension ProcessSpecification {
    /// What cannot be granted is logged and left out (config.md, "Linux Process": a runtime SHOULD NOT fail for it).
    mutating func withholdUngrantable(warn: (String) -> Void) {
        guard var wanted = capabilities else { return }
        let grantable = Set(Capability.allCases.enumerated().filter { clinux_may_grant(Int32($0.offset)) == 1 }.map(\.element))
        let asked = Set(wanted.bounding + wanted.sets.permitted + wanted.sets.inheritable)
        if asked.isSubset(of: grantable) { return }
        for capability in asked.subtracting(grantable).map(\.rawValue).sorted() {
            warn("process.capabilities: \(capability) is not in this process's own bounding set and is left out")
        }
        func granted(_ list: [Capability]) -> [Capability] { list.filter(grantable.contains) }
        wanted.bounding = granted(wanted.bounding)
        wanted.sets = CapabilitySets(
            effective: granted(wanted.sets.effective), permitted: granted(wanted.sets.permitted),
            inheritable: granted(wanted.sets.inheritable), ambient: granted(wanted.sets.ambient))
        capabilities = wanted
    }
}
