// Operations as words, words as printable bytes.

enum PlanWord {
    private static let hex = Array("0123456789ABCDEF".utf8)

    /// Percent-encodes whatever is not printable ASCII, and `%` and `"`; the empty word is `""`.
    static func append(_ word: String, to bytes: inout [UInt8]) {
        var word = word
        word.withUTF8 { append($0, to: &bytes) }
    }

    static func append(_ word: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
        if word.isEmpty {
            bytes.append(UInt8(ascii: "\""))
            return bytes.append(UInt8(ascii: "\""))
        }
        if word.allSatisfy(isPlain) { return bytes.append(contentsOf: word) }  // as nearly all are
        for byte in word {
            if isPlain(byte) {
                bytes.append(byte)
            } else {
                bytes.append(UInt8(ascii: "%"))
                append(hexadecimal: byte, to: &bytes)
            }
        }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7f && byte != UInt8(ascii: "%") && byte != UInt8(ascii: "\"")
    }

    static func append(hexadecimal word: [UInt8], to bytes: inout [UInt8]) {
        if word.isEmpty { return append("", to: &bytes) }
        bytes.reserveCapacity(bytes.count + word.count * 2)
        for byte in word { append(hexadecimal: byte, to: &bytes) }
    }

    private static func append(hexadecimal byte: UInt8, to bytes: inout [UInt8]) {
        bytes.append(hex[Int(byte >> 4)])
        bytes.append(hex[Int(byte & 15)])
    }
}

extension LaunchOperation {
    /// The operation's line: its name and its arguments, encoded. A launch has a hundred of them, so nothing is made in between.
    func append(to bytes: inout [UInt8]) {
        let words = words
        for index in words.indices {
            if index > 0 { bytes.append(UInt8(ascii: " ")) }
            PlanWord.append(words[index], to: &bytes)
        }
        switch self {
        case .file(_, _, let contents):
            bytes.append(UInt8(ascii: " "))
            contents.withUnsafeBufferPointer { PlanWord.append($0, to: &bytes) }
        case .seccomp(let program, let flags):
            bytes.append(UInt8(ascii: " "))
            PlanWord.append(hexadecimal: program, to: &bytes)
            if flags.isEmpty { break }
            bytes.append(UInt8(ascii: " "))
            PlanWord.append(flags.map(\.rawValue).joined(separator: ","), to: &bytes)
        default: break
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    /// Its name and those arguments that are text.
    var words: [String] {
        switch self {
        case .file(let path, let mode, _): ["file", path, String(mode, radix: 8)]
        case .seccomp: ["seccomp"]
        default: fileSystemWords ?? supervisionWords ?? namespaceWords ?? systemWords ?? processWords ?? programWords ?? []
        }
    }

    private var supervisionWords: [String]? {
        switch self {
        case .id(let id): ["id", id]
        case .log(let path, let bytes, 2, 0, false): ["log", path, "\(bytes)"]
        case .log(let path, let bytes, let files, let seconds, let late):
            ["log", path, "\(bytes)", "\(files)", "\(seconds)"] + (late ? ["late"] : [])
        case .inheritStandardStreams: ["stdio", "inherit"]
        case .grace(let milliseconds): ["grace", "\(milliseconds)"]
        case .stopSignal(let number): ["stop-signal", "\(number)"]
        case .terminal(let path, let keepsLineEnds): ["terminal", path] + (keepsLineEnds ? ["plain"] : [])
        case .deadline(let milliseconds): ["deadline", "\(milliseconds)"]
        case .denials(let maximum): ["denials", "\(maximum)"]
        case .learn(let path): ["learn", path]
        case .startGate(let path, let looksForProgram): ["start-gate", path] + (looksForProgram ? [] : ["unseen"])
        case .attach(let stdin, let once, let terminal):
            ["attach", [(stdin, "stdin"), (once, "once"), (terminal, "terminal")].filter(\.0).map(\.1).joined(separator: ",")]
        case .consoleSize(let rows, let columns): ["console-size", "\(rows)", "\(columns)"]
        case .preserveDescriptors(let count): ["preserve-fds", "\(count)"]
        case .runtimeHooks: ["runtime-hooks"]
        case .hookState(let before, let after): ["hook-state", before, after]
        case .hook(let point, let path, let timeout): ["hook", point.rawValue, path, "\(timeout)"]
        case .hookArgument(let argument): ["hook-arg", argument]
        case .hookEnvironment(let entry): ["hook-env", entry]
        case .ociRuntime(let name, let bundle, let create, let verb, let program, let hasInit):
            ["oci-runtime", name, bundle, "\(create)", "\(verb)", program, hasInit ? "init" : "direct"]
        case .ociStage(let path, let user): ["oci-stage", path] + (user.map { [$0] } ?? [])
        case .ociOverlay(let place, let options, let flags): ["oci-overlay", place, options.text, flags.text]
        case .ociBind(let source, let path, let flags): ["oci-bind", source, path, flags.text]
        case .makeCgroup(let version, let path): ["cgroup-make", "\(version)", path]
        case .setCgroup(let path, let file, let value): ["cgroup-set", path, file, value]
        case .cgroup(let version, let controller, let path): ["cgroup", "\(version)", controller, path]
        case .removeCgroup(let path): ["cgroup-remove", path]
        default: nil
        }
    }

    private var namespaceWords: [String]? {
        switch self {
        case .namespace(let namespace): ["namespace", namespace.rawValue]
        case .ownedNamespace(let namespace): ["namespace", namespace.rawValue, "owned"]
        case .joinNamespace(let namespace, let path): ["join-namespace", namespace.rawValue, path]
        case .joinRoot(let path): ["join-root", path]
        case .timeOffset(let clock, let seconds, let nanoseconds):
            ["time-offset", clock.rawValue, "\(seconds)", "\(nanoseconds)"]
        case .uidMap(let inside, let host, let count, let root): ["uid-map"] + Self.map(inside, host, count, root)
        case .gidMap(let inside, let host, let count, let root): ["gid-map"] + Self.map(inside, host, count, root)
        case .owner(let uid, let gid): ["owner", "\(uid)", "\(gid)"]
        case .rootless(.direct): ["rootless", "direct"]
        case .rootless(.helpers(let newuidmap, let newgidmap)): ["rootless", newuidmap, newgidmap]
        default: nil
        }
    }

    private static func map(_ inside: UInt32, _ host: UInt32, _ count: UInt32, _ mayMapHostRoot: Bool) -> [String] {
        ["\(inside)", "\(host)", "\(count)"] + (mayMapHostRoot ? ["host-root"] : [])
    }

    private var fileSystemWords: [String]? {
        switch self {
        case .rootTmpfs(let place, let options): ["root-tmpfs", place, options.text]
        case .rootBind(let source, let place, let flags): ["root-bind", source, place, flags.text]
        case .rootOverlay(let place, let options, let flags): ["root-overlay", place, options.text, flags.text]
        case .rootDetached(let source): ["root-detached", source]
        case .rootPropagation(let propagation): ["root-propagation", propagation.rawValue]
        case .makeDirectory(let path, let mode): ["mkdir", path, String(mode, radix: 8)]
        case .symlink(let target, let path): ["symlink", target, path]
        case .bind(let source, let path, let flags): ["bind", source, path, flags.text]
        case .bindUIDMap(let inside, let host, let count): ["bind-uid-map", "\(inside)", "\(host)", "\(count)"]
        case .bindGIDMap(let inside, let host, let count): ["bind-gid-map", "\(inside)", "\(host)", "\(count)"]
        case .tmpfs(let path, let options, let flags): ["tmpfs", path, options.text, flags.text]
        case .mount(let type, let source, let path, let flags, let data): ["mount", type, source, path, flags.text, data]
        case .proc(let path, let options): ["proc", path] + (options.text.map { [$0] } ?? [])
        case .device(let name): ["device", name]
        case .deviceNode(let path, let type, let major, let minor, let mode, let uid, let gid):
            ["device-node", path, type.rawValue, "\(major)", "\(minor)", String(mode, radix: 8), "\(uid)", "\(gid)"]
        case .mask(let path): ["mask", path]
        case .readOnly(let path): ["readonly", path]
        case .readOnlyMount(let path): ["readonly", path, "top"]
        case .rootReadOnly: ["root-readonly"]
        case .pivot: ["pivot"]
        case .changeRoot(let change): ["chroot", change.rawValue]
        default: nil
        }
    }

    private var systemWords: [String]? {
        switch self {
        case .hostname(let name): ["hostname", name]
        case .domainName(let name): ["domainname", name]
        case .loopback: ["loopback"]
        case .sysctl(let name, let value): ["sysctl", name, value]
        default: nil
        }
    }

    private var processWords: [String]? {
        switch self {
        case .resourceLimit(let name, let soft, let hard): ["rlimit", name, Self.limit(soft), Self.limit(hard)]
        case .oomScoreAdjustment(let value): ["oom-score-adj", "\(value)"]
        case .umask(let mask): ["umask", String(mask, radix: 8)]
        case .nice(let value): ["nice", "\(value)"]
        case .scheduler(let policy): ["scheduler"] + policy.words
        case .ioPriority(let priority, let level): ["io-priority", priority.rawValue, "\(level)"]
        case .cpuAffinity(let list): ["cpu-affinity", list]
        case .memoryPolicy(let mode, let flags, let nodes):
            ["memory-policy", mode, flags.isEmpty ? "none" : flags.joined(separator: ",")] + (nodes.map { [$0] } ?? [])
        case .personality(let value): ["personality", String(value, radix: 16, uppercase: true)]
        case .enterUserNamespace: ["enter-user-namespace"]
        case .secureBits(let bits): ["securebits", bits.map(\.rawValue).joined(separator: ",")]
        case .dropBoundingSet: ["bounding-set", "none"]
        case .boundingSet(let kept): ["bounding-set", CapabilitySets.list(kept)]
        case .user(let uid, let gid, let groups): ["user", "\(uid)", "\(gid)"] + groups.map { "\($0)" }
        case .dropCapabilities: ["capabilities", "none"]
        case .capabilities(let sets): ["capabilities"] + sets.words
        case .noNewPrivileges: ["no-new-privs"]
        case .workingDirectory(let path): ["cwd", path]
        default: nil
        }
    }

    private static func limit(_ value: UInt64) -> String { value == .max ? "unlimited" : "\(value)" }

    private var programWords: [String]? {
        switch self {
        case .landlock(let support): ["landlock", support.rawValue]
        case .landlockPath(let path, let rights): ["landlock-path", path, rights.map(\.rawValue).joined(separator: ",")]
        case .landlockPort(let direction, let port): ["landlock-port", direction.rawValue, port.map { "\($0)" } ?? "none"]
        case .landlockScope(let scopes): ["landlock-scope", scopes.map(\.rawValue).joined(separator: ",")]
        case .environment(let entry): ["env", entry]
        case .argument(let argument): ["arg", argument]
        default: nil
        }
    }
}
