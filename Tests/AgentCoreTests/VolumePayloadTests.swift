// The files of volumes that are made of objects: names, keys, modes; and which of them are looked at again.
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("volume payloads")
struct VolumePayloadTests {
    private func file(_ path: String, mode: Int = 0o644) -> VolumeFile { VolumeFile(path: path, bytes: [1], mode: mode) }

    @Test(
        "a path that could leave the volume, or is the layout's own, is refused",
        arguments: [
            "", "/a", "..", "../a", "a/../b", "..data", "..2026", "a/..", ".", "./.", String(repeating: "x", count: 256), "a\0b",
            String(repeating: "a/", count: 2049),
        ])
    func refused(_ path: String) {
        var payload = VolumePayload()
        #expect(throws: VolumeError.self) { try payload.add(file(path), "volume v") }
        #expect(payload.files.isEmpty)
    }

    @Test("names that merely look so are not", arguments: ["a", "a/b", ".hidden", "a..b", "a/..b", "...", "a/./b"])
    func accepted(_ path: String) throws {
        // "..." begins with "..": the layout's.
        var payload = VolumePayload()
        if path == "..." {
            #expect(throws: VolumeError.self) { try payload.add(file(path), "v") }
        } else {
            try payload.add(file(path), "v")
            #expect(payload.files.count == 1)
        }
    }

    @Test("a mode beyond permission bits is refused", arguments: [-1, 0o1000, 0o4755])
    func mode(_ mode: Int) {
        var payload = VolumePayload()
        #expect(throws: VolumeError.self) { try payload.add(file("a", mode: mode), "v") }
    }

    @Test("a later source of the same path wins; a file cannot be another's directory")
    func collisions() throws {
        var payload = VolumePayload()
        try payload.add(VolumeFile(path: "a/x", bytes: [1], mode: 0o644), "v")
        try payload.add(VolumeFile(path: "a//x", bytes: [2], mode: 0o600), "v")
        #expect(payload.files == [VolumeFile(path: "a/x", bytes: [2], mode: 0o600)])
        #expect(throws: VolumeError.self) { try payload.add(file("a"), "v") }
        #expect(throws: VolumeError.self) { try payload.add(file("a/x/y"), "v") }
        try payload.add(file("ax"), "v")
        #expect(payload.topNames == ["a", "ax"])
    }

    @Test("all keys, or those that items name with their paths and modes")
    func keys() throws {
        let keys: [String: [UInt8]] = ["one": [1], "two": [2]]
        var all = VolumePayload()
        try all.add(keys: keys, items: [], defaultMode: 0o400, optional: false, "v")
        #expect(all.files.map(\.path) == ["one", "two"] && all.files.allSatisfy { $0.mode == 0o400 })
        var chosen = VolumePayload()
        let items = [KeyToPath(key: "two", path: "deep/er/2", mode: 0o440)]
        try chosen.add(keys: keys, items: items, defaultMode: 0o400, optional: false, "v")
        #expect(chosen.files == [VolumeFile(path: "deep/er/2", bytes: [2], mode: 0o440)])
    }

    @Test("a key that is not there is refused by name, unless the source is optional")
    func missingKey() throws {
        var payload = VolumePayload()
        let items = [KeyToPath(key: "none", path: "x")]
        let error = #expect(throws: VolumeError.self) {
            try payload.add(keys: [:], items: items, defaultMode: 0o644, optional: false, "volume v")
        }
        #expect(error?.description == "volume v.items: references non-existent key: none")
        try payload.add(keys: [:], items: items, defaultMode: 0o644, optional: true, "volume v")
        #expect(payload.files.isEmpty)
    }

    @Test("fsGroup makes every file readable for the group, and no file writable")
    func group() throws {
        var payload = VolumePayload()
        try payload.add(file("a", mode: 0o400), "v")
        payload.readableByGroup()
        #expect(payload.files[0].mode == 0o440)
    }

    // MARK: Again

    @Test("only what a container mounts as a whole is looked at again")
    func refresh() {
        var pod = makePod()
        pod.spec.volumes = [
            Volume(name: "whole", configMap: ConfigMapVolumeSource(name: "c")),
            Volume(name: "part", configMap: ConfigMapVolumeSource(name: "c")),
            Volume(name: "scratch", emptyDir: EmptyDirVolumeSource()),
            Volume(name: "unused", secret: SecretVolumeSource(secretName: "s")),
        ]
        pod.spec.containers[0].volumeMounts = [
            VolumeMount(name: "whole", mountPath: "/w"), VolumeMount(name: "part", mountPath: "/p", subPath: "key"),
            VolumeMount(name: "scratch", mountPath: "/s"),
        ]
        #expect(VolumeRefresh.volumes(of: pod).map(\.name) == ["whole"])
        #expect(VolumeRefresh.references(of: pod.spec.volumes[0], pod) == [.init(kind: .configMap, key: "alice/c")])
    }

    @Test(
        "a token is renewed at four fifths of its life, or after a day, and not with all others at once",
        arguments: [(3600, 2880), (600, 480), (7 * 86_400, 86_400)] as [(Int64, Int64)])
    func tokenLife(_ seconds: Int64, _ expected: Int64) {
        let life = ServiceAccountTokenLife(issuedAt: 1000, expiresAt: 1000 + seconds)
        let times = Set((0..<100).map { life.refreshAt(seed: StableHash.of("pod-\($0)")) })
        #expect(times.allSatisfy { $0 <= 1000 + expected && $0 > 1000 + expected - 10 })
        #expect(times.count > 5)
    }
}

@Suite("fields and resources of a pod as files")
struct FieldReferenceTests {
    private var pod: Pod {
        var pod = makePod(limits: ["memory": Quantity(bytes: 64 << 20)])
        pod.metadata.annotations = ["b": "two\nlines \"quoted\" \\ \t\u{1}", "a": "é\u{200B}"]
        return pod
    }

    @Test("maps are lines of key=\"value\", sorted, quoted as Go does")
    func maps() throws {
        let fields = FieldReference(pod: pod, podIP: "10.0.0.7", hostIP: "10.0.0.8")
        #expect(try fields.file("metadata.annotations") == "a=\"é\\u200b\"\nb=\"two\\nlines \\\"quoted\\\" \\\\ \\t\\x01\"")
        #expect(try fields.file("metadata.labels") == "app=\"psi\"")
        #expect(try fields.file("metadata.labels['app']") == "psi")
        #expect(try fields.file("metadata.uid") == "uid-1")
    }

    @Test("what changes with the node is for variables alone, maps for files alone")
    func kinds() throws {
        let fields = FieldReference(pod: pod, podIP: "10.0.0.7", hostIP: "10.0.0.8")
        #expect(try fields.variable("status.hostIP") == "10.0.0.8")
        #expect(throws: ReferenceError.self) { try fields.variable("metadata.labels") }
        #expect(throws: ReferenceError.self) { try fields.file("status.podIP") }
        #expect(throws: ReferenceError.self) { try fields.file("metadata.labels['']x") }
    }

    @Test("a file's resource must name its container; an unlimited one has what the node has")
    func resources() throws {
        let resources = ResourceReference(pod: pod, allocatable: PodResources(cpuMillis: 4000, memoryBytes: 1 << 30))
        func value(_ name: String, _ container: String?, divisor: Quantity? = nil) throws -> String {
            try resources.value(ResourceFieldSelector(containerName: container, resource: name, divisor: divisor), own: nil)
        }
        let name = pod.spec.containers[0].name
        #expect(try value("limits.memory", name, divisor: Quantity(bytes: 1 << 20)) == "64")
        #expect(try value("limits.cpu", name) == "4")
        #expect(throws: ReferenceError.self) { try value("limits.cpu", nil) }
        #expect(throws: ReferenceError.self) { try value("limits.cpu", "none") }
        #expect(throws: ReferenceError.self) { try value("limits.gpu", name) }
        #expect(throws: ReferenceError.self) { try value("cpu", name) }
    }
}
