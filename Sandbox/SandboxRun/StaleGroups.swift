// Groups that a launcher left which was itself killed (SIGKILL, a crash of the machine's agent): nobody was there to
// remove them, so the next run does.
import Cgroups
import Glibc

enum StaleGroups {
    static let prefix = "swiftlet-run-"
    /// A group this young may be about to be joined by a process that another pid namespace numbers differently.
    static let minimumAgeSeconds = 60

    /// Removes empty groups of runs that are over. What is busy or not ours stays, without a word.
    static func sweep(_ host: CgroupHost, minimumAgeSeconds: Int = StaleGroups.minimumAgeSeconds) {
        let bases = Set(host.hierarchies.values.map(\.path)).union(host.unified.map { [$0] } ?? [])
        // A run has groups only where its limits need them.
        for base in bases {
            for name in names(in: base) {
                guard let pid = Int32(name.dropFirst(prefix.count)), pid > 0, kill(pid, 0) != 0, errno == ESRCH,
                    age("\(base)/\(name)") >= minimumAgeSeconds
                else { continue }
                rmdir("\(base)/\(name)")
            }
        }
    }

    private static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(prefix) { names.append(name) }
        }
        return names
    }

    /// Seconds since it was made or changed; -1 when it is gone.
    private static func age(_ path: String) -> Int {
        var info = stat()
        return stat(path, &info) == 0 ? time(nil) - info.st_ctim.tv_sec : -1
    }
}
