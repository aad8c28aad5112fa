// Options of the file system.

extension RunOption {
    static let fileSystem: [RunOption] = [
        RunOption(
            "--rootfs", takes: "DIR", .fileSystem,
            "an unpacked image as /; without it a read-only view of this machine's programs"
        ) {
            (options, text) throws(RunFailure) in
            options.root = .directory(try absolute(text, "--rootfs"))
        },
        RunOption("--rw-rootfs", .fileSystem, "the root file system may be written to (a host view: only its memory)") {
            options, _ in
            options.writableRoot = true
        },
        RunOption(
            "--bind", short: "-B", takes: "SRC[:DST][:ro|rw]", .fileSystem,
            "a file or directory of this machine; read-only unless :rw"
        ) {
            (options, text) throws(RunFailure) in
            options.binds.append(try bind(text))
        },
        RunOption("--tmpfs", takes: "PATH:SIZE", .fileSystem, "an empty writable directory in memory") {
            (options, text) throws(RunFailure) in
            options.tmpfs.append(try tmpfs(text))
        },
        RunOption("--tmp-size", takes: "SIZE", .fileSystem, "of /tmp, in memory (64Mi)") { (options, text) throws(RunFailure) in
            options.temporaryBytes = try RunAmount.bytes(text, "--tmp-size")
        },
        RunOption("--shm-size", takes: "SIZE", .fileSystem, "of /dev/shm, in memory (64Mi)") {
            (options, text) throws(RunFailure) in
            options.sharedMemoryBytes = try RunAmount.bytes(text, "--shm-size")
        },
        RunOption("--workdir", short: "-w", takes: "PATH", .fileSystem, "working directory inside (/)") {
            (options, text) throws(RunFailure) in
            options.workingDirectory = try inside(text, "--workdir")
        },
    ]

    private static func bind(_ text: String) throws(RunFailure) -> RunOptions.Bind {
        var parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        var readOnly = true
        if parts.count > 1, let last = parts.last, last == "ro" || last == "rw" {
            readOnly = last == "ro"
            parts.removeLast()
        }
        guard parts.count <= 2, let source = parts.first, !source.isEmpty else {
            throw RunFailure(
                field: "--bind", found: RunAmount.shown(text), expected: "SRC, SRC:DST or SRC:DST:rw",
                hint: "a path that holds a colon cannot be given this way: bind its parent directory")
        }
        let from = try absolute(source, "--bind")
        return RunOptions.Bind(source: from, path: parts.count == 2 ? try inside(parts[1], "--bind") : from, readOnly: readOnly)
    }

    private static func tmpfs(_ text: String) throws(RunFailure) -> RunOptions.Tmpfs {
        guard let colon = text.lastIndex(of: ":") else {
            throw RunFailure(field: "--tmpfs", found: RunAmount.shown(text), expected: "PATH:SIZE, for example /scratch:256Mi")
        }
        return RunOptions.Tmpfs(
            path: try inside(String(text[..<colon]), "--tmpfs"),
            bytes: try RunAmount.bytes(String(text[text.index(after: colon)...]), "--tmpfs"))
    }

    /// A path of this machine: relative ones count from the working directory.
    static func absolute(_ path: String, _ field: String) throws(RunFailure) -> String {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw RunFailure(field: field, found: "an empty path", expected: "a path of this machine")
        }
        return RunPath.absolute(path)
    }

    /// A file of this machine that is to be written: never behind a link of its own name.
    static func place(_ path: String, _ field: String) throws(RunFailure) -> String {
        _ = try absolute(path, field)
        return RunPath.place(path)
    }

    /// A path inside the sandbox: absolute, cleaned of "." and doubled slashes; ".." has no place in it.
    static func inside(_ path: String, _ field: String) throws(RunFailure) -> String {
        guard path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
            throw RunFailure(
                field: field, found: RunAmount.shown(path), expected: "an absolute path inside the sandbox, without '..'")
        }
        return RunPath.cleaned(path)
    }
}
