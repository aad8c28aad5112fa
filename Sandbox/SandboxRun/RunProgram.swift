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
                print(RunOptions.help, to: STDOUT_FILENO)
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
            print(options.report == .none ? explanation.text : explanation.json, to: STDOUT_FILENO)
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

    static func print(_ text: String, to descriptor: Int32) { _ = SmallFile.write(Array(text.utf8), to: descriptor) }
}

public enum DoctorProgram {
    /// `doctor [--directory DIR] [--output json|table]`. 0: a sandbox can be made here, 1: not, 125: the words are wrong.
    public static func main(_ words: [String]) -> Int32 {
        do {
            let (directory, json) = try parse(words)
            let report = try Doctor.examine(launcher: .find(), directory: directory)
            RunProgram.print(json ? report.json : report.text, to: STDOUT_FILENO)
            return report.isHealthy ? 0 : 1
        } catch {
            RunProgram.print("swiftlet doctor: \(error)\n", to: STDERR_FILENO)
            return RunExit.failure
        }
    }

    private static func parse(_ words: [String]) throws(RunFailure) -> (directory: String, json: Bool) {
        var directory = RunPath.absolute(".")
        var json = false
        var rest = words[...]
        while let word = rest.popFirst() {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            let value = parts.count == 2 ? parts[1] : rest.popFirst()
            switch (parts.first ?? word, value) {
            case ("--output", let format?), ("-o", let format?):
                guard format == "json" || format == "table" else {
                    throw RunFailure(field: "--output", found: RunAmount.shown(format), expected: "table or json")
                }
                json = format == "json"
            case ("--directory", let path?):
                guard RunPath.isDirectory(path) else {
                    throw RunFailure(
                        field: "--directory", found: RunAmount.shown(path), expected: "a directory where images or volumes lie")
                }
                directory = RunPath.absolute(path)
            default:
                throw RunFailure(field: "option", found: word, expected: "--output table|json or --directory DIR")
            }
        }
        return (directory, json)
    }
}
