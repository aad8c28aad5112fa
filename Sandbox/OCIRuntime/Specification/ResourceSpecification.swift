// linux.resources: the limits as config.json, `update --resources` and the kernel's controllers know them.

import JSON

public struct ResourceSpecification: Sendable, Hashable {
    public var devices: [DeviceRule] = []
    public var memory = Memory()
    public var cpu = CPU()
    public var pidsLimit: Int64?
    public var blockIO = BlockIO()
    public var hugepageLimits: [HugepageLimit] = []
    public var classID: UInt32?
    public var networkPriorities: [InterfacePriority] = []
    public var rdma: [RDMALimit] = []
    public var unified: [FileValue] = []

    public struct DeviceRule: Sendable, Hashable {
        public var allow: Bool
        /// a, c or b.
        public var type: String
        public var major: Int64?
        public var minor: Int64?
        public var access: String

        public init(allow: Bool, type: String, major: Int64?, minor: Int64?, access: String) {
            (self.allow, self.type, self.major, self.minor, self.access) = (allow, type, major, minor, access)
        }
    }

    /// Bytes; -1 is unlimited.
    public struct Memory: Sendable, Hashable {
        public var limit, reservation, swap, kernelTCP: Int64?
        public var swappiness: UInt64?
        public var disableOOMKiller: Bool?
        public var checkBeforeUpdate = false
    }

    public struct CPU: Sendable, Hashable {
        public var shares, period, burst, realtimePeriod: UInt64?
        public var quota, realtimeRuntime, idle: Int64?
        public var cpus, mems: String?
    }

    public struct BlockIO: Sendable, Hashable {
        public var weight, leafWeight: UInt16?
        public var weightDevices: [WeightDevice] = []
        /// By controller file: "blkio.throttle.read_bps_device".
        public var throttles: [Throttle] = []
    }

    public struct WeightDevice: Sendable, Hashable {
        public var major, minor: UInt32
        public var weight, leafWeight: UInt16?
    }

    public struct Throttle: Sendable, Hashable {
        public enum Kind: String, Sendable, CaseIterable {
            case throttleReadBpsDevice, throttleWriteBpsDevice, throttleReadIOPSDevice, throttleWriteIOPSDevice
        }
        public var kind: Kind
        public var major, minor: UInt32
        public var rate: UInt64
    }

    public struct HugepageLimit: Sendable, Hashable {
        public var pageSize: String
        public var limit: UInt64
    }
    public struct InterfacePriority: Sendable, Hashable {
        public var name: String
        public var priority: UInt32
    }
    public struct RDMALimit: Sendable, Hashable {
        public var device: String
        public var handles, objects: UInt32?
    }
    public struct FileValue: Sendable, Hashable { public var file, value: String }

    public init() {}

    public init(parsing bytes: [UInt8]) throws(OCIError) {
        let tape: JSONTape
        do { tape = try JSONTape(parsing: bytes) } catch { throw .invalid(field: "resources", reason: "not JSON: \(error)") }
        try self.init(ConfigField(tape: tape))
    }

    init(_ field: ConfigField) throws(OCIError) {
        guard try field.isObject() else { return }
        for element in try field["devices"].elements() { devices.append(try Self.rule(element)) }
        memory = try Self.memory(field["memory"])
        cpu = try Self.cpu(field["cpu"])
        pidsLimit = try field["pids"].isObject() ? try field["pids"]["limit"].integer() : nil
        blockIO = try Self.blockIO(field["blockIO"])
        for element in try field["hugepageLimits"].elements() { hugepageLimits.append(try Self.hugepages(element)) }
        try field["network"].isObject()
        classID = try field["network"]["classID"].integer(UInt32.self)
        for element in try field["network"]["priorities"].elements() {
            networkPriorities.append(
                InterfacePriority(
                    name: try Self.word(element["name"]), priority: try element["priority"].required(UInt32.self)))
        }
        for (device, element) in try field["rdma"].members() {
            rdma.append(
                RDMALimit(
                    device: device, handles: try element["hcaHandles"].integer(UInt32.self),
                    objects: try element["hcaObjects"].integer(UInt32.self)))
        }
        for (file, value) in try field["unified"].stringMap() { unified.append(try Self.unified(field["unified"], file, value)) }
    }

    /// The file stands directly in the container's own group; anything else would write elsewhere.
    private static func unified(_ field: ConfigField, _ file: String, _ value: String) throws(OCIError) -> FileValue {
        guard !file.contains("/"), file.contains("."), !file.hasPrefix(".") else {
            throw field[file].invalid("expected a file of the group, such as memory.high")
        }
        guard !file.hasPrefix("cgroup.") || file == "cgroup.max.depth" || file == "cgroup.max.descendants" else {
            throw field[file].invalid("belongs to the runtime")
        }
        return FileValue(file: file, value: value)
    }

    private static func rule(_ field: ConfigField) throws(OCIError) -> DeviceRule {
        guard let allow = try field["allow"].bool() else { throw field["allow"].invalid("required, and missing") }
        let type = try field["type"].string() ?? "a"
        guard ["a", "b", "c", ""].contains(type) else { throw field["type"].invalid("expected a, b or c, found \"\(type)\"") }
        let access = try field["access"].string() ?? ""
        guard access.utf8.allSatisfy({ "rwm".utf8.contains($0) }) else {
            throw field["access"].invalid("expected letters of rwm")
        }
        func number(_ key: String) throws(OCIError) -> Int64? {
            guard let value = try field[key].integer(), value >= 0 else { return nil }
            return value
        }
        return DeviceRule(
            allow: allow, type: type.isEmpty ? "a" : type, major: try number("major"), minor: try number("minor"),
            access: access.isEmpty ? "rwm" : access)
    }

    private static func memory(_ field: ConfigField) throws(OCIError) -> Memory {
        guard try field.isObject() else { return Memory() }
        var memory = Memory()
        func bytes(_ key: String) throws(OCIError) -> Int64? {
            guard let value = try field[key].integer() else { return nil }
            guard value >= -1 else { throw field[key].invalid("expected bytes, or -1 for no limit; found \(value)") }
            return value == 0 ? nil : value
        }
        memory.limit = try bytes("limit")
        memory.reservation = try bytes("reservation")
        memory.swap = try bytes("swap")
        // Kernel memory has had no limit of its own since Linux 5.16; it counts towards `limit` (runc ignores it too).
        _ = try field["kernel"].integer()
        memory.kernelTCP = try bytes("kernelTCP")
        memory.swappiness = try field["swappiness"].integer(UInt64.self)
        if let value = memory.swappiness, value > 100 { throw field["swappiness"].invalid("expected 0 to 100, found \(value)") }
        memory.disableOOMKiller = try field["disableOOMKiller"].bool()
        memory.checkBeforeUpdate = try field["checkBeforeUpdate"].bool() ?? false
        if let limit = memory.limit, let swap = memory.swap, limit > 0, swap > 0, swap < limit {
            throw field["swap"].invalid("memory and swap together (\(swap)) must be at least the memory limit (\(limit))")
        }
        return memory
    }

    private static func cpu(_ field: ConfigField) throws(OCIError) -> CPU {
        guard try field.isObject() else { return CPU() }
        func list(_ key: String) throws(OCIError) -> String? {
            guard let text = try field[key].string(), !text.isEmpty else { return nil }
            guard text.utf8.allSatisfy({ (48...57).contains($0) || $0 == 44 || $0 == 45 }) else {
                throw field[key].invalid("expected a list such as 0-3,7, found \"\(text)\"")
            }
            return text
        }
        var cpu = CPU()
        cpu.shares = try field["shares"].integer(UInt64.self)
        cpu.quota = try field["quota"].integer()
        cpu.burst = try field["burst"].integer(UInt64.self)
        cpu.period = try field["period"].integer(UInt64.self)
        cpu.realtimeRuntime = try field["realtimeRuntime"].integer()
        cpu.realtimePeriod = try field["realtimePeriod"].integer(UInt64.self)
        cpu.cpus = try list("cpus")
        cpu.mems = try list("mems")
        cpu.idle = try field["idle"].integer()
        return cpu
    }

    private static func word(_ field: ConfigField) throws(OCIError) -> String {
        let text = try field.requiredString()
        guard !text.isEmpty, !text.contains(" "), !text.contains("\n") else { throw field.invalid("expected one word") }
        return text
    }

    private static func hugepages(_ field: ConfigField) throws(OCIError) -> HugepageLimit {
        let size = try field["pageSize"].requiredString()
        guard size.hasSuffix("B"), size.count > 2, size.utf8.dropLast(2).allSatisfy({ (48...57).contains($0) }),
            let unit = size.dropLast().last, "KMGT".contains(unit)
        else { throw field["pageSize"].invalid("expected a size such as 2MB, found \"\(size)\"") }
        return HugepageLimit(pageSize: size, limit: try field["limit"].required(UInt64.self))
    }

    private static func blockIO(_ field: ConfigField) throws(OCIError) -> BlockIO {
        guard try field.isObject() else { return BlockIO() }
        var result = BlockIO()
        result.weight = try field["weight"].integer(UInt16.self)
        result.leafWeight = try field["leafWeight"].integer(UInt16.self)
        for element in try field["weightDevice"].elements() {
            result.weightDevices.append(
                WeightDevice(
                    major: try element["major"].required(UInt32.self), minor: try element["minor"].required(UInt32.self),
                    weight: try element["weight"].integer(UInt16.self), leafWeight: try element["leafWeight"].integer(UInt16.self)
                ))
        }
        for kind in Throttle.Kind.allCases {
            for element in try field[kind.rawValue].elements() {
                result.throttles.append(
                    Throttle(
                        kind: kind, major: try element["major"].required(UInt32.self),
                        minor: try element["minor"].required(UInt32.self),
                        rate: try element["rate"].required(UInt64.self)))
            }
        }
        return result
    }
}
