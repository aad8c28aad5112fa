// The second wall of a container (Landlock: files, TCP ports, signals), which the runtime-spec has no words for, and its limits: plans of
// the launcher that its first process inside, and that of each command, carries out before it becomes the program.

import Glibc
import LocalRuntime
import SandboxPolicy

struct SecondWall: Sendable {
    /// In the file system of the container's own /dev.
    static let programPath = "/dev/.wall"
    static let commandPath = "/dev/.wall-exec"

    /// A runtime sets limits from outside, which a user namespace that is not its own permits only to CAP_SYS_RESOURCE (prlimit(2)): not
    /// every machine's root has it, and to lower one's own needs nothing.
    let limits: [LaunchOperation]
    /// For the program, and for commands: those may signal the container's own processes. Empty: no rule.
    let program: [LaunchOperation]
    let command: [LaunchOperation]

    init(_ spec: SandboxSpec) {
        limits = spec.resourceLimits.map { .resourceLimit(name: $0.name, soft: $0.soft, hard: $0.hard) }
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
        for (rules, path) in [(program, Self.programFile(bundle)), (command, Self.commandFile(bundle))] {
            let plan = LaunchPlan(
                operations: [.id(id), .inheritStandardStreams] + limits + [.noNewPrivileges] + rules + [.argument("none")])
            try RecordFiles.write(plan.encoded(), to: path)
            chmod(path, 0o644)
        }
    }
}

extension SeccompProfile {
    /// With the calls that raise the wall and set one's own limits, which only take rights away; what a profile names itself is left as it is.
    var permittingWall: SeccompProfile {
        guard defaultAction != .allow else { return self }
        let calls = [
            Rule(names: ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"], action: .allow),
            // The first argument is the process; 0 is the caller.
            Rule(names: ["prlimit64"], action: .allow, conditions: [Condition(index: 0, value: 0, comparison: .equal)]),
        ]
        var profile = self
        for call in calls where !rules.contains(where: { !Set($0.names).isDisjoint(with: call.names) }) { profile.rules.append(call) }
        return profile
    }
}
