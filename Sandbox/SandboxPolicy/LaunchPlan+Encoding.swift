// Operations as words, words as printable bytes.

enum PlanWord {
    private static let hex = Array("0123456789ABCDEF".utf8)

    /// Percent-encodes whatever is not printable ASCII, and `%` and `"`; the empty word is `""`.
    static func append(_ word: [UInt8], to bytes: inout [UInt8]) {
        if word.isEmpty {
            bytes += [UInt8(ascii: "\""), UInt8(ascii: "\"")]
            return
        }
        for byte in word {
            if byte > 0x20, byte < 0x7f, byte != UInt8(ascii: "%"), byte != UInt8(ascii: "\"") {
                bytes.append(byte)
            } else {
                bytes += [UInt8(ascii: "%"), hex[Int(byte >> 4)], hex[Int(byte & 15)]]
            }
        }
    }

    static func hexadecimal(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            text.append(hex[Int(byte >> 4)])
            text.append(hex[Int(byte & 15)])
        }
        return text
    }
}

extension LaunchOperation {
    /// The operation's name and its arguments, not yet encoded.
    var words: [[UInt8]] {
        if case .file(let path, let mode, let contents) = self {
            return [Array("file".utf8), Array(path.utf8), Array(String(mode, radix: 8).utf8), contents]
        }
        if case .seccomp(let program) = self { return [Array("seccomp".utf8), PlanWord.hexadecimal(program)] }
        return textWords.map { Array($0.utf8) }
    }

    private var textWords: [String] {
        switch self {
        case .id(let id): ["id", id]
        case .log(let path, let bytes): ["log", path, "\(bytes)"]
        case .grace(let milliseconds): ["grace", "\(milliseconds)"]
        case .cgroup(let version, let controller, let path): ["cgroup", "\(version)", controller, path]
        case .namespace(let namespace): ["namespace", namespace.rawValue]
        case .uidMap(let inside, let host, let count): ["uid-map", "\(inside)", "\(host)", "\(count)"]
        case .gidMap(let inside, let host, let count): ["gid-map", "\(inside)", "\(host)", "\(count)"]
        case .owner(let uid, let gid): ["owner", "\(uid)", "\(gid)"]
        case .rootTmpfs(let place, let options): ["root-tmpfs", place, options.text]
        case .rootBind(let source, let place, let flags): ["root-bind", source, place, flags.text]
        case .makeDirectory(let path, let mode): ["mkdir", path, String(mode, radix: 8)]
        case .symlink(let target, let path): ["symlink", target, path]
        case .bind(let source, let path, let flags): ["bind", source, path, flags.text]
        case .tmpfs(let path, let options, let flags): ["tmpfs", path, options.text, flags.text]
        case .proc(let path): ["proc", path]
        case .device(let name): ["device", name]
        case .mask(let path): ["mask", path]
        case .readOnly(let path): ["readonly", path]
        case .rootReadOnly: ["root-readonly"]
        case .pivot: ["pivot"]
        case .hostname(let name): ["hostname", name]
        case .loopback: ["loopback"]
        case .resourceLimit(let name, let soft, let hard): ["rlimit", name, "\(soft)", "\(hard)"]
        case .oomScoreAdjustment(let value): ["oom-score-adj", "\(value)"]
        case .umask(let mask): ["umask", String(mask, radix: 8)]
        case .enterUserNamespace: ["enter-user-namespace"]
        case .dropBoundingSet: ["bounding-set", "none"]
        case .user(let uid, let gid, let groups): ["user", "\(uid)", "\(gid)"] + groups.map { "\($0)" }
        case .dropCapabilities: ["capabilities", "none"]
        case .noNewPrivileges: ["no-new-privs"]
        case .workingDirectory(let path): ["cwd", path]
        case .environment(let entry): ["env", entry]
        case .argument(let argument): ["arg", argument]
        case .file, .seccomp: []  // handled in `words`
        }
    }
}
