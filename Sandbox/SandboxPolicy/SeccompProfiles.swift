// A node's seccomp profiles: from what a task asks for to the filter that the launch plan carries.

import Glibc

/// Reads small files and may compile (a fraction of a millisecond); call it where a task is prepared.
///
///     let profiles = SeccompProfiles(directory: "/etc/swiftlet/seccomp", cacheDirectory: state + "/seccomp")
///     let reference = try SeccompProfileReference(container.securityContext?.seccompProfile)
///     spec.seccomp = try profiles.filter(for: reference)                        // nil: unconfined
///     spec.seccomp = try profiles.filter(for: reference, countsDenials: true)   // with spec.countedDenials
public struct SeccompProfiles: Sendable, Hashable {
    /// Where `Localhost` profiles lie; nil: only the built-in ones.
    public var directory: String?
    /// Where compiled filters are kept between processes; nil: in memory only.
    public var cacheDirectory: String?
    /// Whether a task may run without a filter.
    public var permitsUnconfined: Bool

    public init(directory: String? = nil, cacheDirectory: String? = nil, permitsUnconfined: Bool = false) {
        self.directory = directory
        self.cacheDirectory = cacheDirectory
        self.permitsUnconfined = permitsUnconfined
    }

    /// The filter's BPF bytes; nil: unconfined. With `countsDenials` it asks the supervisor instead of answering EPERM; the
    /// plan must then have `denials`. Throws `.invalid(field: "seccompProfile")` for what the node has not or does not permit,
    /// `.profile` for a document that cannot be enforced.
    public func filter(
        for reference: SeccompProfileReference, context: SeccompContext = .plainTask, countsDenials: Bool = false
    ) throws(SandboxPolicyError) -> [UInt8]? {
        guard let document = try document(for: reference) else { return nil }
        let program = try filter(document: document, name: "\(reference)", context: context)
        return countsDenials ? FilterProgram.countingDenials(program) : program
    }

    /// The same for a document from elsewhere: an OCI bundle, a file of the command line.
    public func filter(
        document: [UInt8], name: String, context: SeccompContext = .plainTask
    ) throws(SandboxPolicyError) -> [UInt8] {
        let cache = cacheDirectory.map(SeccompFilterDirectory.init(path:))
        let key = cache == nil ? [] : SeccompFilterDirectory.key(document: document, context: context)
        if let known = cache?.program(for: key) { return known }
        do {
            let program = try SeccompCompiler.program(for: try SeccompProfile(parsing: document, context: context))
            cache?.write(program, for: key)
            return program
        } catch .profile(let reason) {
            throw .profile("\(name): \(reason)")
        }
    }

    /// The profile's JSON text; nil: unconfined.
    public func document(for reference: SeccompProfileReference) throws(SandboxPolicyError) -> [UInt8]? {
        switch reference {
        case .builtIn(let profile): return Array(profile.json.utf8)
        case .unconfined:
            guard permitsUnconfined else {
                throw .invalid(
                    field: "seccompProfile", found: "Unconfined",
                    expected: "a profile: this node does not permit running without one")
            }
            return nil
        case .localhost(let name):
            for candidate in name.hasSuffix(".json") ? [name] : [name, name + ".json"] {
                if let directory, let bytes = try ProfileFile.read(candidate, below: directory) { return bytes }
            }
            if let builtIn = SeccompProfile.BuiltIn(fileName: name) { return Array(builtIn.json.utf8) }
            throw .invalid(
                field: "seccompProfile", found: "Localhost/\(name)",
                expected: directory.map { "a file below the node's profile directory \($0)" }
                    ?? "a built-in profile: this node has no profile directory")
        }
    }
}

/// Files below a directory and nowhere else: each part of the path is opened in the one before and may be no symbolic link.
private enum ProfileFile {
    static let maximumBytes = 1 << 20

    static func read(_ name: String, below directory: String) throws(SandboxPolicyError) -> [UInt8]? {
        var parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard parent >= 0 else {
            if errno == ENOENT { return nil }
            throw unreadable(directory)
        }
        defer { close(parent) }
        let parts = name.split(separator: "/").map(String.init)
        for part in parts.dropLast() {
            let next = openat(parent, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
            guard next >= 0 else {
                if errno == ENOENT { return nil }
                throw unreadable(name)
            }
            close(parent)
            parent = next
        }
        let file = openat(parent, parts.last ?? "", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw unreadable(name)
        }
        defer { close(file) }
        return try contents(of: file, name)
    }

    private static func contents(of file: Int32, _ name: String) throws(SandboxPolicyError) -> [UInt8] {
        var info = stat()
        guard fstat(file, &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_size <= maximumBytes else {
            throw .invalid(
                field: "seccompProfile", found: "Localhost/\(name)", expected: "a regular file of at most \(maximumBytes) bytes")
        }
        let size = Int(info.st_size)
        return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = max(0, Glibc.read(file, buffer.baseAddress, size))
        }
    }

    private static func unreadable(_ name: String) -> SandboxPolicyError {
        .invalid(
            field: "seccompProfile", found: "Localhost/\(name): \(String(cString: strerror(errno)))",
            expected: "a readable file in the OCI seccomp format, no symbolic link")
    }
}
