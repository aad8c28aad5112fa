// The node's images as its agent asks for them.
import FoundationEssentials
import Glibc
import ImageStore
import RegistryClient
import RuntimeInterface
import Testing

@testable import Swiftlet

@Suite(.timeLimit(.minutes(2))) struct NodeImagesTests {
    /// A store with one image, "localhost/here:1", and a registry that is not there.
    private func node(_ directory: String, isLocal: Bool) throws -> NodeImages {
        let store = try ImageStore(stateDirectory: directory)
        let tar = try #require(tmpfile())
        defer { fclose(tar) }
        // Two blocks of zeros: a tar of nothing.
        _ = [UInt8](repeating: 0, count: 1024).withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, tar) }
        rewind(tar)
        _ = try store.importTree(fd: fileno(tar), subject: "tar", name: try ImageReference("localhost/here:1"), now: 1)
        var settings = RegistrySettings(hosts: [RegistryHost(registry: "registry.example", endpoint: "http://127.0.0.1:1")])
        settings.limits.attempts = 1
        return NodeImages(store: store, client: try RegistryClient(settings), signatures: SignaturePolicy(), isLocal: isLocal)
    }

    private func failure(_ node: NodeImages, _ image: String) async -> ImagePullError? {
        do {
            _ = try await node.pullImage(image, credentials: [])
            return nil
        } catch {
            return error
        }
    }

    @Test("with image.pullPolicy local a pull is content with what is here, and asks no registry for what is not")
    func local() async throws {
        let directory = "/tmp/swiftlet-node-images-\(getpid())-local"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let node = try node(directory, isLocal: true)
        let here = try await node.imageStatus("localhost/here:1")
        #expect(try await node.pullImage("localhost/here:1", credentials: []) == here?.id)
        let error = await failure(node, "registry.example/app:1")
        #expect(error?.kind == .notFound)
        #expect(error?.message.contains("image.pullPolicy is local") == true)
        await node.client.shutdown()
    }

    @Test("otherwise the registry is asked")
    func remote() async throws {
        let directory = "/tmp/swiftlet-node-images-\(getpid())-remote"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let node = try node(directory, isLocal: false)
        #expect(await failure(node, "registry.example/app:1")?.kind == .registryUnavailable)
        await node.client.shutdown()
    }
}
