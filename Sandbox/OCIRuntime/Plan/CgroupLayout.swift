// Where a container's groups lie: cgroupsPath applied to each hierarchy that it joins.

/// One directory of the container, in one hierarchy.
struct CgroupPlace: Sendable, Hashable {
    var version: Int
    /// The first controller, or "unified".
    var controller: String
    var controllers: [String]
    var mount: String
    /// Below the mount, with a leading slash.
    var group: String

    var directory: String { mount + group }
}

enum CgroupLayout {
    /// Always joined where they exist: accounting, the process limit, the device list and pausing.
    static let always: Set<String> = ["memory", "cpu", "cpuacct", "pids", "devices", "freezer"]

    private static let deepest = 32
    private static let longest = 1024

    /// An absolute path counts from the mount point; a relative one, and the default (the id), from this process's own group.
    /// Refused: components that lead elsewhere ("..") and the root group itself.
    static func places(
        path: String?, id: String, needed: Set<String>, hierarchies: [CgroupHierarchy]
    ) throws(OCIError) -> [CgroupPlace] {
        let wanted = path ?? id
        let field = "linux.cgroupsPath"
        guard !wanted.contains(":") else {
            throw .unsupported(
                field: field, reason: "\"\(wanted)\" is in systemd's form; this runtime writes to the cgroup file system")
        }
        let parts = wanted.split(separator: "/")
        guard !parts.contains(".."), !parts.contains("."), !parts.isEmpty else {
            throw .invalid(field: field, reason: "expected a path below the hierarchy's root without \"..\", found \"\(wanted)\"")
        }
        // Made one by one: a path that the kernel refuses at its end would leave a thousand nested groups, and slow the machine.
        guard parts.count <= deepest, wanted.utf8.count <= longest else {
            throw .invalid(
                field: field,
                reason: "has \(parts.count) levels and \(wanted.utf8.count) bytes; at most \(deepest) and \(longest) are accepted"
            )
        }
        let suffix = "/" + parts.joined(separator: "/")
        let isPure = hierarchies.isPureVersion2
        var places: [CgroupPlace] = []
        for hierarchy in hierarchies {
            let carries = Set(hierarchy.controllers)
            let wantsIt =
                hierarchy.version == 2
                ? isPure || !carries.isDisjoint(with: needed.subtracting(version1(hierarchies))) || needed.contains("unified")
                : !carries.isDisjoint(with: always.union(needed))
            guard wantsIt else { continue }
            let base =
                wanted.hasPrefix("/") || hierarchy.ownGroup == "/" || hierarchy.ownGroup.hasPrefix("/..")
                ? "" : hierarchy.ownGroup
            places.append(
                CgroupPlace(
                    version: hierarchy.version, controller: hierarchy.version == 2 ? "unified" : hierarchy.controllers[0],
                    controllers: hierarchy.controllers, mount: hierarchy.mount, group: base + suffix))
        }
        return places
    }

    private static func version1(_ hierarchies: [CgroupHierarchy]) -> Set<String> {
        Set(hierarchies.filter { $0.version == 1 }.flatMap(\.controllers))
    }
}
