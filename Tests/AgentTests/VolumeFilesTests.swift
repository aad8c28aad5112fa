// Volumes that are made of objects: what a container finds in them, and what happens when the objects change.
import AgentCore
import Glibc
import KubernetesClient
import KubernetesModel
import RuntimeInterface
import Synchronization
import Testing

@testable import Agent

@Suite("volumes made of objects", .timeLimit(.minutes(1)))
struct VolumeFilesTests {
    @Test("a ConfigMap's keys are files behind one link that is replaced at once; nobody sees half of a change")
    func atomicUpdate() async throws {
        let lab = try VolumeLab()
        try lab.put("c", ["a": "1", "b": "1", "old": "x"])
        let pod = lab.pod([Volume(name: "v", configMap: ConfigMapVolumeSource(name: "c"))])
        try await lab.manager.prepare(pod)
        let mount = try await lab.mount(pod)
        #expect(mount.readOnly && !mount.refusesLinks)
        #expect(readFile(mount.hostPath + "/a") == "1" && readFile(mount.hostPath + "/old") == "x")
        // A reader that follows ..data once sees one generation, whatever happens meanwhile.
        let path = mount.hostPath
        let counters = Counters()
        async let reading: Void = DiskFiles.perform {
            while !counters.stopped {
                let directory = open(path + "/..data", O_RDONLY | O_DIRECTORY)
                defer { close(directory) }
                let values = ["a", "b"].map { name -> [UInt8] in
                    let file = openat(directory, name, O_RDONLY)
                    defer { close(file) }
                    var bytes = [UInt8](repeating: 0, count: 16)
                    let count = read(file, &bytes, 16)
                    return count > 0 ? Array(bytes[..<count]) : []
                }
                // A generation may be removed under the reader's hands: then it finds nothing, never something else.
                if values[0] != values[1], !values.contains([]) { counters.count() }
            }
        }
        for round in 2...60 {
            try lab.put("c", ["a": "\(round)", "b": "\(round)", "new": "y"])
            #expect(try await lab.manager.writeFiles(pod.spec.volumes[0], pod, VolumeObjects(api: lab.api)))
        }
        counters.stop()
        await reading
        #expect(counters.counted == 0, "generations that were seen half")
        #expect(readFile(path + "/new") == "y" && readFile(path + "/a") == "60")
        #expect(access(path + "/old", F_OK) != 0)
        // One generation, one ..data, three links.
        #expect(DiskFiles.names(in: path).count == 5)
        #expect(try await !lab.manager.writeFiles(pod.spec.volumes[0], pod, VolumeObjects(api: lab.api)), "nothing changed")
    }

    private final class Counters: Sendable {
        private let state = Mutex((count: 0, stopped: false))
        var counted: Int { state.withLock(\.count) }
        var stopped: Bool { state.withLock(\.stopped) }
        func count() { state.withLock { $0.count += 1 } }
        func stop() { state.withLock { $0.stopped = true } }
    }

    @Test("an agent that died between two steps of a change leaves nothing that the next one trips over")
    func interrupted() async throws {
        let lab = try VolumeLab()
        try lab.put("c", ["a": "1"])
        let pod = lab.pod([Volume(name: "v", configMap: ConfigMapVolumeSource(name: "c"))])
        try await lab.manager.prepare(pod)
        let path = try await lab.mount(pod).hostPath
        mkdir(path + "/..g-dead", 0o755)
        symlink("..g-dead", path + "/..data_tmp")
        symlink("..data/a", path + "/..link_tmp")
        try lab.put("c", ["a": "2", "z": "3"])
        try await lab.manager.prepare(pod)
        #expect(readFile(path + "/a") == "2" && readFile(path + "/z") == "3")
        #expect(DiskFiles.names(in: path).filter { $0.hasPrefix("..g-") }.count == 1)
    }

    @Test("files that an agent before this layout left are replaced by links")
    func plainFilesBefore() async throws {
        let lab = try VolumeLab()
        try lab.put("c", ["a": "new"])
        let pod = lab.pod([Volume(name: "v", configMap: ConfigMapVolumeSource(name: "c"))])
        let path = lab.paths.volumes("uid-1") + "/v"
        try DiskFiles.makeDirectory(path)
        try DiskFiles.replace(path + "/a", with: Array("old".utf8))
        try DiskFiles.replace(path + "/gone", with: [])
        try await lab.manager.prepare(pod)
        #expect(readFile(path + "/a") == "new" && access(path + "/gone", F_OK) != 0)
    }

    @Test("a part of a volume keeps its contents while the rest changes, and the next container gets the new ones")
    func subPath() async throws {
        let lab = try VolumeLab()
        try lab.put("c", ["a": "1"])
        let pod = lab.pod([
            Volume(name: "v", configMap: ConfigMapVolumeSource(name: "c", items: [KeyToPath(key: "a", path: "dir/a")]))
        ]) {
            $0.spec.containers[0].volumeMounts[0].subPath = "dir"
        }
        try await lab.manager.prepare(pod)
        let first = try await lab.mount(pod)
        #expect(first.refusesLinks && readFile(first.hostPath + "/a") == "1")
        try lab.put("c", ["a": "2"])
        try await lab.manager.prepare(pod)
        #expect(readFile(first.hostPath + "/a") == "1")
        #expect(readFile(try await lab.mount(pod).hostPath + "/a") == "2")
    }

    @Test("secrets and their environment lie in memory alone, with their modes, and go with the pod")
    func secrets() async throws {
        let lab = try VolumeLab()
        try lab.put(secret: "s", ["key": "topsecret"])
        let source = SecretVolumeSource(secretName: "s", items: [KeyToPath(key: "key", path: "k", mode: 0o400)])
        let pod = lab.pod([Volume(name: "v", secret: source)]) {
            $0.spec.containers[0].env = [
                EnvVar(name: "K", valueFrom: EnvVarSource(secretKeyRef: KeySelector(name: "s", key: "key")))
            ]
        }
        try await lab.manager.prepare(pod)
        let mount = try await lab.mount(pod)
        #expect(mount.readOnly && mount.hostPath.hasPrefix("/dev/shm/"))
        #expect(readFile(mount.hostPath + "/k") == "topsecret" && lab.mode(mount.hostPath + "/k") == 0o400)
        #expect(
            try await lab.manager.environmentSources(for: pod.spec.containers[0], of: pod).secrets["s"]?["key"] == "topsecret")
        #expect(lab.grep("topsecret", below: lab.directory).isEmpty)
        try await lab.manager.clean(pod)
        #expect(DiskFiles.names(in: lab.memory).isEmpty)
    }

    @Test("a memory that the machine lost is filled again for a container that restarts")
    func lostMemory() async throws {
        let lab = try VolumeLab()
        try lab.put(secret: "s", ["key": "1"])
        let pod = lab.pod([Volume(name: "v", secret: SecretVolumeSource(secretName: "s"))])
        try await lab.manager.prepare(pod)
        try DiskFiles.removeTree(lab.memory)
        #expect(readFile(try await lab.mount(pod).hostPath + "/key") == "1")
    }

    @Test("fsGroup: files belong to the group, which may read them; scratch is the group's")
    func fsGroup() async throws {
        let lab = try VolumeLab()
        try lab.put(secret: "s", ["key": "1"])
        let pod = lab.pod([
            Volume(name: "v", secret: SecretVolumeSource(secretName: "s", defaultMode: 0o400)),
            Volume(name: "e", emptyDir: EmptyDirVolumeSource()),
        ]) { $0.spec.securityContext = PodSecurityContext(fsGroup: 2000) }
        try await lab.manager.prepare(pod)
        let mounts = try await lab.manager.mounts(pod.spec.containers[0], of: pod)
        var facts = stat()
        #expect(stat(mounts[0].hostPath + "/key", &facts) == 0 && facts.st_gid == 2000 && facts.st_mode & 0o7777 == 0o440)
        #expect(stat(mounts[1].hostPath, &facts) == 0 && facts.st_gid == 2000 && facts.st_mode & 0o7777 == 0o2777)
    }

    @Test("an optional source may be missing, and appears when it comes")
    func optional() async throws {
        let lab = try VolumeLab()
        let pod = lab.pod([
            Volume(
                name: "v", configMap: ConfigMapVolumeSource(name: "late", items: [KeyToPath(key: "a", path: "a")], optional: true)
            )
        ])
        try await lab.manager.prepare(pod)
        let path = try await lab.mount(pod).hostPath
        #expect(access(path + "/a", F_OK) != 0)
        try lab.put("late", ["a": "1"])
        try await lab.manager.prepare(pod)
        #expect(readFile(path + "/a") == "1")
    }

    @Test("a missing object or key is waited for; a bad path is not")
    func failures() async throws {
        let lab = try VolumeLab()
        func failure(_ source: ConfigMapVolumeSource) async -> StepFailure? {
            do throws(StepFailure) { try await lab.manager.prepare(lab.pod([Volume(name: "v", configMap: source)])) } catch {
                return error
            }
            return nil
        }
        let missing = await failure(ConfigMapVolumeSource(name: "none"))
        let noMap = #"MountVolume.SetUp failed for volume "v" : configmap "none" not found"#
        #expect(missing?.retriable == true && missing?.message == noMap)
        try lab.put("c", ["a": "1"])
        let key = await failure(ConfigMapVolumeSource(name: "c", items: [KeyToPath(key: "b", path: "b")]))
        let noKey = #"MountVolume.SetUp failed for volume "v" : configmap "c".items: references non-existent key: b"#
        #expect(key?.retriable == true && key?.message == noKey)
        let path = await failure(ConfigMapVolumeSource(name: "c", items: [KeyToPath(key: "a", path: "../b")]))
        #expect(path?.retriable == false && path?.message.contains("must not start with \"..\"") == true)
    }

    // MARK: Projected

    /// As the API server adds it to a pod.
    private func apiAccess() -> Volume {
        Volume(
            name: "kube-api-access-x",
            projected: ProjectedVolumeSource(
                sources: [
                    VolumeProjection(serviceAccountToken: ServiceAccountTokenProjection(expirationSeconds: 3607, path: "token")),
                    VolumeProjection(
                        configMap: SourceProjection(name: "kube-root-ca.crt", items: [KeyToPath(key: "ca.crt", path: "ca.crt")])),
                    VolumeProjection(
                        downwardAPI: DownwardAPIVolumeSource(items: [
                            DownwardAPIVolumeFile(
                                path: "namespace", fieldRef: ObjectFieldSelector(fieldPath: "metadata.namespace"))
                        ])),
                ], defaultMode: 0o644))
    }

    @Test(
        "the API's own volume: token, authority and namespace; the token is renewed before it ends, and kept when the server is away"
    )
    func token() async throws {
        let lab = try VolumeLab()
        try lab.put("kube-root-ca.crt", ["ca.crt": "CA"])
        try lab.api.put(ServiceAccount(metadata: ObjectMeta(name: "default", namespace: "alice")))
        let pod = lab.pod([apiAccess()])
        func renew() async throws -> Bool {
            try await lab.manager.writeFiles(pod.spec.volumes[0], pod, VolumeObjects(api: lab.api))
        }
        func requests() -> Int { lab.api.calls.count { $0.subresource == "token" } }
        try await lab.manager.prepare(pod)
        let path = try await lab.mount(pod).hostPath
        #expect(path.hasPrefix("/dev/shm/"))
        #expect(readFile(path + "/ca.crt") == "CA" && readFile(path + "/namespace") == "alice")
        let first = readFile(path + "/token")
        #expect(first?.isEmpty == false)
        // Another life of the agent asks for nothing anew.
        #expect(try await !renew() && requests() == 1)
        lab.clock.advance(seconds: 2860)
        #expect(try await !renew() && requests() == 1)
        lab.clock.advance(seconds: 40)
        lab.api.failNext(verb: .create, resource: ServiceAccount.resource)
        #expect(try await !renew() && readFile(path + "/token") == first)
        #expect(try await renew() && readFile(path + "/token") != first)
        #expect(requests() == 3)
    }

    @Test("a token belongs to the user that the containers run as")
    func tokenOwner() async throws {
        let lab = try VolumeLab()
        try lab.put("kube-root-ca.crt", ["ca.crt": "CA"])
        try lab.api.put(ServiceAccount(metadata: ObjectMeta(name: "default", namespace: "alice")))
        let pod = lab.pod([apiAccess()]) { $0.spec.securityContext = PodSecurityContext(runAsUser: 1000) }
        try await lab.manager.prepare(pod)
        var facts = stat()
        #expect(
            stat(try await lab.mount(pod).hostPath + "/token", &facts) == 0 && facts.st_uid == 1000
                && facts.st_mode & 0o7777 == 0o600)
    }

    @Test("labels and annotations as files follow the pod")
    func downward() async throws {
        let lab = try VolumeLab()
        let items = [
            DownwardAPIVolumeFile(path: "labels", fieldRef: ObjectFieldSelector(fieldPath: "metadata.labels")),
            DownwardAPIVolumeFile(
                path: "memory", resourceFieldRef: ResourceFieldSelector(containerName: "main", resource: "limits.memory"),
                mode: 0o400),
        ]
        var pod = lab.pod([Volume(name: "v", downwardAPI: DownwardAPIVolumeSource(items: items))])
        try await lab.manager.prepare(pod)
        let path = try await lab.mount(pod).hostPath
        #expect(readFile(path + "/labels") == "app=\"psi\"" && readFile(path + "/memory") == "1073741824")
        #expect(lab.mode(path + "/memory") == 0o400)
        pod.metadata.labels["more"] = "x"
        #expect(try await lab.manager.writeFiles(pod.spec.volumes[0], pod, VolumeObjects(api: lab.api)))
        #expect(readFile(path + "/labels") == "app=\"psi\"\nmore=\"x\"")
    }
}

extension VolumeLab {
    /// Files that hold the text.
    func grep(_ text: String, below directory: String) -> [String] {
        DiskFiles.names(in: directory).flatMap { name -> [String] in
            let path = "\(directory)/\(name)"
            if DiskFiles.isDirectory(path) { return grep(text, below: path) }
            return readFile(path)?.contains(text) == true ? [path] : []
        }
    }
}
