// What an image is to a runtime of this machine, and how it is found by its name.

import RuntimeInterface

/// What a runtime needs to know of an image.
public struct RuntimeImage: Sendable, Hashable {
    public enum Root: Sendable, Hashable {
        /// The host's own programs, read-only, and these absolute paths in addition (a virtual environment, a JDK).
        case hostView(readOnlyPaths: [String])
        /// An unpacked root file system.
        case directory(String)
        /// An image's layers, the uppermost first, and what this container writes above them.
        case layers(lower: [String], upper: String, work: String)
        /// An image of the store, by its id: `ContainerRoots` makes of it what one container gets.
        case stored(id: String)

        package var isImage: Bool {
            if case .hostView = self { return false }
            return true
        }
    }

    /// Whom the image's process runs as when the pod says nothing, by the image's own files; ids inside.
    public struct Account: Sendable, Hashable {
        public var uid: UInt32
        public var gid: UInt32
        public var groups: [UInt32]
        public var home: String?

        public init(uid: UInt32, gid: UInt32, groups: [UInt32] = [], home: String? = nil) {
            self.uid = uid
            self.gid = gid
            self.groups = groups
            self.home = home
        }
    }

    public var root: Root
    public var environment: [EnvironmentVariable]
    public var command: [String]
    public var args: [String]
    public var workingDirectory: String?
    /// STOPSIGNAL: what asks its program to stop.
    public var stopSignal: String?
    /// nil: the image has no accounts of its own (host view).
    public var account: Account?
    /// What is written into the root stays with this container; else the root is shared, or a directory of the machine.
    public var hasOwnRoot = false

    public init(
        root: Root = .hostView(readOnlyPaths: []), environment: [EnvironmentVariable] = [], command: [String] = [],
        args: [String] = [], workingDirectory: String? = nil, stopSignal: String? = nil
    ) {
        self.root = root
        self.environment = environment
        self.command = command
        self.args = args
        self.workingDirectory = workingDirectory
        self.stopSignal = stopSignal
    }
}

/// Resolves an image's name; throws `RuntimeError.imageNotPresent`.
public typealias RuntimeImageResolver = @Sendable (_ image: String) async throws -> RuntimeImage
