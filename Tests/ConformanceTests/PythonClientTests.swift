// The official Python client against a master that is killed with SIGKILL while the client watches.
import Glibc
import Testing

@Suite("The official Python client")
struct PythonClientTests {
    private static let python = "\(MasterLaboratory.repository)/.venv/kubernetes/bin/python"
    private static let program = "\(MasterLaboratory.repository)/Tests/ConformanceTests/Clients/watch_across_restart.py"

    @Test(
        "verbs, informer, discovery, tokens; and a watch goes on across three restarts: no event missed, none twice",
        .timeLimit(.minutes(8)))
    func everything() async throws {
        guard access(Self.python, X_OK) == 0 else {
            throw LaboratoryFailure("no \(Self.python): Scripts/setup --test installs it")
        }
        try await MasterLaboratory.run { laboratory in
            let client = try Program(
                [Self.python, Self.program, laboratory.kubeconfig, laboratory.directory],
                environment: ["PYTHONDONTWRITEBYTECODE": "1"],
                directory: laboratory.directory)
            for restart in 0..<3 {
                try await eventually(
                    "restart \(restart) is asked for", within: .seconds(150), state: { client.output + client.errors }
                ) {
                    client.output.contains("KILL \(restart)\n") || !client.isAlive
                }
                guard client.isAlive else { break }
                try await laboratory.kill()
                try await laboratory.startAgain()
                _ = try laboratory.file("restarted-\(restart)", "")
            }
            let result = try await client.result(within: .seconds(180))
            #expect(result.status == 0 && result.output.contains("OK all"), "\(result)")
        }
    }
}
