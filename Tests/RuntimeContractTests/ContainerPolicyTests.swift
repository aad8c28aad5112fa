// What becomes of a pod's words in the policy of one container, before any process: root, files, limits.
import Cgroups
import RuntimeInterface
import SandboxPolicy
import Testing

@testable import LocalRuntime

@Suite("The policy of one container")
struct ContainerPolicyTests {
    private static func spec(
        _ image: RuntimeImage, _ change: (inout ContainerConfig) -> Void = { _ in }
    ) throws(RuntimeError) -> SandboxSpec {
        var config = ContainerConfig(name: "main", image: "i", command: ["run"], logPath: "/log/main.log")
        change(&config)
        let id = ContainerID(podUID: "uid-1", name: "main", attempt: 0)
        let pod = PodSandboxConfig(
            podUID: "uid-1", namespace: "alice", name: "p", hostname: "p", stateDirectory: "/s", logDirectory: "/log")
        return try SandboxSpec.container(
            ContainerSpecInput(
                id: id, sandbox: SandboxRecord(config: pod, idRangeStart: 131_072), config: config, image: image,
                paths: RecordPaths(root: "/s").container(id), networkNamespace: "/s/netns",
                cgroup: CgroupHost(root: "/no/such/cgroups").group("g"), seccomp: nil,
                node: LocalConfiguration(launcherPath: "/l", stateDirectory: "/s", cgroupParent: "p"))
        ).spec
    }

    /// With a root of the container's own.
    private static func image(uid: UInt32 = 0, workingDirectory: String? = nil) -> RuntimeImage {
        var image = RuntimeImage(
            root: .layers(lower: ["/layer"], upper: "/u", work: "/w"), workingDirectory: workingDirectory)
        image.account = .init(uid: uid, gid: uid)
        image.hasOwnRoot = true
        return image
    }

    @Test("runAsNonRoot: root is refused whoever says it, the image, the pod or nobody, in the kubelet's words")
    func nonRoot() throws {
        func refusal(_ image: RuntimeImage, user: Int64? = nil) -> String? {
            do throws(RuntimeError) {
                _ = try Self.spec(image) { ($0.runAsNonRoot, $0.runAsUser) = (true, user) }
                return nil
            } catch { return "\(error)" }
        }
        let words = "container has runAsNonRoot and image will run as root (pod: \"p_alice(uid-1)\", container: main)"
        #expect(refusal(Self.image())?.hasSuffix(words) == true)
        #expect(refusal(RuntimeImage())?.hasSuffix(words) == true)
        #expect(refusal(Self.image(uid: 1000), user: 0)?.contains("container's runAsUser breaks non-root policy") == true)
        // A name counts too: it is an account of the image's own files.
        #expect(refusal(Self.image(uid: 1000)) == nil)
        #expect(refusal(RuntimeImage(), user: 7) == nil)
        _ = try Self.spec(Self.image())
    }

    @Test("a stop signal that is none is refused of a container and passed over of an image")
    func stopSignal() throws {
        func signal(image name: String?, own: String? = nil) throws -> Int32? {
            var image = Self.image()
            image.stopSignal = name
            return try Self.spec(image) { $0.stopSignal = own }.stopSignal
        }
        #expect(try signal(image: nil) == nil && signal(image: "SIGQUIT") == 3 && signal(image: "37") == 37)
        #expect(try signal(image: "SIGNONE") == nil && signal(image: "0") == nil && signal(image: "33") == nil && signal(image: "SIGQUIT", own: "SIGRTMIN+3") == 37)
        #expect(throws: RuntimeError.self) { try signal(image: "SIGQUIT", own: "SIGNONE") }
    }

    @Test("a single file is bounded by the ephemeral storage only where nothing else can be written to")
    func fileSize() throws {
        func isBounded(_ mounts: [ContainerMount], tmpBytes: Int64? = nil) throws -> Bool {
            let spec = try Self.spec(Self.image()) { config in
                config.limits.ephemeralStorageBytes = 1 << 20
                config.limits.tmpBytes = tmpBytes
                config.mounts = mounts
            }
            return spec.resourceLimits.contains { $0.name == "fsize" }
        }
        let lastWord = ContainerMount(hostPath: "/m/0", containerPath: "/dev/termination-log", readOnly: false)
        #expect(try isBounded([]))
        #expect(try isBounded([lastWord, ContainerMount(hostPath: "/data", containerPath: "/data", readOnly: true)]))
        #expect(try !isBounded([lastWord, ContainerMount(hostPath: "/claim", containerPath: "/data", readOnly: false)]))
        #expect(try !isBounded([], tmpBytes: 8 << 20))
    }

    @Test("a root of the container's own is written to unless the pod says otherwise; a shared one is not")
    func readOnlyRoot() throws {
        var shared = RuntimeImage(root: .directory("/srv/root"))
        shared.account = .init(uid: 0, gid: 0)
        #expect(try !Self.spec(Self.image()).readOnlyRoot)
        #expect(try Self.spec(RuntimeImage()).readOnlyRoot && Self.spec(shared).readOnlyRoot)
        #expect(try Self.spec(Self.image()) { $0.readOnlyRootFilesystem = true }.readOnlyRoot)
        #expect(try !Self.spec(RuntimeImage()) { $0.readOnlyRootFilesystem = false }.readOnlyRoot)
    }

    @Test("a working directory that an image lacks is made in the container's own root, before anything is mounted")
    func workingDirectory() throws {
        func made(_ image: RuntimeImage, _ change: (inout ContainerConfig) -> Void = { _ in }) throws -> [Int] {
            let operations = try Self.spec(image, change).plan().operations
            return operations.indices.filter { if case .makeDirectory = operations[$0] { true } else { false } }
        }
        let places = try made(Self.image(workingDirectory: "/srv/app")) { $0.readOnlyRootFilesystem = true }
        let operations = try Self.spec(Self.image(workingDirectory: "/srv/app")) { $0.readOnlyRootFilesystem = true }.plan()
            .operations
        let place = try #require(places.first)
        #expect(places.count == 1 && operations[place] == .makeDirectory(path: "/srv/app", mode: 0o755))
        #expect(operations[(place + 1)...].contains(.rootReadOnly))
        #expect(!operations[..<place].contains { if case .bind = $0 { true } else { false } })
        #expect(try made(Self.image()).isEmpty)
        #expect(try made(RuntimeImage(workingDirectory: "/srv/app")).isEmpty)
        let inVolume = try made(Self.image(workingDirectory: "/data/app")) {
            $0.mounts = [ContainerMount(hostPath: "/claim", containerPath: "/data", readOnly: false)]
        }
        #expect(inVolume.isEmpty)
    }
}
