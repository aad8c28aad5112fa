// The main job from an image of its own: the same job file under RunP and under RunC, only `runtimeClassName` differing.
import FoundationEssentials
import Glibc
import JSON
import Testing

@testable import Swiftlet

@Suite(.serialized, .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct ImageJobEndToEndTests {
    @Test(
        "two organisations find their intersection with an engine from an OCI image, whichever runtime its class names",
        .timeLimit(.minutes(10)))
    func intersectionFromAnImage() async throws {
        let directory = "/tmp/swiftlet-image-\(getpid())"
        try FileText.makeDirectory(directory)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let archive = try await PSIExample.prepareArchive(in: directory, rows: 2000)
        let expected = try JSONValue(parsing: FileText.bytes("\(directory)/data/expected.json") ?? [])
        let options = ["--image", archive] + ["alice", "bob"].flatMap { ["--data", "\($0)=\(directory)/data/\($0)"] }
        try await TestCluster.with(options: options) { cluster in
            for runtime in ["runp", "runc"] {
                let name = "psi-\(runtime)"
                let job = try PSIExample.job(name: name, runtimeClass: runtime, in: directory)
                let result = try await cluster.run(
                    "submit", "\(EndToEnd.repository)/examples/psi/appimage.yaml", job, "--wait", "--timeout", "180",
                    within: .seconds(200))
                #expect(result.output.contains("Job \(name) succeeded"), "\(result)")
                for party in ["alice", "bob"] {
                    let summary = try JSONValue(
                        parsing: FileText.bytes("\(cluster.jobVolume(name, of: party))/summary.json") ?? [])
                    for key in ["rows", "intersection", "sha256"] {
                        #expect(summary[key] == expected[key], "\(runtime) \(party) \(key)")
                    }
                }
                // Which runtime it was, by what it leaves: an OCI runtime has a state directory of its own from its first container on.
                for party in ["alice", "bob"] {
                    #expect(
                        FileText.exists("\(cluster.state.node(party))/runc/oci/runc") == (runtime == "runc"),
                        "\(runtime) at \(party)")
                }
                for pod in try await cluster.objects("pods")
                where pod[path: "metadata", "name"]?.stringValue?.hasPrefix(name) == true {
                    #expect(
                        pod[path: "status", "containerStatuses"]?[0]?["imageID"]?.stringValue?.contains("sha256:") == true,
                        "\(pod[path: "status"] ?? .null)")
                }
            }
        }
    }
}
