// Devices that a node offers, by a pattern of paths: "/dev/nvidia[0-9]*".
import Glibc

public enum DeviceFiles {
    /// Paths that match, in order; none when nothing does.
    public static func matching(_ pattern: String) -> [String] {
        var found = glob_t()
        defer { globfree(&found) }
        guard glob(pattern, GLOB_NOSORT, nil, &found) == 0 else { return [] }
        return (0..<Int(found.gl_pathc)).compactMap { found.gl_pathv[$0].map { String(cString: $0) } }.sorted()
    }
}
