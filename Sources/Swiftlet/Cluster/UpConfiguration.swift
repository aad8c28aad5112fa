// The configuration files that `swiftlet up` writes for its processes; made anew at every start.
import Glibc
import ImageStore

struct UpConfiguration {
    let plan: UpPlan

    /// Both parties' tasks run on this machine: they reach each other by loopback, and nobody else reaches them.
    static let address = "127.0.0.1"

    func writeMaster() throws {
        var configuration = KusciaConfiguration(mode: .master, domainID: "master")
        configuration.extensions.stateDirectory = plan.state.master
        configuration.extensions.listenAddress = Self.address
        configuration.extensions.port = plan.port
        configuration.extensions.certificateNames = [Self.address, "localhost"]
        try FileText.write(configuration.commentedYAML, to: "\(plan.state.master)/kuscia.yaml", mode: 0o600)
    }

    func writeNode(_ domain: String, deployToken: String?) throws {
        let directory = plan.state.node(domain)
        var configuration = KusciaConfiguration(mode: .lite, domainID: domain)
        configuration.liteDeployToken = deployToken
        configuration.masterEndpoint = "https://\(Self.address):\(plan.port)"
        configuration.extensions.stateDirectory = directory
        configuration.extensions.masterCAFile = MasterState(plan.state.master).authority
        configuration.extensions.nodeName = domain
        configuration.extensions.nodeAddress = Self.address
        configuration.extensions.dataDirectory = try dataDirectory(domain)
        configuration.extensions.cgroupParent = Self.cgroupParent(state: plan.state, domain: domain)
        // The token in it is worth a certificate.
        try FileText.write(configuration.commentedYAML, to: "\(directory)/kuscia.yaml", mode: 0o600)
        try writeImages(directory)
    }

    private func dataDirectory(_ domain: String) throws -> String {
        if let given = plan.data[domain] { return given }
        let own = "\(plan.state.node(domain))/data"
        try FileText.makeDirectory(own)
        return own
    }

    /// Unlike any other cluster's on this machine: the state directory decides (FNV-1a, so that it is the same each time).
    static func cgroupParent(state: StateDirectory, domain: String) -> String {
        let hash = state.path.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return "swiftlet.\(String(hash, radix: 16)).\(domain)"
    }

    private func writeImages(_ directory: String) throws {
        let images = "\(directory)/images/builtin"
        try FileText.makeDirectory(images)
        for image in plan.images where Self.isManifest(image) {
            guard let bytes = FileText.bytes(image), let name = image.split(separator: "/").last else {
                throw CommandFailure("cannot read the image \(image)", hint: nil)
            }
            try FileText.write(bytes: bytes, to: "\(images)/\(name)")
        }
    }

    /// A built-in image's description; anything else is an archive.
    static func isManifest(_ path: String) -> Bool { path.hasSuffix(".json") }

    /// The archives among the plan's images, into the node's store. Blobs that it has from a former start are not written again.
    func loadArchives(_ domain: String) async throws {
        for path in plan.images where !Self.isManifest(path) {
            let file = try ArchiveFile.reading(path)
            defer { file.close() }
            let directory = plan.state.node(domain)
            do {
                _ = try await BlockingCall.run {
                    Result {
                        try ImageStore(stateDirectory: directory)
                            .load(fd: file.descriptor, subject: file.name, name: nil, now: Int64(time(nil)))
                    }
                }.get()
            } catch let error as ImageStoreError {
                throw CommandFailure("--image \(path): \(error)", hint: "a .json file, or a docker-archive or oci-archive")
            }
        }
    }
}
