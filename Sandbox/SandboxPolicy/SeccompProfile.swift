// Seccomp profiles in the OCI / Docker JSON format, so that existing profiles load.

import JSON

public struct SeccompProfile: Sendable, Hashable {
    public struct Rule: Sendable, Hashable {
        public var names: [String]
        public var action: Action
        public var conditions: [Condition]
    }

    /// linux.seccomp.syscalls[].args[] of the runtime-spec.
    public struct Condition: Sendable, Hashable {
        public var index: UInt32
        public var value: UInt64
        public var valueTwo: UInt64
        public var comparison: Comparison
    }

    public enum Comparison: String, Sendable, Hashable {
        case notEqual = "SCMP_CMP_NE"
        case lessThan = "SCMP_CMP_LT"
        case lessOrEqual = "SCMP_CMP_LE"
        case equal = "SCMP_CMP_EQ"
        case greaterOrEqual = "SCMP_CMP_GE"
        case greaterThan = "SCMP_CMP_GT"
        case maskedEqual = "SCMP_CMP_MASKED_EQ"
    }

    public enum Action: Sendable, Hashable {
        case allow, log, trap, killProcess, killThread
        case errno(UInt16)
    }

    public var defaultAction: Action
    public var rules: [Rule]
    /// What the profile was read from; names its compiled form in the cache.
    public let source: [UInt8]
}

extension SeccompProfile {
    /// Docker's `includes`/`excludes` are evaluated for a task without capabilities on this machine's architecture;
    /// fields that nobody here knows are an error, as ignoring one could widen the profile.
    public init(parsing bytes: [UInt8]) throws(SandboxPolicyError) {
        let document: JSONValue
        do { document = try JSONValue(parsing: bytes) } catch { throw .profile("not JSON: \(error)") }
        guard let members = document.objectValue else { throw .profile("expected an object") }
        for member in members where !Self.knownFields.contains(member.key) { throw .profile("unknown field \(member.key)") }
        let defaultErrno = try Self.number(document, "defaultErrnoRet") ?? 1
        defaultAction = try Self.action(document["defaultAction"]?.stringValue, errno: defaultErrno)
        rules = []
        guard let entries = document["syscalls"]?.arrayValue else { throw .profile("syscalls: expected an array") }
        for (index, entry) in entries.enumerated() {
            guard Self.applies(entry) else { continue }
            rules.append(try Self.rule(entry, at: index, defaultErrno: defaultErrno))
        }
        source = bytes
    }

    private static let knownFields: Set<String> = [
        "defaultAction", "defaultErrnoRet", "defaultErrno", "architectures", "archMap", "syscalls", "flags", "comment",
    ]

    private static var architecture: String {
        #if arch(arm64)
            "arm64"
        #else
            "amd64"
        #endif
    }

    private static func applies(_ entry: JSONValue) -> Bool {
        func strings(_ part: String, _ key: String) -> [String]? {
            entry[part]?[key]?.arrayValue?.compactMap(\.stringValue)
        }
        // A rule for holders of a capability is none for a task that has none.
        if let capabilities = strings("includes", "caps"), !capabilities.isEmpty { return false }
        if let arches = strings("includes", "arches"), !arches.isEmpty, !arches.contains(architecture) { return false }
        if let arches = strings("excludes", "arches"), arches.contains(architecture) { return false }
        return true
    }

    private static func rule(_ entry: JSONValue, at index: Int, defaultErrno: Int64) throws(SandboxPolicyError) -> Rule {
        let names = entry["names"]?.arrayValue?.compactMap(\.stringValue) ?? entry["name"]?.stringValue.map { [$0] } ?? []
        guard !names.isEmpty else { throw .profile("syscalls[\(index)].names: expected names") }
        let errno = try number(entry, "errnoRet") ?? defaultErrno
        var conditions: [Condition] = []
        for argument in entry["args"]?.arrayValue ?? [] {
            let place = try number(argument, "index") ?? -1
            guard (0...5).contains(place), let text = argument["op"]?.stringValue, let comparison = Comparison(rawValue: text)
            else { throw .profile("syscalls[\(index)].args: expected index 0-5 and a comparison") }
            conditions.append(
                Condition(
                    index: UInt32(place), value: UInt64(bitPattern: try number(argument, "value") ?? 0),
                    valueTwo: UInt64(bitPattern: try number(argument, "valueTwo") ?? 0), comparison: comparison))
        }
        return Rule(names: names, action: try action(entry["action"]?.stringValue, errno: errno), conditions: conditions)
    }

    private static func number(_ value: JSONValue, _ key: String) throws(SandboxPolicyError) -> Int64? {
        switch value[key] {
        case .none, .null: return nil
        case .int(let number): return number
        default: throw .profile("\(key): expected a whole number")
        }
    }

    private static func action(_ name: String?, errno: Int64) throws(SandboxPolicyError) -> Action {
        switch name {
        case "SCMP_ACT_ALLOW": return .allow
        case "SCMP_ACT_LOG": return .log
        case "SCMP_ACT_TRAP": return .trap
        case "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD": return .killThread
        case "SCMP_ACT_KILL_PROCESS": return .killProcess
        case "SCMP_ACT_ERRNO":
            guard let code = UInt16(exactly: errno), code < 4096 else { throw .profile("errnoRet \(errno)") }
            return .errno(code)
        default: throw .profile("action \(name ?? "missing"): expected a SCMP_ACT_ name that needs no tracer")
        }
    }
}
