// One entry of `mounts`: what the option words of mount(8) mean for it.

public struct MountSpecification: Sendable {
    /// Absolute and lexically clean, inside the container.
    public var destination: String
    public var type: String
    public var source: String
    public var options: MountOptions
    public var uidMappings: [IDMapping]
    public var gidMappings: [IDMapping]
    /// `mounts[3]`, for messages.
    public var path: String

    init(_ field: ConfigField) throws(OCIError) {
        path = field.path
        try field.isObject()
        let text = try field["destination"].requiredString()
        guard !text.isEmpty else { throw field["destination"].invalid("may not be empty") }
        // Relative destinations are deprecated and mean "below /" (config.md, "Mounts").
        destination = ContainerPath.clean("/" + text)
        type = try field["type"].string() ?? ""
        source = try field["source"].string() ?? ""
        options = try MountOptions(field["options"])
        uidMappings = try IDMapping.list(field["uidMappings"])
        gidMappings = try IDMapping.list(field["gidMappings"])
        // A bind is one by its options, or by the type that callers often write instead.
        if type == "bind" { options.isBind = true }
        if options.isBind, source.isEmpty { throw field["source"].invalid("a bind mount needs a source") }
        guard uidMappings.isEmpty == gidMappings.isEmpty else {
            throw field.invalid("uidMappings and gidMappings are needed together")
        }
        if !uidMappings.isEmpty, !options.isBind {
            throw field.unsupported("id-mapped mounts are supported for bind mounts only")
        }
        if options.isRemount { throw field["options"].unsupported("remount: every mount is made once, with its final flags") }
    }

    public var isBind: Bool { options.isBind }
}

public struct MountOptions: Sendable, Hashable {
    /// Attributes of the mount, in the launcher's words: "ro", "nosuid", ... Later options win over earlier ones.
    public var attributes: Set<String> = []
    /// Attributes that the options clear on a bind mount, which starts with its source's: "suid", "rw".
    public var cleared: Set<String> = []
    /// The same for the whole tree of a recursive bind (AT_RECURSIVE).
    public var recursiveAttributes: Set<String> = []
    /// In order: "private", "rslave", ...
    public var propagation: [String] = []
    public var isBind = false
    public var isRecursive = false
    public var isRemount = false
    public var copiesUp = false
    public var isIDMapped = false
    public var isRecursivelyIDMapped = false
    /// Flags of the file system itself ("sync", "dirsync") and whatever else is its own affair ("size=65536k").
    public var data: [String] = []

    init(_ field: ConfigField) throws(OCIError) {
        for text in try field.strings() { for option in Self.words(text) { apply(option) } }
    }

    /// One option each, or several as mount(8) takes them: "size=64k,mode=755". A comma behind a backslash is part of a path (overlay).
    private static func words(_ text: String) -> [String] {
        var words: [String] = [""]
        var isEscaped = false
        for character in text {
            if character == ",", !isEscaped { words.append("") } else { words[words.count - 1].append(character) }
            isEscaped = character == "\\" && !isEscaped
        }
        return words.filter { !$0.isEmpty }
    }

    public init() {}

    /// Option words to the attribute they set or clear.
    private static let setting: [String: String] = [
        "ro": "ro", "nosuid": "nosuid", "nodev": "nodev", "noexec": "noexec", "noatime": "noatime", "nodiratime": "nodiratime",
        "relatime": "relatime", "strictatime": "strictatime", "nosymfollow": "nosymfollow",
    ]
    private static let clearing: [String: String] = [
        "rw": "ro", "suid": "nosuid", "dev": "nodev", "exec": "noexec", "atime": "noatime", "diratime": "nodiratime",
        "norelatime": "relatime", "nostrictatime": "strictatime", "symfollow": "nosymfollow",
    ]
    private static let propagations: Set<String> = [
        "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable",
    ]
    /// Flags of the superblock, given by name to the file system (fsconfig(2)).
    private static let superblockFlags: [String: String?] = [
        "sync": "sync", "async": nil, "dirsync": "dirsync", "lazytime": "lazytime", "nolazytime": nil, "mand": nil, "nomand": nil,
        "iversion": "iversion", "noiversion": nil, "acl": nil, "noacl": nil, "silent": nil, "loud": nil, "defaults": nil,
    ]

    private mutating func apply(_ option: String) {
        if let attribute = Self.setting[option] {
            attributes.insert(attribute)
            cleared.remove(attribute)
        } else if let attribute = Self.clearing[option] {
            attributes.remove(attribute)
            cleared.insert(attribute)
        } else if Self.propagations.contains(option) {
            propagation.append(option)
        } else if let flag = Self.superblockFlags[option] {
            if let flag { data.append(flag) }
        } else if option.hasPrefix("r"), let attribute = Self.setting[String(option.dropFirst())] {
            recursiveAttributes.insert(attribute)
        } else if option.hasPrefix("r"), let attribute = Self.clearing[String(option.dropFirst())] {
            recursiveAttributes.remove(attribute)
        } else {
            applySpecial(option)
        }
    }

    private mutating func applySpecial(_ option: String) {
        switch option {
        case "bind": isBind = true
        case "rbind": (isBind, isRecursive) = (true, true)
        case "remount": isRemount = true
        case "tmpcopyup": copiesUp = true
        case "idmap": isIDMapped = true
        case "ridmap": (isIDMapped, isRecursivelyIDMapped) = (true, true)
        default: data.append(option)
        }
    }

    /// Every word that is understood, for `features`.
    public static let known: [String] =
        (Array(setting.keys) + Array(clearing.keys) + Array(propagations) + Array(superblockFlags.keys)
        + (setting.keys.map { "r" + $0 } + clearing.keys.map { "r" + $0 })
        + ["bind", "rbind", "tmpcopyup", "idmap", "ridmap"]).sorted()
}

/// linux.uidMappings and its kin.
public struct IDMapping: Sendable, Hashable {
    public var inside: UInt32
    public var host: UInt32
    public var count: UInt32

    public init(inside: UInt32, host: UInt32, count: UInt32) {
        self.inside = inside
        self.host = host
        self.count = count
    }

    static func list(_ field: ConfigField) throws(OCIError) -> [IDMapping] {
        var list: [IDMapping] = []
        for element in try field.elements() {
            let mapping = IDMapping(
                inside: try element["containerID"].required(UInt32.self), host: try element["hostID"].required(UInt32.self),
                count: try element["size"].required(UInt32.self))
            guard mapping.count > 0 else { throw element["size"].invalid("expected at least 1") }
            let ends = [
                mapping.inside.addingReportingOverflow(mapping.count), mapping.host.addingReportingOverflow(mapping.count),
            ]
            guard !ends.contains(where: \.overflow) else { throw element.invalid("the range ends beyond the last id") }
            list.append(mapping)
        }
        return list
    }
}
