// Wishes that contradict each other or the machine, found before anything is made.

struct RunChecks {
    let options: RunOptions
    let machine: Machine

    func check() throws(RunFailure) {
        if case .cni = options.network, machine.rootless != nil {
            throw RunFailure(
                field: "--network", found: "a CNI network, and this is not root", expected: "none or host",
                hint: "network plugins change the machine's network, which needs root")
        }
        try checkPorts()
        try checkIdentity()
        try checkKernel()
        try checkLimits()
        if let offset = options.oomScoreAdjustment, offset < machine.oomScoreMinimum, !options.allowUnenforced {
            throw RunFailure(
                field: "--oom-score-adj", found: "\(offset)", expected: "at least \(machine.oomScoreMinimum)",
                hint: "lowering it needs CAP_SYS_RESOURCE, which this process has not")
        }
        if let nice = options.nice, nice < machine.niceMinimum {
            throw RunFailure(
                field: "--nice", found: "\(nice)", expected: "at least \(machine.niceMinimum)",
                hint: "lowering it needs CAP_SYS_NICE")
        }
        guard !options.terminal || options.logPath == nil else {
            throw RunFailure(field: "--tty", found: "--log", expected: "one of them: a log has no terminal")
        }
        if options.report != .none, case .descriptor(1) = options.report, options.logPath == nil, !options.explain {
            throw RunFailure(
                field: "--json", found: "1, the task's own output", expected: "another descriptor or a file",
                hint: "--json=3 3>result.json")
        }
    }

    private func checkLimits() throws(RunFailure) {
        guard (options.swapBytes ?? 0) == 0 || options.memoryBytes != nil else {
            throw RunFailure(
                field: "--swap", found: "no --memory", expected: "the memory that it is beside",
                hint: "e.g. --memory 1Gi --swap 1Gi")
        }
        guard options.seccompLearn == nil || !options.choosesSeccomp else {
            throw RunFailure(
                field: "--seccomp-learn", found: "--seccomp too", expected: "one of them: what is learnt from is not filtered")
        }
        if options.network == .host, let setting = options.sysctls.first(where: { $0.name.hasPrefix("net") }) {
            throw RunFailure(
                field: "--sysctl", found: "\(setting.name) with --network host", expected: "--network none or cni:NAME",
                hint: "the machine's own network is not a task's to set")
        }
        let (asked, there) = (CPUList.numbers(options.cpuset ?? ""), CPUList.numbers(machine.cpus))
        if let missing = asked.sorted().first(where: { !there.contains($0) }), !there.isEmpty {
            throw RunFailure(
                field: "--cpuset", found: "\(RunAmount.shown(options.cpuset ?? "")) with CPU \(missing)",
                expected: "CPUs of this machine, \(machine.cpus)")
        }
    }

    private func checkPorts() throws(RunFailure) {
        guard !options.ports.isEmpty || !options.connectPorts.isEmpty else { return }
        let option = options.ports.isEmpty ? "--connect-port" : "--port"
        if options.network == .none {
            throw RunFailure(
                field: option, found: "network none", expected: "--network host or cni:NAME",
                hint: "without a network no port can be reached")
        }
        guard options.landlock else {
            throw RunFailure(field: option, found: "--no-landlock", expected: "Landlock, which holds the ports")
        }
        // Landlock knows TCP ports since its fourth version (Linux 6.7).
        guard machine.landlockABI >= 4 || options.allowUnenforced else {
            throw RunFailure(
                field: option,
                found: machine.landlockABI == 0 ? "a kernel without Landlock" : "Landlock ABI \(machine.landlockABI)",
                expected: "ABI 4 or later (Linux 6.7)",
                hint: "--network none or cni:NAME isolate on any kernel; --allow-unenforced runs without this wall")
        }
    }

    private func checkIdentity() throws(RunFailure) {
        guard options.uidMaps.isEmpty == options.gidMaps.isEmpty else {
            let missing = options.uidMaps.isEmpty ? "--uid-map" : "--gid-map"
            throw RunFailure(field: missing, found: "nothing", expected: "a map of its own beside the other one")
        }
        for map in options.uidMaps + options.gidMaps where map.host == 0 && machine.rootless == nil {
            throw RunFailure(
                field: "--uid-map", found: "the host's root", expected: "host ids above 0",
                hint: "a task whose root is the host's root is one kernel bug away from the host")
        }
        let uids = mapped(options.uidMaps, machine.rootless.map { ($0.ranges?.uidCount, options.uid) })
        let gids = mapped(options.gidMaps, machine.rootless.map { ($0.ranges?.gidCount, options.gid) })
        for (id, maps, what) in [(options.uid, uids, "user"), (options.gid, gids, "group")]
        where !maps.contains(where: { $0.contains(inside: id) }) {
            throw RunFailure(
                field: "--user", found: "\(what) \(id), which is not mapped", expected: "an id that the maps cover",
                hint: machine.rootless == nil
                    ? "a private range covers 0 to 65535" : "ranges come from /etc/subuid and /etc/subgid")
        }
    }

    /// The ids inside that exist.
    private func mapped(_ maps: [IDMap], _ rootless: (range: UInt32?, own: UInt32)?) -> [IDMap] {
        if !maps.isEmpty { return maps }
        guard let rootless else { return [IDMap(inside: 0, host: 0, count: 65_536)] }
        guard let range = rootless.range else { return [IDMap(inside: rootless.own, host: 0, count: 1)] }
        return [IDMap(inside: 0, host: 0, count: range + 1)]
    }

    private func checkKernel() throws(RunFailure) {
        if options.timeNamespace || options.timeOffsetMilliseconds != nil, !machine.hasTimeNamespace {
            throw RunFailure(
                field: "--time-offset", found: "a kernel without time namespaces", expected: "Linux 5.6 with CONFIG_TIME_NS")
        }
        if !options.landlockPaths.isEmpty, machine.landlockABI == 0, !options.allowUnenforced {
            throw RunFailure(
                field: "--landlock-*", found: "a kernel without Landlock",
                expected: "Linux 5.13 with landlock among its security modules",
                hint: "the mounts hold without it; --allow-unenforced runs without the second wall")
        }
    }
}
