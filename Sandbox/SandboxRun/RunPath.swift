// Paths of this machine as the launcher wants them: absolute, without "." and "..", links resolved where that matters.
import Glibc

enum RunPath {
    /// The file's own name when it exists (links followed), else the cleaned absolute path.
    static func absolute(_ path: String) -> String {
        if let real = realpath(path, nil) {
            defer { free(real) }
            return String(cString: real)
        }
        if path.hasPrefix("/") { return cleaned(path) }
        guard let here = getcwd(nil, 0) else { return cleaned("/" + path) }
        defer { free(here) }
        return cleaned(String(cString: here) + "/" + path)
    }

    /// As `absolute`, but the last name stays as it is: for a file to write, where a link that somebody left must not decide which.
    static func place(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return absolute(".") + "/" + path }
        let name = path[path.index(after: slash)...]
        return name.isEmpty || name == "." || name == ".."
            ? absolute(path) : cleaned(absolute(String(path[...slash])) + "/" + name)
    }

    static func cleaned(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func isDirectory(_ path: String) -> Bool {
        var info = stat()
        return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFDIR
    }

    static func isExecutable(_ path: String) -> Bool { access(path, X_OK) == 0 && !isDirectory(path) }

    static func below(_ path: String, _ ancestor: String) -> Bool {
        ancestor == "/" || path == ancestor || path.hasPrefix(ancestor + "/")
    }
}
