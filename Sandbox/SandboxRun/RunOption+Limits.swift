// Options of the limits.

extension RunOption {
    static let limits: [RunOption] = [
        RunOption("--memory", short: "-m", takes: "SIZE", .limits, "memory of the whole task, files in memory included") {
            (options, text) throws(RunFailure) in
            options.memoryBytes = try RunAmount.bytes(text, "--memory")
        },
        RunOption("--swap", takes: "SIZE|0", .limits, "swap beside --memory (0)") { (options, text) throws(RunFailure) in
            options.swapBytes = text == "0" ? 0 : try RunAmount.bytes(text, "--swap")
        },
        RunOption(
            "--thrash-limit", takes: "TIME", .limits,
            "with --memory: end a task that only thrashes at it for so long, for example 1m"
        ) {
            (options, text) throws(RunFailure) in
            options.thrashMilliseconds = try RunAmount.milliseconds(text, "--thrash-limit")
        },
        RunOption("--cpus", short: "-c", takes: "NUMBER", .limits, "CPU time a second of the whole task, for example 1.5 or 500m")
        {
            (options, text) throws(RunFailure) in
            options.cpuMillis = try RunAmount.cpuMillis(text, "--cpus")
        },
        RunOption("--cpuset", takes: "LIST", .limits, "the CPUs that the task may use, for example 0-3,6") {
            (options, text) throws(RunFailure) in
            options.cpuset = try cpuList(text)
        },
        RunOption("--cpu-weight", takes: "1-10000", .limits, "share of contended CPU time (100)") {
            (options, text) throws(RunFailure) in
            options.cpuWeight = try RunAmount.integer(text, in: 1...10_000, "--cpu-weight")
        },
        RunOption("--pids", takes: "NUMBER", .limits, "processes and threads of the whole task (1024 where this can be enforced)")
        {
            (options, text) throws(RunFailure) in
            options.pids = try RunAmount.integer(text, in: 1...4_194_304, "--pids")
        },
        RunOption("--io-weight", takes: "1-1000", .limits, "share of contended disk time (100)") {
            (options, text) throws(RunFailure) in
            options.ioWeight = try RunAmount.integer(text, in: 1...1000, "--io-weight")
        },
        RunOption(
            "--io-read-bps", takes: "DEVICE:SIZE", .limits, "bytes read a second; DEVICE is a node or a path on the file system"
        ) {
            (options, text) throws(RunFailure) in
            options.deviceLimits.append(try deviceLimit(.rbps, text, "--io-read-bps"))
        },
        RunOption("--io-write-bps", takes: "DEVICE:SIZE", .limits, "bytes written a second") {
            (options, text) throws(RunFailure) in
            options.deviceLimits.append(try deviceLimit(.wbps, text, "--io-write-bps"))
        },
        RunOption("--io-read-iops", takes: "DEVICE:NUMBER", .limits, "reads a second") { (options, text) throws(RunFailure) in
            options.deviceLimits.append(try deviceLimit(.riops, text, "--io-read-iops"))
        },
        RunOption("--io-write-iops", takes: "DEVICE:NUMBER", .limits, "writes a second") { (options, text) throws(RunFailure) in
            options.deviceLimits.append(try deviceLimit(.wiops, text, "--io-write-iops"))
        },
        RunOption(
            "--rlimit", takes: "NAME=SOFT[:HARD]", .limits,
            "a limit of each process (getrlimit(2)), for example nofile=1024 or core=unlimited"
        ) {
            (options, text) throws(RunFailure) in
            options.resourceLimits.append(try resourceLimit(text))
        },
        RunOption("--allow-unenforced", .limits, "run even where this machine cannot enforce a limit that was asked for") {
            options, _ in
            options.allowUnenforced = true
        },
    ]

    static let resourceLimitNames = [
        "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
        "rttime",
        "sigpending", "stack",
    ]

    private static func resourceLimit(_ text: String) throws(RunFailure) -> RunOptions.ResourceLimit {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let values = parts.count == 2 ? parts[1].split(separator: ":", omittingEmptySubsequences: false) : []
        let amounts = values.compactMap { amount(String($0)) }
        guard parts.count == 2, resourceLimitNames.contains(String(parts[0])), (1...2).contains(values.count),
            amounts.count == values.count,
            amounts[0] <= amounts[amounts.count - 1]
        else {
            throw RunFailure(
                field: "--rlimit", found: RunAmount.shown(text),
                expected: "NAME=SOFT[:HARD] with SOFT <= HARD, for example nofile=1024:4096",
                hint: "names: " + resourceLimitNames.joined(separator: " "))
        }
        return RunOptions.ResourceLimit(name: String(parts[0]), soft: amounts[0], hard: amounts[amounts.count - 1])
    }

    /// A number, a size, or "unlimited".
    private static func amount(_ text: String) -> UInt64? {
        if text == "unlimited" || text == "infinity" { return UInt64.max }
        if let number = UInt64(text) { return number }
        guard let bytes = try? RunAmount.bytes(text, "--rlimit") else { return nil }
        return UInt64(bytes)
    }

    private static func deviceLimit(_ kind: RunOptions.DeviceLimit.Kind, _ text: String, _ field: String) throws(RunFailure)
        -> RunOptions.DeviceLimit
    {
        guard let colon = text.lastIndex(of: ":"), colon != text.startIndex else {
            throw RunFailure(field: field, found: RunAmount.shown(text), expected: "DEVICE:AMOUNT, for example /dev/vda:10Mi")
        }
        return RunOptions.DeviceLimit(
            kind: kind, device: try absolute(String(text[..<colon]), field),
            value: try RunAmount.bytes(String(text[text.index(after: colon)...]), field))
    }

    private static func cpuList(_ text: String) throws(RunFailure) -> String {
        let good =
            !text.isEmpty
            && text.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { part in
                let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
                guard (1...2).contains(ends.count), let low = ends[0], let high = ends[ends.count - 1] else { return false }
                return low <= high
            }
        guard good else {
            throw RunFailure(field: "--cpuset", found: RunAmount.shown(text), expected: "a list of CPUs, for example 0-3,6")
        }
        return text
    }
}
