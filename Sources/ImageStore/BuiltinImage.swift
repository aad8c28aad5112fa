// What the node knows of one built-in image: where its root file system comes from and the defaults that it brings.

public struct BuiltinImage: Sendable, Hashable, Codable {
    /// Where the task's root comes from.
    public enum RootFileSystem: Sendable, Hashable, Codable {
        /// The node's own file system, narrowed to what a task may see ("host").
        case host
        /// A directory of the node: absolute path.
        case directory(String)

        public init(from decoder: any Decoder) throws {
            let text = try decoder.singleValueContainer().decode(String.self)
            self = text == "host" ? .host : .directory(text)
        }

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .host: try container.encode("host")
            case .directory(let path): try container.encode(path)
            }
        }
    }

    /// "repository:tag".
    public var name: String
    public var rootfs: RootFileSystem
    /// Absolute paths of the node that the task sees read-only at the same place, beside the root's own content.
    public var readOnlyPaths: [String]
    /// "NAME=value", in order.
    public var env: [String]
    public var entrypoint: [String]
    public var cmd: [String]
    public var workingDirectory: String?

    public init(
        name: String, rootfs: RootFileSystem = .host, readOnlyPaths: [String] = [], env: [String] = [],
        entrypoint: [String] = [], cmd: [String] = [], workingDirectory: String? = nil
    ) {
        self.name = name
        self.rootfs = rootfs
        self.readOnlyPaths = readOnlyPaths
        self.env = env
        self.entrypoint = entrypoint
        self.cmd = cmd
        self.workingDirectory = workingDirectory
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        rootfs = try container.decode(RootFileSystem.self, forKey: .rootfs)
        readOnlyPaths = try container.decodeIfPresent([String].self, forKey: .readOnlyPaths) ?? []
        env = try container.decodeIfPresent([String].self, forKey: .env) ?? []
        entrypoint = try container.decodeIfPresent([String].self, forKey: .entrypoint) ?? []
        cmd = try container.decodeIfPresent([String].self, forKey: .cmd) ?? []
        workingDirectory = try container.decodeIfPresent(String.self, forKey: .workingDirectory)
    }
}

extension BuiltinImage {
    /// The first field that is wrong and why; nil when all is well.
    func defect() -> (field: String, reason: String)? {
        if name.isEmpty || name.contains(where: { $0.isWhitespace }) {
            return ("name", "must be a non-empty image name without blanks, found \"\(name)\"")
        }
        if case .directory(let path) = rootfs, !Self.isCleanAbsolutePath(path) {
            return ("rootfs", "must be \"host\" or a clean absolute path, found \"\(path)\"")
        }
        for (index, path) in readOnlyPaths.enumerated() where !Self.isCleanAbsolutePath(path) || path == "/" {
            return ("readOnlyPaths[\(index)]", "must be a clean absolute path below /, found \"\(path)\"")
        }
        for (index, entry) in env.enumerated() {
            guard let equals = entry.firstIndex(of: "="), equals != entry.startIndex else {
                return ("env[\(index)]", "must be NAME=value, found \"\(entry)\"")
            }
        }
        if let directory = workingDirectory, !Self.isCleanAbsolutePath(directory) {
            return ("workingDirectory", "must be a clean absolute path, found \"\(directory)\"")
        }
        return nil
    }

    private static func isCleanAbsolutePath(_ path: String) -> Bool {
        path.hasPrefix("/") && !path.split(separator: "/").contains { $0 == ".." || $0 == "." }
    }
}
