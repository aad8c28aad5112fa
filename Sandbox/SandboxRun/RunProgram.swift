// `swiftlet run` from its words to its exit status. Where nothing has to be done after the task's end, this process
// becomes the launcher, so that neither Swift's runtime nor ours waits in memory.
import Glibc
import JSON
import SandboxPolicy

public enum RunProgram {
    /// Returns the exit status, or does not return at all. Blocks.
    public static func main(_ words: [String], networks: (any RunNetworkProvider)? = CNINetworks()) -> Int32 {
        do {
            switch try RunOptions.parse(words) {
            case .help:
                try show(RunOptions.help)
                return 0
            case .run(let options): return try run(options, networks)
            }
        } catch {
            print("swiftlet run: \(error)\n", to: STDERR_FILENO)
            return RunExit.failure
        }
    }

    private static func run(_ options: RunOptions, _ networks: (any RunNetworkProvider)?) throws(RunFailure) -> Int32 {
        try RunInputs.check(options)
        var machine = Machine.probe()
        let claim =
            machine.rootless == nil && !options.explain ? IDClaim(wish: machine.idSlot, of: HostIDs.slots(HostIDs.commands)) : nil
        machine.claimedSlot = claim?.slot
        let plan = try RunPlan(options, machine: machine, resources: .machine)
        if options.explain {
            let explanation = RunExplanation(plan)
            try show(explanation, options.report)
            return 0
        }
        StaleGroups.sweep(machine.cgroups)
        for limit in plan.unenforced {
            let held = limit.instead.map { "is held by \($0)" } ?? "is not enforced"
            print("swiftlet run: \(limit.option) \(held): \(limit.reason)\n", to: STDERR_FILENO)
        }
        let task = try RunTask(plan, launcher: .find(), networks: networks, claim: claim)
        return try task.run()
    }

    /// What was asked for, so that not getting it is a failure; a reader that went away has what it wanted.
    static func show(_ text: String) throws(RunFailure) {
        guard !SmallFile.write(Array(text.utf8), to: STDOUT_FILENO), errno != EPIPE else { return }
        throw .unwritable("standard output")
    }

    /// The plan as a table; with `--json` as data, to where the report of a run would go.
    private static func show(_ explanation: RunExplanation, _ report: RunOptions.Report) throws(RunFailure) {
        guard case .file(let path) = report else {
            return try show(report == .none ? explanation.text : explanation.json)
        }
        guard SmallFile.create(path, Array(explanation.json.utf8), mode: 0o644) else { throw .unwritable(path) }
    }

    static func print(_ text: String, to descriptor: Int32) { _ = SmallFile.write(Array(text.utf8), to: descriptor) }
}

public enum DoctorProgram {
    /// What this machine can do. `directory`: where images and volumes lie. Blocks.
    public static func examine(directory: String) throws(RunFailure) -> DoctorReport {
        guard RunPath.isDirectory(directory) else {
            throw RunFailure(
                field: "--directory", found: RunAmount.shown(directory), expected: "a directory where images or volumes lie")
        }
        return try Doctor.examine(launcher: .find(), directory: RunPath.absolute(directory))
    }
}
