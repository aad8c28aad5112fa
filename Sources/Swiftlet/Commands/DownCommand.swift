// `swiftlet down`: stops what `swiftlet up` started on a state directory, also after a crash of it.
import ArgumentParser
import Glibc

struct DownCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "down", abstract: "Stop the cluster of a state directory.")

    @Option(help: "The state directory.") var state = StateDirectory.defaultPath
    @Option(help: "Kill what has not stopped after so many seconds.") var timeout = 120

    func validate() throws {
        try ArgumentChecks.name(state, "--state")
        try ArgumentChecks.number(timeout, "--timeout", in: ArgumentChecks.seconds)
    }

    func run() async throws {
        let state = StateDirectory(state)
        guard FileText.isDirectory(state.path) else {
            throw CommandFailure(
                "there is no state directory \(state.path)", hint: "--state names the one that `swiftlet up` used")
        }
        guard let record = UpRecord.read(from: state) else {
            Terminal.output.line("nothing is up on \(state.path)")
            return
        }
        await stop("swiftlet up", record.up)
        // Still there only if `up` was killed; nodes before the master, as in an orderly stop.
        for (name, identity) in record.children.sorted(by: {
            ($0.key == "master" ? 1 : 0, $0.key) < ($1.key == "master" ? 1 : 0, $1.key)
        }) {
            await stop(name, identity)
        }
        for domain in record.domains { try await TaskDrain(nodeDirectory: state.node(domain)).run() }
        unlink(state.record)
        unlink(state.ready)
        Terminal.output.line("stopped; state, logs and results stay in \(state.path)")
    }

    private func stop(_ name: String, _ identity: ProcessIdentity) async {
        guard identity.isAlive else { return }
        Terminal.output.line("stopping \(name) (process \(identity.pid))")
        identity.signal(SIGTERM)
        if await identity.waitForEnd(within: .seconds(timeout)) { return }
        Terminal.error.line("\(name) did not stop within \(timeout) s and is killed")
        identity.signal(SIGKILL)
        _ = await identity.waitForEnd(within: .seconds(10))
    }
}
