// The second wall of a container (Landlock: files, TCP ports, signals), which the runtime-spec has no words for: plans of the launcher
// that its first process inside, and that of each command, carries out before it becomes the program.

import Glibc
import LocalRuntime
import SandboxPolicy

struct SecondWall: Sendable {
    /// In the file system of the container's own /dev.
    static let programPath = "/dev/.wall"
    static let commandPath = "/dev/.wall-exec"

    /// For the program, and for commands: those may signal the container's own processes. Empty: no rule.
    let program: [LaunchOperation]
    let command: [LaunchOperation]

    init(_ spec: SandboxSpec) {
        var policy = LandlockPolicy(mirroring: spec)
        program = policy.operations
        policy.scopes = []
        command = policy.operations
    }

    /// Where the plans lie, in the bundle.
    static func programFile(_ bundle: String) -> String { "\(bundle)/wall" }
    static func commandFile(_ bundle: String) -> String { "\(bundle)/wall-exec" }

    /// Repeatable. Read by the container's own user.
    func write(_ bundle: String, id: String) throws {
        for (rules, path) in [(program, Self.programFile(bundle)), (command, Self.commandFile(bundle))] where !rules.isEmpty {
            let plan = LaunchPlan(operations: [.id(id), .inheritStandardStreams, .noNewPrivileges] + rules + [.argument("none")])
            try RecordFiles.write(plan.encoded(), to: path)
            chmod(path, 0o644)
        }
    }
}

extension SeccompProfile {
    /// With the calls that raise the wall, which only take rights away; a profile that names them itself is left as it is.
    var permittingWall: SeccompProfile {
        let calls = ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"]
        if defaultAction == .allow || rules.contains(where: { !Set($0.names).isDisjoint(with: calls) }) { return self }
        var profile = self
        profile.rules.append(Rule(names: calls, action: .allow))
        return profile
    }
}
