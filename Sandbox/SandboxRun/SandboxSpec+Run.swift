// Options as fields of the spec.
import Cgroups
import SandboxPolicy

extension SandboxSpec {
    mutating func take(_ options: RunOptions, machine: Machine) {
        takeFileSystem(options, machine: machine)
        takeIdentity(options, machine: machine)
        takeNetwork(options)
        resourceLimits = []
        oomScoreAdjustment = options.oomScoreAdjustment.map { max($0, machine.oomScoreMinimum) }
        niceness = options.nice
        umask = options.umask
        graceMilliseconds = options.graceMilliseconds
        deadlineMilliseconds = options.timeLimitMilliseconds
        capabilities = options.capabilities
        sysctls = options.sysctls.map { Sysctl(name: $0.name, value: $0.value) }
        if options.timeNamespace || options.timeOffsetMilliseconds != nil {
            // Sandbox' clocks ahead by this much: seconds round down so that the rest is never negative.
            let offset = options.timeOffsetMilliseconds ?? 0
            let seconds = offset >= 0 ? offset / 1000 : (offset - 999) / 1000
            let rest = (offset - seconds * 1000) * 1_000_000
            timeOffsets = [NamespaceClock.monotonic, .boottime].map { TimeOffset(clock: $0, seconds: seconds, nanoseconds: rest) }
        }
        learnPath = options.seccompLearn.map(RunLesson.path)
        landlockPaths = options.landlockPaths
    }

    private mutating func takeFileSystem(_ options: RunOptions, machine: Machine) {
        readOnlyRoot = !options.writableRoot
        workingDirectory = options.workingDirectory ?? "/"
        sharedMemoryBytes = options.sharedMemoryBytes
        mounts = options.binds.map { Mount(source: $0.source, path: $0.path, readOnly: $0.readOnly) }
        temporaryFileSystems = options.tmpfs.map { TemporaryFileSystem(path: $0.path, bytes: $0.bytes) }
        switch options.root {
        case .hostView:
            showsCgroups = true
            files = AccountFiles.files(
                hostname: options.hostname, uid: options.uid, gid: options.gid, hosts: [],
                nameservers: options.network == .host ? machine.nameservers : [], searches: [])
        case .directory(let path):
            root = .directory(path)
        }
    }

    private mutating func takeIdentity(_ options: RunOptions, machine: Machine) {
        uid = options.uid
        gid = options.gid
        guard let user = machine.rootless else {
            if options.uidMaps.isEmpty {
                idRangeStart = HostIDs.commands.lowerBound + machine.idSlot * Self.idRangeCount
            } else {
                uidMaps = options.uidMaps
                gidMaps = options.gidMaps
            }
            return
        }
        uidMaps = options.uidMaps
        gidMaps = options.gidMaps
        if let ranges = user.ranges {
            rootless = .subordinateIDs(
                hostUID: user.uid, hostGID: user.gid, uidStart: ranges.uidStart, uidCount: ranges.uidCount,
                gidStart: ranges.gidStart,
                gidCount: ranges.gidCount, newuidmap: ranges.newuidmap, newgidmap: ranges.newgidmap)
        } else {
            rootless = .singleID(hostUID: user.uid, hostGID: user.gid)
        }
    }

    private mutating func takeNetwork(_ options: RunOptions) {
        secondWall = options.landlock ? (options.landlockPaths.isEmpty && options.ports.isEmpty ? .bestEffort : .required) : .off
        if options.allowUnenforced, options.landlock { secondWall = .bestEffort }
        switch options.network {
        case .none: network = .none
        case .host: network = .host
        // The namespace is made, and its path set, by whoever attaches the network (`RunNetwork`).
        case .cni: network = .none
        }
        if !options.ports.isEmpty || !options.connectPorts.isEmpty {
            tcpPorts = TCPPorts(bind: options.ports, connect: options.connectPorts + options.ports)
        }
    }

    mutating func take(_ limits: RunLimits, of host: CgroupHost) {
        resourceLimits = limits.resourceLimits.map { ResourceLimit(name: $0.name, soft: $0.soft, hard: $0.hard) }
        for operation in limits.cgroup.operations {
            switch operation {
            case .make(let version, let directory):
                let controller = limits.cgroup.joins.first { $0.path == directory }?.controller ?? "unified"
                madeCgroups.append(CgroupJoin(version: version, controller: controller, path: directory))
            case .set(let directory, let file, let value):
                cgroupSettings.append(CgroupSetting(directory: directory, file: file, value: value))
            }
        }
        cgroups = limits.cgroup.joins.map {
            CgroupJoin(
                version: $0.version, controller: $0.controller,
                controllers: $0.version == 1 ? host.controllers(besides: $0.controller) : nil, path: $0.path)
        }
    }
}
