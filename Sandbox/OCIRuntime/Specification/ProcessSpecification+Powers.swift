// Capabilities, resource limits and scheduling of the `process` section.

import SandboxPolicy

extension ProcessSpecification {
    /// Names that the kernel's interface has not, and capabilities that the other sets do not admit, are logged and left out
    /// (config.md, "Linux Process": a runtime SHOULD NOT fail for them).
    mutating func capabilitySets(_ field: ConfigField) throws(OCIError) -> Capabilities {
        var left: [String] = []
        func names(_ key: String) throws(OCIError) -> [Capability] {
            var known: [Capability] = []
            for name in try field[key].strings() {
                guard name.hasPrefix("CAP_"), let capability = Capability(name: name) else {
                    left.append("\(field.path).\(key): ignoring unknown capability \(name)")
                    continue
                }
                if !known.contains(capability) { known.append(capability) }
            }
            return known
        }
        func admitted(_ key: String, _ list: [Capability], by others: [Capability]...) -> [Capability] {
            list.filter { capability in
                if others.allSatisfy({ $0.contains(capability) }) { return true }
                let word = key == "ambient" ? "can't raise ambient capability" : "can't have"
                left.append(
                    "\(field.path).\(key): \(word) CAP_\(capability.rawValue.uppercased()): it is not in the sets that it needs")
                return false
            }
        }
        var sets = CapabilitySets()
        sets.permitted = try names("permitted")
        sets.inheritable = try names("inheritable")
        sets.effective = admitted("effective", try names("effective"), by: sets.permitted)
        sets.ambient = admitted("ambient", try names("ambient"), by: sets.permitted, sets.inheritable)
        let result = Capabilities(bounding: try names("bounding"), sets: sets)
        warnings += left
        return result
    }

    static func limits(_ field: ConfigField) throws(OCIError) -> [ResourceLimit] {
        var limits: [ResourceLimit] = []
        for element in try field.elements() {
            let type = try element["type"].requiredString()
            guard type.hasPrefix("RLIMIT_"), let name = ResourceLimitName.known[String(type.dropFirst(7))] else {
                throw element["type"].invalid("expected a name of getrlimit(2) such as RLIMIT_NOFILE, found \"\(type)\"")
            }
            guard !limits.contains(where: { $0.name == name }) else { throw element["type"].invalid("\(type) stands twice") }
            let limit = ResourceLimit(
                name: name, soft: try element["soft"].required(UInt64.self), hard: try element["hard"].required(UInt64.self))
            guard limit.soft <= limit.hard else {
                throw element["soft"].invalid("\(limit.soft) is above the hard limit \(limit.hard)")
            }
            limits.append(limit)
        }
        return limits
    }

    static func scheduler(_ field: ConfigField) throws(OCIError) -> SchedulerPolicy? {
        guard try field.isObject() else { return nil }
        let name = try field["policy"].requiredString()
        guard name.hasPrefix("SCHED_"), let policy = SchedulerPolicy.Policy(rawValue: name.dropFirst(6).lowercased()) else {
            guard name != "SCHED_ISO" else { throw field["policy"].unsupported("the kernel has no SCHED_ISO") }
            throw field["policy"].invalid("unknown policy \"\(name)\"")
        }
        let nice = try field["nice"].integer(Int.self) ?? 0
        guard (-20...19).contains(nice) else { throw field["nice"].invalid("expected -20 to 19, found \(nice)") }
        let priority = try field["priority"].integer(Int.self) ?? 0
        let isRealTime = policy == .fifo || policy == .rr
        guard isRealTime ? (1...99).contains(priority) : priority == 0 else {
            throw field["priority"].invalid("expected \(isRealTime ? "1 to 99" : "0") with \(name), found \(priority)")
        }
        return SchedulerPolicy(
            policy: policy, priority: isRealTime ? priority : nice, flags: try schedulerFlags(field["flags"]),
            runtime: try field["runtime"].integer(UInt64.self) ?? 0, deadline: try field["deadline"].integer(UInt64.self) ?? 0,
            period: try field["period"].integer(UInt64.self) ?? 0)
    }

    private static func schedulerFlags(_ field: ConfigField) throws(OCIError) -> [SchedulerPolicy.Flag] {
        let words: [String: SchedulerPolicy.Flag] = [
            "RESET_ON_FORK": .resetOnFork, "RECLAIM": .reclaim, "DL_OVERRUN": .deadlineOverrun, "KEEP_POLICY": .keepPolicy,
            "KEEP_PARAMS": .keepParameters, "UTIL_CLAMP_MIN": .utilizationClampMinimum,
            "UTIL_CLAMP_MAX": .utilizationClampMaximum,
        ]
        var flags: [SchedulerPolicy.Flag] = []
        for name in try field.strings() {
            guard name.hasPrefix("SCHED_FLAG_"), let flag = words[String(name.dropFirst(11))] else {
                throw field.invalid("unknown flag \"\(name)\"")
            }
            flags.append(flag)
        }
        return flags
    }

    static func ioPriority(_ field: ConfigField) throws(OCIError) -> (ioClass: IOPriorityClass, level: Int)? {
        guard try field.isObject() else { return nil }
        let classes: [String: IOPriorityClass] = [
            "IOPRIO_CLASS_RT": .realtime, "IOPRIO_CLASS_BE": .bestEffort, "IOPRIO_CLASS_IDLE": .idle,
        ]
        let name = try field["class"].requiredString()
        guard let ioClass = classes[name] else { throw field["class"].invalid("unknown class \(name)") }
        let level = try field["priority"].integer(Int.self) ?? 0
        guard (0...7).contains(level) else { throw field["priority"].invalid("expected 0 to 7, found \(level)") }
        return (ioClass, level)
    }
}

enum ResourceLimitName {
    /// getrlimit(2)'s names without RLIMIT_, to the launcher's.
    static let known: [String: String] = [
        "AS": "as", "CORE": "core", "CPU": "cpu", "DATA": "data", "FSIZE": "fsize", "LOCKS": "locks", "MEMLOCK": "memlock",
        "MSGQUEUE": "msgqueue", "NICE": "nice", "NOFILE": "nofile", "NPROC": "nproc", "RSS": "rss", "RTPRIO": "rtprio",
        "RTTIME": "rttime", "SIGPENDING": "sigpending", "STACK": "stack",
    ]
}
