// Reaching into a Lite that nobody can dial, with real kubectls and the official Python client: Clients/access.py of the conformance tests does it all.
import FoundationEssentials
import Glibc
import Testing

@testable import Swiftlet

@Suite(.serialized, .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct AccessEndToEndTests {
    @Test(
        "logs, exec, cp, port-forward, attach, top and drain work against a Lite whose network lets no connection in",
        .timeLimit(.minutes(10)))
    func behindTheWall() async throws {
        try #require(!Kubectl.all.isEmpty, "no kubectl here: Scripts/setup --test installs one")
        for program in ["/usr/sbin/iptables", "/usr/sbin/ip"] {
            try #require(FileText.exists(program), "no \(program), so no wall can be built: Scripts/setup --test installs it")
        }
        let directory = "/tmp/swiftlet-access-\(getpid())-\(UUID().uuidString.prefix(8))"
        try FileText.makeDirectory(directory, mode: 0o700)
        var arguments = [
            "/usr/bin/python3", "\(EndToEnd.repository)/Tests/ConformanceTests/Clients/access.py", "--swiftlet",
            try EndToEnd.program("swiftlet"),
            "--directory", directory,
        ]
        for kubectl in Kubectl.all { arguments += ["--kubectl", kubectl.path] }
        let python = "\(EndToEnd.repository)/.venv/kubernetes/bin/python"
        if FileText.exists(python) { arguments += ["--python", python] }
        let result = try await RunningCommand(
            arguments, environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONDONTWRITEBYTECODE": "1"],
            directory: directory
        ).result(within: .seconds(540))
        #expect(result.status == 0, "\(result)")
        try? FileManager.default.removeItem(atPath: directory)
    }
}
