// pause, resume, update, events and ps: all through the container's groups.

import CLinux
import Glibc
import JSON

extension ContainerLifecycle {
    public func pause(_ id: String) throws(OCIError) {
        let container = try directory.load(id)
        switch directory.status(of: container) {
        case .running, .created: try CgroupFreezer(container.cgroups).set(frozen: true)
        default: throw .conflict("container not running or created: \(directory.status(of: container).rawValue)")
        }
    }

    public func resume(_ id: String) throws(OCIError) {
        let container = try directory.load(id)
        guard directory.status(of: container) == .paused else { throw .conflict("container not paused") }
        try CgroupFreezer(container.cgroups).set(frozen: false)
    }

    public func update(_ id: String, _ resources: ResourceSpecification) throws(OCIError) {
        let lock = try directory.lock(id)
        defer { withExtendedLifetime(lock) {} }
        var container = try directory.load(id)
        guard directory.status(of: container) != .stopped else { throw .conflict("container not running") }
        var resources = resources
        // Memory and swap together are never below memory: without a limit of the one the other's would be in its way (runc's rule).
        let limitsSwap = container.cgroups.contains { place in
            ["memory.memsw.limit_in_bytes", "memory.swap.max"].contains { HostFile.exists("\(place.directory)/\($0)") }
        }
        if resources.memory.limit == -1, resources.memory.swap == nil, limitsSwap { resources.memory.swap = -1 }
        try join(&container, try resources.settings { container.cgroups.holding($0)?.version == 2 })
        let places = container.cgroups
        var settings = try resources.settings { places.holding($0)?.version == 2 }
        // The pair of v1's memory limits has to stay consistent in between: raise the sum first, lower it last.
        if let swap = settings.firstIndex(where: { $0.file == "memory.memsw.limit_in_bytes" }),
            let limit = settings.firstIndex(where: { $0.file == "memory.limit_in_bytes" }), let memory = places.holding("memory"),
            let now = HostFile.text("\(memory.directory)/memory.memsw.limit_in_bytes").flatMap({ Int64($0.prefix { $0 != "\n" }) }
            ),
            let wanted = Int64(settings[swap].value), wanted < 0 || wanted > now
        {
            settings.swapAt(swap, limit)
        }
        try CgroupDirectories.apply(settings, to: places)
        if !resources.devices.isEmpty, places.contains(where: { $0.controllers.contains("devices") && $0.version == 1 }) {
            try CgroupDirectories.apply(
                resources.effectiveDeviceRules().map { $0.version1(field: "devices") }, to: places)
        }
    }

    /// Hierarchies that `create` was not asked for: the container gets a group there as its others are, and its processes move.
    private func join(_ container: inout ContainerRecord, _ settings: [CgroupSetting]) throws(OCIError) {
        let missing = Set(settings.map(\.controller).filter { container.cgroups.holding($0) == nil })
        if missing.isEmpty { return }
        let path = try directory.loadConfiguration(container.id).linux.cgroupsPath
        let known = Set(container.cgroups.map(\.mount))
        let places = try CgroupLayout.places(path: path, id: container.id, needed: missing, hierarchies: CgroupHierarchy.all())
            .filter { !known.contains($0.mount) && !missing.isDisjoint(with: $0.controllers) }
        if places.isEmpty { return }
        // The intent before the effect: by the record a delete finds them.
        let before = container
        container.cgroups += places
        container.createdCgroups += CgroupDirectories.missing(places)
        try directory.save(container)
        do {
            _ = try CgroupDirectories.make(places, controllers: missing)
            try CgroupDirectories.move(from: before.cgroups, to: places)
        } catch {
            CgroupDirectories.remove(container.createdCgroups.filter { !before.createdCgroups.contains($0) }, patiently: false)
            container = before
            try directory.save(container)
            throw error
        }
    }

    public func processes(_ id: String) throws(OCIError) -> [Int32] {
        CgroupDirectories.processes(try directory.load(id).cgroups)
    }

    /// One line of `events --stats`, in the shape that runc's readers know.
    public func statistics(_ id: String) throws(OCIError) -> JSONValue {
        let container = try directory.load(id)
        guard directory.status(of: container) != .stopped else { throw .conflict("container with id \(id) is not running") }
        return .object(
            JSONObject([("type", "stats"), ("id", .string(id)), ("data", CgroupStatistics(container.cgroups).document())]))
    }
}
