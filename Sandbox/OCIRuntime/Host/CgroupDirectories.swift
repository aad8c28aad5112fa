// Making, filling, reading and removing a container's groups.

import CLinux
import Glibc

enum CgroupDirectories {
    private static let attempts = 20

    /// Makes every place with what lies above it; returns the directories that were not there before, outermost first.
    static func make(_ places: [CgroupPlace], controllers: Set<String>) throws(OCIError) -> [String] {
        var made: [String] = []
        for place in places {
            // Another container's end may remove the groups above, which it made, between two steps of ours.
            for attempt in 1...attempts {
                do throws(OCIError) {
                    try make(place, controllers: controllers, made: &made)
                    break
                } catch {
                    if attempt < attempts, case .system(_, ENOENT, _) = error { continue }
                    remove(made)
                    throw error
                }
            }
        }
        return made
    }

    /// What `make` would have to make, outermost first.
    static func missing(_ places: [CgroupPlace]) -> [String] {
        var missing: [String] = []
        for place in places {
            var path = place.mount
            for part in place.group.split(separator: "/") {
                path += "/\(part)"
                if !missing.contains(path), !HostFile.exists(path) { missing.append(path) }
            }
        }
        return missing
    }

    private static func make(_ place: CgroupPlace, controllers: Set<String>, made: inout [String]) throws(OCIError) {
        if place.version == 1, mkdir(place.directory, 0o755) == 0 {
            // Nearly always the group's parent is there already: one call.
            made.append(place.directory)
            if place.controllers.contains("cpuset") { try fillCpuset(place, from: place.mount) }
            return
        }
        var path = place.mount
        for part in place.group.split(separator: "/") {
            if place.version == 2 { enable(controllers, in: path) }
            path += "/\(part)"
            if mkdir(path, 0o755) == 0 {
                made.append(path)
            } else if errno != EEXIST {
                throw .system("mkdir", path)
            }
            if place.controllers.contains("cpuset"), place.version == 1 { try fillCpuset(path) }
        }
    }

    /// A v1 cpuset starts empty and takes nobody before it has CPUs and memory nodes.
    private static func fillCpuset(_ place: CgroupPlace, from mount: String) throws(OCIError) {
        var path = mount
        for part in place.group.split(separator: "/") {
            path += "/\(part)"
            try fillCpuset(path)
        }
    }

    private static func fillCpuset(_ path: String) throws(OCIError) {
        for file in ["cpuset.cpus", "cpuset.mems"] {
            guard HostFile.text("\(path)/\(file)").map({ $0 == "\n" || $0.isEmpty }) ?? false else { continue }
            let above = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
            guard let parent = HostFile.text("\(above)/\(file)") else { continue }
            let code = HostFile.writeOnce("\(path)/\(file)", String(parent.prefix { $0 != "\n" }))
            guard code == 0 else { throw .system(stage: "write", errno: code, subject: "\(path)/\(file)") }
        }
    }

    /// v2: controllers are handed down level by level. What cannot be handed down shows when its file is missing.
    private static func enable(_ controllers: Set<String>, in directory: String) {
        let available = Set(
            (HostFile.text("\(directory)/cgroup.controllers") ?? "").split(whereSeparator: \.isWhitespace).map(String.init))
        let enabled = Set(
            (HostFile.text("\(directory)/cgroup.subtree_control") ?? "").split(whereSeparator: \.isWhitespace).map(String.init))
        for name in available.intersection(controllers).subtracting(enabled).sorted() {
            _ = HostFile.writeOnce("\(directory)/cgroup.subtree_control", "+\(name)")
        }
    }

    /// Innermost first. A group whose last member has just ended may need a moment; one that others use stays.
    static func remove(_ directories: [String], patiently: Bool = true) {
        for directory in directories.reversed() {
            // What lies above the container's own group may have others' below it: new and still empty, they are not ours to remove.
            let isAbove = directories.contains { $0.hasPrefix(directory + "/") }
            for attempt in 0..<(patiently && !isAbove ? 200 : 1) {
                if rmdir(directory) == 0 || errno != EBUSY { break }
                if isAbove { break }
                // Groups that the container made below its own go with it.
                if attempt == 0 { removeBelow(directory) }
                usleep(attempt < 20 ? 500 : 5000)
            }
        }
    }

    private static func removeBelow(_ directory: String) {
        for name in HostFile.entries(directory, onlyDirectories: true) {
            removeBelow("\(directory)/\(name)")
            rmdir("\(directory)/\(name)")
        }
    }

    /// Everybody, those born on the way too: looked for again until nobody new is found.
    static func move(from places: [CgroupPlace], to others: [CgroupPlace]) throws(OCIError) {
        var moved: Set<Int32> = []
        for _ in 0..<50 {
            let new = Set(processes(places)).subtracting(moved)
            if new.isEmpty { return }
            for pid in new {
                for place in others {
                    let code = HostFile.writeOnce("\(place.directory)/cgroup.procs", "\(pid)")
                    guard code == 0 || code == ESRCH else {
                        throw .system(stage: "move process \(pid) to", errno: code, subject: place.directory)
                    }
                }
            }
            moved.formUnion(new)
        }
    }

    // MARK: Settings

    static func apply(_ settings: [CgroupSetting], to places: [CgroupPlace]) throws(OCIError) {
        do { try write(settings, to: places) } catch {
            // v1: a shorter period with the quota of before may be more than the group above has (runc does the same).
            guard let period = settings.firstIndex(where: { $0.file == "cpu.cfs_period_us" }),
                let quota = settings.firstIndex(where: { $0.file == "cpu.cfs_quota_us" }), period < quota,
                case .invalid(settings[period].field, _) = error
            else { throw error }
            var others = settings
            others.swapAt(period, quota)
            try write(others, to: places)
        }
    }

    private static func write(_ settings: [CgroupSetting], to places: [CgroupPlace]) throws(OCIError) {
        for setting in settings {
            guard let place = places.holding(setting.controller) else {
                if setting.isOptional { continue }
                throw .unsupported(field: setting.field, reason: "this machine has no \(setting.controller) cgroup controller")
            }
            // "a|b": the first file that exists.
            let names = setting.file.split(separator: "|").map(String.init)
            guard
                let file = names.map({ "\(place.directory)/\($0)" }).first(where: {
                    names.count == 1 && !setting.isOptional || HostFile.exists($0)
                })
            else {
                if setting.isOptional { continue }
                throw .unsupported(field: setting.field, reason: Self.isMissing(names[0], setting))
            }
            for line in setting.value.split(separator: "\n", omittingEmptySubsequences: false) {
                let code = HostFile.writeOnce(file, String(line))
                if code == ENOENT { throw .unsupported(field: setting.field, reason: Self.isMissing(names[0], setting)) }
                guard code == 0 else {
                    throw .invalid(field: setting.field, reason: "\(file) did not take \"\(line)\": \(OCIError.text(code))")
                }
            }
        }
    }

    private static func isMissing(_ file: String, _ setting: CgroupSetting) -> String {
        setting.controller == "unified"
            ? "invalid configuration: version 2 of cgroups has no \(file) here" : "this kernel has no \(file)"
    }

    /// The group by which its members are found.
    private static func members(_ places: [CgroupPlace]) -> CgroupPlace? {
        places.first { $0.controllers.contains("pids") } ?? places.first
    }

    /// By the kernel at once, those being born included (cgroup.kill, Linux 5.14); false where that cannot be asked for.
    static func killAll(_ places: [CgroupPlace]) -> Bool {
        guard let place = members(places), place.version == 2 else { return false }
        return HostFile.writeOnce("\(place.directory)/cgroup.kill", "1") == 0
    }

    /// The processes of the container, those in groups below included.
    static func processes(_ places: [CgroupPlace]) -> [Int32] {
        guard let place = members(places) else { return [] }
        var found: [Int32] = []
        var pending = [place.directory]
        while let directory = pending.popLast() {
            found += (HostFile.text("\(directory)/cgroup.procs") ?? "").split(separator: "\n").compactMap { Int32($0) }
            pending += HostFile.entries(directory, onlyDirectories: true).map { "\(directory)/\($0)" }
        }
        return found
    }
}

extension [CgroupPlace] {
    func holding(_ controller: String) -> CgroupPlace? {
        if controller == "unified" { return first { $0.version == 2 } }
        return first { $0.version == 1 && $0.controllers.contains(controller) }
            ?? first { $0.version == 2 && ($0.controllers.contains(controller) || controller == "devices") }
    }
}
