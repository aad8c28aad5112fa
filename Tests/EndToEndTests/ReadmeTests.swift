// What the README tells a person to type works as it stands there.
import FoundationEssentials
import Glibc
import Testing

@testable import Swiftlet

@Suite("Examples of the README", .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct ReadmeTests {
    private static let program = "import os\nopen('/out/sum', 'w').write(str(sum(int(line) for line in open('/in/numbers'))))\n"

    @Test("the sandbox's example runs with a job and its files beside it", .timeLimit(.minutes(2)))
    func sandbox() async throws {
        let readme = try #require(FileText.read("\(EndToEnd.repository)/README.md"))
        let line = try #require(
            readme.split(separator: "\n").first { $0.hasPrefix("swiftlet run ") && $0.contains("job.py") },
            "the README has no such line")
        let directory = "/tmp/swiftlet-e2e-readme-\(getpid())-\(UUID().uuidString.prefix(8))"
        for folder in ["in", "out"] { try FileText.makeDirectory("\(directory)/\(folder)", mode: 0o755) }
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileText.write("1\n2\n39\n", to: "\(directory)/in/numbers")
        try FileText.write(Self.program, to: "\(directory)/job.py")
        let swiftlet = try EndToEnd.program("swiftlet")
        let script = "cd '\(directory)' && '\(swiftlet)' \(line.dropFirst("swiftlet ".count))"
        let result = try await RunningCommand(["/bin/sh", "-c", script], directory: directory).result(within: .seconds(60))
        #expect(result.status == 0, "\(result)")
        #expect(FileText.read("\(directory)/out/sum") == "42")
    }
}
