// Paths inside a container: lexically cleaned, as the launcher's grammar wants them.

enum ContainerPath {
    /// Without ".", "..", doubled and trailing slashes; always absolute. Symbolic links are the launcher's affair: it opens
    /// every destination beneath the root.
    static func clean(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    /// `path`, taken relative to `directory` when it is not absolute.
    static func absolute(_ path: String, in directory: String) -> String {
        clean(path.hasPrefix("/") ? path : "\(directory)/\(path)")
    }
}
