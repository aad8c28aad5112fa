// update: limits of a living container, from a file or from flags.

import Glibc

enum UpdateCommand {
    private static let flags: [CommandOptions.Flag] = [
        .value("resources", "r"), .value("blkio-weight"), .value("cpu-period"), .value("cpu-quota"), .value("cpu-share"),
        .value("cpu-burst"), .value("cpu-rt-period"), .value("cpu-rt-runtime"), .value("cpuset-cpus"), .value("cpuset-mems"),
        .value("cpu-idle"),
        .value("memory"), .value("memory-reservation"), .value("memory-swap"), .value("kernel-memory"),
        .value("kernel-memory-tcp"),
        .value("pids-limit"), .value("l3-cache-schema"), .value("mem-bw-schema"),
    ]

    static func update(_ words: [String], _ lifecycle: ContainerLifecycle) throws(OCIError) {
        let options = try CommandOptions(words, flags: flags, verb: "update")
        let id = try options.oneArgument("update")
        for name in ["l3-cache-schema", "mem-bw-schema"] where options.value(name) != nil {
            throw .unsupported(field: "--\(name)", reason: "resctrl is not used by this runtime")
        }
        try lifecycle.update(id, try resources(options))
    }

    private static func resources(_ options: CommandOptions) throws(OCIError) -> ResourceSpecification {
        if let file = options.value("resources") {
            return try ResourceSpecification(
                parsing: file == "-" ? try HostFile.readAll(0, "standard input") : try HostFile.readNamed(file))
        }
        var resources = ResourceSpecification()
        resources.memory.limit = try bytes(options, "memory")
        resources.memory.reservation = try bytes(options, "memory-reservation")
        resources.memory.swap = try bytes(options, "memory-swap")
        resources.memory.kernelTCP = try bytes(options, "kernel-memory-tcp")
        func positive(_ name: String, upTo most: UInt64 = .max) throws(OCIError) -> UInt64? {
            guard let text = options.value(name) else { return nil }
            guard let number = UInt64(text), number <= most else {
                let range = most == .max ? "0 or more" : "0 to \(most)"
                throw .usage("invalid value \"\(text)\" for flag -\(name): expected a whole number, \(range)")
            }
            return number
        }
        resources.cpu.shares = try positive("cpu-share")
        resources.cpu.period = try positive("cpu-period")
        resources.cpu.burst = try positive("cpu-burst")
        resources.cpu.quota = try options.integer("cpu-quota")
        resources.cpu.realtimePeriod = try positive("cpu-rt-period")
        resources.cpu.realtimeRuntime = try options.integer("cpu-rt-runtime")
        resources.cpu.idle = try options.integer("cpu-idle")
        resources.cpu.cpus = options.value("cpuset-cpus")
        resources.cpu.mems = options.value("cpuset-mems")
        resources.pidsLimit = try options.integer("pids-limit")
        resources.blockIO.weight = try positive("blkio-weight", upTo: 1000).map { UInt16($0) }
        return resources
    }

    /// `512m`, `1g`, plain bytes, or -1.
    private static func bytes(_ options: CommandOptions, _ name: String) throws(OCIError) -> Int64? {
        guard let text = options.value(name) else { return nil }
        if text == "-1" { return -1 }
        let lower = text.lowercased()
        let units: [String: Int64] = ["k": 10, "m": 20, "g": 30, "t": 40]
        let shift = units[String(lower.trimmedUnit.suffix(1))] ?? 0
        let digits = lower.prefix { $0.isNumber }
        guard let number = Int64(digits), number >= 0, number <= Int64.max >> shift, lower.drop(while: \.isNumber).count <= 3
        else {
            throw .usage("invalid value for \(name): \"\(text)\"")
        }
        return number << shift
    }
}

extension String {
    /// "512mb" and "512mib" count as "512m".
    fileprivate var trimmedUnit: String {
        var text = self
        if text.hasSuffix("b") { text.removeLast() }
        if text.hasSuffix("i") { text.removeLast() }
        return text
    }
}
