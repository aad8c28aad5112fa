// A container's groups from its configuration: places, limits, the device list.

import CLinux

struct ContainerCgroups {
    private let linux: LinuxSpecification
    private let id: String
    private let hierarchies: [CgroupHierarchy]

    init(_ linux: LinuxSpecification, id: String, hierarchies: [CgroupHierarchy] = CgroupHierarchy.all()) {
        self.linux = linux
        self.id = id
        self.hierarchies = hierarchies
    }

    /// Nothing is asked for but the device list, which a user namespace makes moot: nobody in it can make or open a device.
    var isWithoutLimits: Bool {
        guard let settings = try? settings() else { return false }
        return settings.isEmpty
    }

    func isVersion2(_ controller: String) -> Bool { hierarchies.holding(controller)?.version == 2 || hierarchies.isPureVersion2 }

    func settings() throws(OCIError) -> [CgroupSetting] { try linux.resources.settings(isVersion2: isVersion2) }

    func places() throws(OCIError) -> [CgroupPlace] {
        let needed = Set(try settings().map(\.controller))
        return try CgroupLayout.places(path: linux.cgroupsPath, id: id, needed: needed, hierarchies: hierarchies)
    }

    /// Returns the directories that were not there before.
    func make(_ places: [CgroupPlace]) throws(OCIError) -> [String] {
        let wanted = Set(try settings().map(\.controller)).union(["memory", "cpu", "pids", "io", "cpuset"])
        return try CgroupDirectories.make(places, controllers: wanted)
    }

    /// A group that was there before must have nobody in it, whom limits and `delete` would meet too, and must not be frozen: what joined it would
    /// stand still, and whoever starts it with it. runc refuses both.
    func checkUnused(_ places: [CgroupPlace], made: [String]) throws(OCIError) {
        let old = places.filter { !made.contains($0.directory) }
        for place in old {
            guard let member = CgroupDirectories.processes([place]).first else { continue }
            throw .conflict("container's cgroup is not empty: \(place.directory) holds process \(member)")
        }
        if CgroupFreezer(places).standsStill { throw .conflict("container's cgroup unexpectedly frozen") }
    }

    /// Before the first process is in: every limit holds from the first instruction on.
    func limit(_ places: [CgroupPlace]) throws(OCIError) {
        try CgroupDirectories.apply(try settings(), to: places)
        let rules = linux.resources.effectiveDeviceRules()
        if places.contains(where: { $0.version == 1 && $0.controllers.contains("devices") }) {
            let field = "linux.resources.devices"
            try CgroupDirectories.apply(rules.map { $0.version1(field: field) }, to: places)
        } else if let unified = places.first(where: { $0.version == 2 }), !rules.isEmpty, rules != [DeviceProgram.everything] {
            try DeviceProgram(rules).attach(to: unified.directory)
        }
    }
}
