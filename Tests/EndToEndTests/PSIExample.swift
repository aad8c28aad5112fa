// The PSI example with data of a test's own size.
import FoundationEssentials
import Testing

@testable import Swiftlet

enum PSIExample {
    /// Installs the engine if it is missing, writes data and image below `directory`; returns the image's path. Fails
    /// (does not skip) when the engine cannot be had: this is the main job.
    static func prepare(in directory: String, rows: Int) async throws -> String {
        try await prepareData(in: directory, rows: rows)
        try await run(["\(scripts)/psi-image", "\(directory)/psi-engine.json"], directory)
        return "\(directory)/psi-engine.json"
    }

    /// As `prepare`, with the engine as an image of its own; returns the oci-archive's path.
    static func prepareArchive(in directory: String, rows: Int) async throws -> String {
        try await prepareData(in: directory, rows: rows)
        try await run(["\(scripts)/psi-image", "--oci", "\(directory)/psi-engine.tar"], directory, within: .seconds(240))
        return "\(directory)/psi-engine.tar"
    }

    /// The example's job under another name, every party's pods in that runtime class; returns the file's path.
    static func job(name: String, runtimeClass: String, in directory: String) throws -> String {
        guard let text = FileText.read("\(EndToEnd.repository)/examples/psi/job.yaml") else {
            throw HarnessFailure(description: "examples/psi/job.yaml cannot be read")
        }
        let job = text.replacing("psi-demo", with: name)
            .replacing("resources: {limits", with: "runtimeClassName: \(runtimeClass)\n          resources: {limits")
        try FileText.write(job, to: "\(directory)/\(name).yaml")
        return "\(directory)/\(name).yaml"
    }

    private static var scripts: String { "\(EndToEnd.repository)/Scripts" }

    private static func prepareData(in directory: String, rows: Int) async throws {
        try await run(["\(scripts)/setup", "--engine"], directory, within: .seconds(240))
        let generator = "\(EndToEnd.repository)/examples/psi/generate.py"
        try await run(["/usr/bin/env", "python3", generator, "\(directory)/data", "--rows", "\(rows)"], directory)
    }

    private static func run(_ arguments: [String], _ directory: String, within limit: Duration = .seconds(60)) async throws {
        let result = try await RunningCommand(arguments, directory: directory).result(within: limit)
        guard result.status == 0 else { throw HarnessFailure(description: "\(result)") }
    }
}
