// `swiftlet run` and `swiftlet doctor` as a person calls them: the program itself, its streams and its exit status.
import FoundationEssentials
import Glibc
import JSON
import Testing

@testable import Swiftlet

@Suite("The sandbox on the command line", .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct SandboxCommandTests {
    private func swiftlet(_ arguments: String...) async throws -> CommandResult {
        let directory = "/tmp/swiftlet-e2e-run-\(getpid())-\(UUID().uuidString.prefix(8))"
        try FileText.makeDirectory(directory, mode: 0o700)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        return try await RunningCommand([try EndToEnd.program("swiftlet")] + arguments, directory: directory).result(
            within: .seconds(60))
    }

    @Test("the exit status is the command's, and swiftlet's own are told apart")
    func statuses() async throws {
        #expect(try await swiftlet("run", "--", "sh", "-c", "exit 7").status == 7)
        #expect(try await swiftlet("run", "--", "sh", "-c", "kill -TERM $$").status == 143)
        #expect(try await swiftlet("run", "nonesuch").status == 127)
        #expect(try await swiftlet("run", "/etc/hostname").status == 126)
        #expect(try await swiftlet("run", "--memory", "lots", "true").status == 125)
        #expect(try await swiftlet("run", "--json", "nonesuch").status == 127)
    }

    @Test("a wrong option is answered with its name, what was found and what is expected")
    func refusal() async throws {
        let result = try await swiftlet("run", "--memory", "lots", "true")
        #expect(result.errors.contains("--memory: found \"lots\", expected a size"))
        #expect(try await swiftlet("run", "--memry", "1", "true").errors.contains("--help lists them"))
    }

    @Test("the report on standard error has the end, its reason and the resources")
    func report() async throws {
        let result = try await swiftlet("run", "--json", "-m", "32Mi", "--", "sh", "-c", "echo out; exit 3")
        #expect(result.output == "out\n" && result.status == 3)
        let report = try JSONValue(parsing: result.errors)
        #expect(report["exitCode"]?.intValue == 3)
        #expect(report["reason"]?.stringValue == "Error")
        #expect(report["memoryPeakBytes"]?.intValue ?? 0 > 0)
    }

    @Test("--explain runs nothing and prints the plan, as a table and as data")
    func explain() async throws {
        let table = try await swiftlet("run", "--explain", "-m", "32Mi", "/bin/sh", "-c", "echo ran; exit 3")
        #expect(table.status == 0 && table.output.hasPrefix("STEP") && table.output.contains("33554432"))
        #expect(!table.output.split(separator: "\n").contains("ran"))
        let data = try JSONValue(parsing: try await swiftlet("run", "--explain", "--json", "true").output)
        #expect(data["operations"]?.arrayValue?.isEmpty == false)
    }

    @Test(
        "a signal to swiftlet run reaches the command, whose status is told", arguments: [[], ["--json"]],
        [SIGTERM, SIGINT, SIGUSR1])
    func signals(further: [String], signal: Int32) async throws {
        let directory = "/tmp/swiftlet-e2e-run-\(getpid())-\(UUID().uuidString.prefix(8))"
        try FileText.makeDirectory(directory, mode: 0o700)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let name = [SIGTERM: "TERM", SIGINT: "INT", SIGUSR1: "USR1"][signal, default: "TERM"]
        let script = "trap 'echo ended; exit 9' \(name); echo ready; while :; do sleep 0.1; done"
        let command = try RunningCommand(
            [try EndToEnd.program("swiftlet"), "run"] + further + ["sh", "-c", script], directory: directory)
        try await eventually("the command is ready") { command.output.contains("ready") }
        kill(command.identity.pid, signal)
        let result = try await command.result(within: .seconds(30))
        #expect(result.status == 9, "\(result)")
        #expect(result.output.contains("ended"))
    }

    @Test("a seccomp profile in a file is found by its plain name too; a profile's own name goes first")
    func plainSeccompFile() async throws {
        let directory = "/tmp/swiftlet-e2e-run-\(getpid())-\(UUID().uuidString.prefix(8))"
        try FileText.makeDirectory(directory, mode: 0o700)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileText.write("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": []}", to: "\(directory)/own")
        try FileText.write("no profile", to: "\(directory)/Strict")
        for name in ["own", "Strict"] {
            let script = "cd '\(directory)' && '\(try EndToEnd.program("swiftlet"))' run --seccomp \(name) true"
            let result = try await RunningCommand(["/bin/sh", "-c", script], directory: directory).result(within: .seconds(60))
            #expect(result.status == 0, "\(result)")
        }
        let missing = try await swiftlet("run", "--seccomp", "nonesuch", "true")
        #expect(missing.status == 125 && missing.errors.contains("--seccomp: found "), "\(missing)")
    }

    @Test("the doctor tells a Lite's checks as data too, and is not content when its master is away")
    func doctorOfLite() async throws {
        let directory = "/tmp/swiftlet-e2e-run-\(getpid())-\(UUID().uuidString.prefix(8))"
        try FileText.makeDirectory(directory, mode: 0o700)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let configuration = "\(directory)/kuscia.yaml"
        // No certificate and no token: this node can never join.
        try FileText.write(
            "mode: lite\ndomainID: alice\nmasterEndpoint: https://127.0.0.1:1\nswiftlet: {stateDirectory: state}\n",
            to: configuration)
        let result = try await swiftlet("doctor", "--config", configuration, "-o", "json")
        let report = try JSONValue(parsing: result.output)
        #expect(result.status == 1 && report["healthy"]?.boolValue == false, "\(result)")
        let lite = (report["features"]?.arrayValue ?? []).filter { $0["group"]?.stringValue == "Lite" }
        let certificate = try #require(lite.first { $0["feature"]?.stringValue == "certificate" }, "\(result.output)")
        #expect(certificate["state"]?.stringValue == "missing")
        #expect(certificate["fix"]?.stringValue?.contains("swiftlet token alice") == true)
        try FileText.write("mode: master\ndomainID: center\n", to: configuration)
        let master = try await swiftlet("doctor", "--config", configuration)
        #expect(master.status == 1 && master.errors.contains("mode: expected lite, found master"), "\(master)")
    }

    @Test("the doctor is satisfied with this machine, and says so as data too")
    func doctor() async throws {
        let table = try await swiftlet("doctor")
        #expect(table.status == 0, "\(table)")
        let data = try JSONValue(parsing: try await swiftlet("doctor", "--output", "json").output)
        #expect(data["healthy"]?.boolValue == true)
    }
}
