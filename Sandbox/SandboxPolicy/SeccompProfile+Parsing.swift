// Reads profiles as Docker, containerd, podman and OCI bundles write them. What cannot be enforced, or is not known, is an
// error that names its place: passing over a field could widen the profile.

import JSON

extension SeccompProfile {
    /// The document's rules for a task of this kind on this machine. Throws `.profile` with the entry's place.
    public init(parsing bytes: [UInt8], context: SeccompContext = .plainTask) throws(SandboxPolicyError) {
        let tape: JSONTape
        do { tape = try JSONTape(parsing: bytes, maximumDepth: 16) } catch { throw .profile("not JSON: \(error)") }
        let document = SeccompDocument(tape: tape, node: tape.root, place: "")
        try document.expectMembers([
            "defaultAction", "defaultErrnoRet", "defaultErrno", "architectures", "archMap", "syscalls", "flags", "comment",
            "listenerPath", "listenerMetadata",
        ])
        let defaultErrno = try document.errno(number: "defaultErrnoRet", name: "defaultErrno") ?? 1
        self.init(defaultAction: try document.action("defaultAction", errno: defaultErrno), rules: [])
        guard let entries = try document.elements("syscalls") else { throw .profile("syscalls: expected an array") }
        for entry in entries where try entry.applies(to: context) { rules.append(try entry.rule(defaultErrno: defaultErrno)) }
        if context.servesForeignArchitectures { foreignArchitectures = try document.foreignArchitectures() }
        flags = try document.flags()
        listenerPath = try document.string("listenerPath").flatMap { $0.isEmpty ? nil : $0 }
        listenerMetadata = try document.string("listenerMetadata").flatMap { $0.isEmpty ? nil : $0 }
        if listenerMetadata != nil, listenerPath == nil { throw .profile("listenerMetadata: found without listenerPath") }
    }
}

/// A node of the document with its place, e.g. "syscalls[3].args[0]".
private struct SeccompDocument {
    let tape: JSONTape
    let node: JSONTape.Node
    let place: String

    func failure(_ key: String, _ reason: String) -> SandboxPolicyError {
        let path = place.isEmpty ? key : key.isEmpty ? place : "\(place).\(key)"
        return .profile(path.isEmpty ? reason : "\(path): \(reason)")
    }

    func expectMembers(_ known: Set<String>) throws(SandboxPolicyError) {
        guard tape.kind(node) == .object else { throw failure("", "expected an object") }
        for (key, _) in tape.members(of: node) where !known.contains(key) {
            throw failure(key, "unknown field, which might mean that more is refused")
        }
    }

    /// Nil when absent or null.
    func member(_ key: String) -> JSONTape.Node? { tape.member(of: node, key).flatMap { tape.isNull($0) ? nil : $0 } }

    func elements(_ key: String) throws(SandboxPolicyError) -> [SeccompDocument]? {
        guard let list = member(key) else { return nil }
        guard tape.kind(list) == .array else { throw failure(key, "expected an array") }
        let path = place.isEmpty ? key : "\(place).\(key)"
        return tape.elements(of: list).enumerated().map {
            SeccompDocument(tape: tape, node: $0.element, place: "\(path)[\($0.offset)]")
        }
    }

    func object(_ key: String) throws(SandboxPolicyError) -> SeccompDocument? {
        guard let child = member(key) else { return nil }
        guard tape.kind(child) == .object else { throw failure(key, "expected an object") }
        return SeccompDocument(tape: tape, node: child, place: place.isEmpty ? key : "\(place).\(key)")
    }

    func string(_ key: String) throws(SandboxPolicyError) -> String? {
        guard let child = member(key) else { return nil }
        guard let text = tape.string(child) else { throw failure(key, "expected a string") }
        return text
    }

    func strings(_ key: String) throws(SandboxPolicyError) -> [String]? {
        guard let list = try elements(key) else { return nil }
        var texts: [String] = []
        for element in list {
            guard let text = tape.string(element.node) else { throw element.failure("", "expected a string") }
            texts.append(text)
        }
        return texts
    }

    func number(_ key: String) throws(SandboxPolicyError) -> UInt64? {
        guard let child = member(key) else { return nil }
        guard tape.kind(child) == .number, let number = tape.integer(child, as: UInt64.self) else {
            throw failure(key, "expected a whole number from 0 to 2^64-1")
        }
        return number
    }

    /// `errnoRet` and podman's `errno`, which says it by name; both is fine when they agree, as in podman's files.
    func errno(number: String, name: String) throws(SandboxPolicyError) -> UInt64? {
        let value = try self.number(number)
        guard let text = try string(name), !text.isEmpty else { return value }
        guard let named = ErrnoName.number(text) else { throw failure(name, "found \(text), expected a name such as EPERM") }
        if let value, value != UInt64(named) { throw failure(number, "found \(value), but \(name) says \(text)") }
        return UInt64(named)
    }

    func action(_ key: String, errno: UInt64) throws(SandboxPolicyError) -> SeccompProfile.Action {
        let name = try string(key)
        func code() throws(SandboxPolicyError) -> UInt16 {
            guard errno < 4096 else { throw failure("errnoRet", "found \(errno), expected at most 4095") }
            return UInt16(errno)
        }
        switch name {
        case "SCMP_ACT_ALLOW": return .allow
        case "SCMP_ACT_LOG": return .log
        case "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD": return .killThread
        case "SCMP_ACT_KILL_PROCESS": return .killProcess
        case "SCMP_ACT_ERRNO": return .errno(try code())
        case "SCMP_ACT_TRAP": return .trap
        case "SCMP_ACT_TRACE": return .trace(try code())
        case "SCMP_ACT_NOTIFY": return .notify
        default: throw failure(key, "found \(name ?? "nothing"), expected an action such as SCMP_ACT_ALLOW")
        }
    }

    func flags() throws(SandboxPolicyError) -> [SeccompFlag] {
        var flags: [SeccompFlag] = []
        for name in try strings("flags") ?? [] {
            switch name {
            // One thread loads the filter and executes the task: there are no others to synchronise.
            case "SECCOMP_FILTER_FLAG_TSYNC": continue
            case "SECCOMP_FILTER_FLAG_LOG": flags.append(.log)
            case "SECCOMP_FILTER_FLAG_SPEC_ALLOW": flags.append(.speculationAllowed)
            case "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": flags.append(.waitKillable)
            default: throw failure("flags", "found \(name), which this runtime does not know")
            }
        }
        return flags
    }

    /// From `architectures` (OCI) or `archMap` (Docker): what stands beside the machine's own.
    func foreignArchitectures() throws(SandboxPolicyError) -> [SeccompArchitecture] {
        var names = try strings("architectures") ?? []
        for map in try elements("archMap") ?? [] where try map.string("architecture") == SeccompArchitecture.native.rawValue {
            names += try map.strings("subArchitectures") ?? []
        }
        var found: [SeccompArchitecture] = []
        for name in names {
            guard name.hasPrefix("SCMP_ARCH_") else { throw failure("architectures", "found \(name), expected SCMP_ARCH_...") }
            // Entries that this kernel cannot have need no rule: a call through them cannot happen.
            guard let architecture = SeccompArchitecture(rawValue: name), architecture.isForeignHere else { continue }
            if !found.contains(architecture) { found.append(architecture) }
        }
        return found
    }
}

// MARK: - syscalls[]

extension SeccompDocument {
    /// Every `includes` must hold and no `excludes` may (containers' and moby's meaning of them).
    fileprivate func applies(to context: SeccompContext) throws(SandboxPolicyError) -> Bool {
        try expectMembers([
            "names", "name", "action", "args", "comment", "includes", "excludes", "errnoRet", "errno",
        ])
        let own = SeccompArchitecture.native.dockerName
        if let filter = try object("includes") {
            try filter.expectMembers(["caps", "arches", "minKernel"])
            let capabilities = try filter.strings("caps") ?? []
            if !capabilities.allSatisfy({ Self.holds($0, context) }) { return false }
            if let arches = try filter.strings("arches"), !arches.isEmpty, !arches.contains(own) { return false }
            if let least = try filter.minimumKernel(), context.kernel < least { return false }
        }
        if let filter = try object("excludes") {
            try filter.expectMembers(["caps", "arches", "minKernel"])
            if try (filter.strings("caps") ?? []).contains(where: { Self.holds($0, context) }) { return false }
            if try (filter.strings("arches") ?? []).contains(own) { return false }
            if let least = try filter.minimumKernel(), context.kernel >= least { return false }
        }
        return true
    }

    /// A capability that nobody here knows is one that no task has.
    private static func holds(_ name: String, _ context: SeccompContext) -> Bool {
        Capability(name: name).map(context.capabilities.contains) ?? false
    }

    private func minimumKernel() throws(SandboxPolicyError) -> KernelVersion? {
        guard let text = try string("minKernel"), !text.isEmpty else { return nil }
        guard let version = KernelVersion(release: text) else {
            throw failure("minKernel", "found \(text), expected MAJOR.MINOR")
        }
        return version
    }

    fileprivate func rule(defaultErrno: UInt64) throws(SandboxPolicyError) -> SeccompProfile.Rule {
        var names = try strings("names") ?? []
        if let name = try string("name"), !name.isEmpty { names.append(name) }
        guard !names.isEmpty else { throw failure("names", "expected names of system calls") }
        let errno = try errno(number: "errnoRet", name: "errno") ?? defaultErrno
        var conditions: [SeccompProfile.Condition] = []
        for argument in try elements("args") ?? [] { conditions.append(try argument.condition()) }
        return SeccompProfile.Rule(
            names: names, action: try action("action", errno: errno), conditions: conditions, place: place)
    }

    private func condition() throws(SandboxPolicyError) -> SeccompProfile.Condition {
        try expectMembers(["index", "value", "valueTwo", "op"])
        let name = try string("op") ?? ""
        guard let index = try number("index"), index < 6 else { throw failure("index", "expected 0 to 5") }
        guard let comparison = SeccompProfile.Comparison(rawValue: name) else {
            throw failure("op", "found \(name.isEmpty ? "nothing" : name), expected a comparison such as SCMP_CMP_EQ")
        }
        return SeccompProfile.Condition(
            index: UInt32(index), value: try number("value") ?? 0, valueTwo: try number("valueTwo") ?? 0, comparison: comparison)
    }
}
