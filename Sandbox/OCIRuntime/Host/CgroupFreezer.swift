// Pausing: v1's freezer hierarchy, or v2's cgroup.freeze.

import Glibc

struct CgroupFreezer {
    private let file: String?
    private let isVersion2: Bool

    init(_ places: [CgroupPlace]) {
        let freezer = places.first { $0.version == 1 && $0.controllers.contains("freezer") }
        let unified = places.first { $0.version == 2 }
        isVersion2 = freezer == nil
        file = freezer.map { "\($0.directory)/freezer.state" } ?? unified.map { "\($0.directory)/cgroup.freeze" }
    }

    var isFrozen: Bool {
        guard let text = file.flatMap({ HostFile.text($0) }) else { return false }
        return isVersion2 ? text.hasPrefix("1") : !text.hasPrefix("THAWED")
    }

    /// Also because a group above is frozen, which v1 tells in the same file.
    var standsStill: Bool {
        if isFrozen { return true }
        guard isVersion2, let events = file.flatMap({ HostFile.text($0.replacingLastComponent("cgroup.events")) }) else { return false }
        return events.contains("frozen 1")
    }

    func set(frozen: Bool) throws(OCIError) {
        guard let file else { throw .unsupported(field: "pause", reason: "this machine has no freezer cgroup for the container") }
        let value = isVersion2 ? (frozen ? "1" : "0") : (frozen ? "FROZEN" : "THAWED")
        let code = HostFile.writeOnce(file, value)
        guard code == 0 else { throw .system(stage: "write", errno: code, subject: file) }
        guard frozen else { return }
        // v1 freezes in the background and may need to be told again; two seconds are plenty for what can be frozen at all.
        for _ in 0..<400 {
            let done =
                isVersion2
                ? HostFile.text(file.replacingLastComponent("cgroup.events"))?.contains("frozen 1") == true
                : HostFile.text(file)?.hasPrefix("FROZEN") == true
            if done { return }
            if !isVersion2 { _ = HostFile.writeOnce(file, value) }
            usleep(5000)
        }
        _ = HostFile.writeOnce(file, isVersion2 ? "0" : "THAWED")
        throw .system(stage: "freeze", errno: EBUSY, subject: file)
    }
}

extension String {
    func replacingLastComponent(_ name: String) -> String {
        guard let slash = lastIndex(of: "/") else { return name }
        return self[...slash] + name
    }
}
