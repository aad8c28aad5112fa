// What an image is to a runtime of this machine, and how it is found by its name.

import RuntimeInterface

/// What a runtime needs to know of an image.
public struct RuntimeImage: Sendable, Hashable {
    public enum Root: Sendable, Hashable {
        /// The host's own programs, read-only, and these absolute paths in addition (a virtual environment, a JDK).
        case hostView(readOnlyPaths: [String])
        /// An unpacked root file system.
        case directory(String)
    }

    public var root: Root
    public var environment: [EnvironmentVariable]
    public var command: [String]
    public var args: [String]
    public var workingDirectory: String?

    public init(
        root: Root = .hostView(readOnlyPaths: []), environment: [EnvironmentVariable] = [], command: [String] = [],
        args: [String] = [], workingDirectory: String? = nil
    ) {
        self.root = root
        self.environment = environment
        self.command = command
        self.args = args
        self.workingDirectory = workingDirectory
    }
}

/// Resolves an image's name; throws `RuntimeError.imageNotPresent`.
public typealias RuntimeImageResolver = @Sendable (_ image: String) async throws -> RuntimeImage
