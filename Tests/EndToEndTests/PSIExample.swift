// The PSI example with data of a test's own size.
import FoundationEssentials
import Testing

@testable import Swiftlet

enum PSIExample {
    /// Installs the engine if it is missing, writes data and image below `directory`; returns the image's path. Fails
    /// (does not skip) when the engine cannot be had: this is the main job.
    static func prepare(in directory: String, rows: Int) async throws -> String {
        let scripts = "\(EndToEnd.repository)/Scripts"
        try await run(["\(scripts)/setup", "--engine"], directory, within: .seconds(240))
        let generator = "\(EndToEnd.repository)/examples/psi/generate.py"
        try await run(["/usr/bin/env", "python3", generator, "\(directory)/data", "--rows", "\(rows)"], directory)
        try await run(["\(scripts)/psi-image", "\(directory)/psi-engine.json"], directory)
        return "\(directory)/psi-engine.json"
    }

    private static func run(_ arguments: [String], _ directory: String, within limit: Duration = .seconds(60)) async throws {
        let result = try await RunningCommand(arguments, directory: directory).result(within: limit)
        guard result.status == 0 else { throw HarnessFailure(description: "\(result)") }
    }
}
