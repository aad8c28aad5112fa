// The files of a volume that is made of objects (ConfigMap, Secret, downwardAPI, projected): which there are, and which names
// are refused.
import KubernetesModel

/// One file of such a volume.
public struct VolumeFile: Sendable, Hashable {
    /// Relative to the volume, without "..".
    public var path: String
    public var bytes: [UInt8]
    /// Permission bits.
    public var mode: Int
    /// The user the file belongs to, as the container counts; nil: its root.
    public var owner: Int64?

    public init(path: String, bytes: [UInt8], mode: Int, owner: Int64? = nil) {
        self.path = path
        self.bytes = bytes
        self.mode = mode
        self.owner = owner
    }
}

/// What cannot be made into a volume, with the field at fault.
public struct VolumeError: Error, Sendable, Hashable, CustomStringConvertible {
    public var field: String
    public var reason: String

    public init(_ field: String, _ reason: String) {
        self.field = field
        self.reason = reason
    }

    public var description: String { "\(field): \(reason)" }
}

/// Files by path; a later file of the same path replaces an earlier one, as in a kubelet's projected volume.
public struct VolumePayload: Sendable, Hashable {
    /// Linux' own bounds (limits.h: NAME_MAX, PATH_MAX).
    static let longestName = 255
    static let longestPath = 4096

    private var byPath: [String: VolumeFile] = [:]

    public init() {}

    /// In the order of their paths.
    public var files: [VolumeFile] { byPath.values.sorted { $0.path < $1.path } }

    /// The names that a container sees in the volume itself: files and topmost directories.
    public var topNames: Set<String> { Set(byPath.keys.map { String($0.prefix { $0 != "/" }) }) }

    public mutating func add(_ file: VolumeFile, _ field: String) throws(VolumeError) {
        if let problem = Self.problem(file.path) { throw VolumeError(field, "path \"\(file.path)\" \(problem)") }
        guard (0...0o777).contains(file.mode) else {
            throw VolumeError(field, "mode 0\(String(file.mode, radix: 8)) must be between 0 and 0777")
        }
        var file = file
        file.path = file.path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
        for other in byPath.keys where other.hasPrefix(file.path + "/") || file.path.hasPrefix(other + "/") {
            throw VolumeError(
                field, "path \"\(file.path)\" and \"\(other)\" cannot both be there: one is a directory of the other")
        }
        byPath[file.path] = file
    }

    /// Keys of a ConfigMap or Secret as files: all of them, or those that `items` name. A key that `items` name and the object has
    /// not is an error, unless the source is optional.
    public mutating func add(
        keys: [String: [UInt8]], items: [KeyToPath], defaultMode: Int, optional: Bool, _ field: String
    ) throws(VolumeError) {
        if items.isEmpty {
            for (key, bytes) in keys { try add(VolumeFile(path: key, bytes: bytes, mode: defaultMode), "\(field).\(key)") }
            return
        }
        for item in items {
            guard let bytes = keys[item.key] else {
                if optional { continue }
                throw VolumeError("\(field).items", "references non-existent key: \(item.key)")
            }
            try add(VolumeFile(path: item.path, bytes: bytes, mode: item.mode ?? defaultMode), "\(field).items[\(item.key)]")
        }
    }

    /// Every file readable for the pod's group: what `fsGroup` means for a volume that nobody writes.
    /// https://kubernetes.io/docs/concepts/configuration/secret/#secret-files-permissions
    public mutating func readableByGroup() {
        for path in byPath.keys { byPath[path]?.mode |= 0o440 }
    }

    /// The rules of a kubelet's atomic writer: "..NAME" is its own; `nil` is a good path.
    private static func problem(_ path: String) -> String? {
        if path.isEmpty { return "must not be empty" }
        if path.hasPrefix("/") { return "must be relative" }
        if path.utf8.count > longestPath { return "must not be longer than \(longestPath) bytes" }
        if path.hasPrefix("..") { return "must not start with \"..\"" }
        if path.utf8.contains(0) { return "must not contain a NUL byte" }
        for part in path.split(separator: "/") {
            if part == ".." { return "must not contain \"..\"" }
            if part.utf8.count > longestName { return "has a name longer than \(longestName) bytes" }
        }
        return path.split(separator: "/").allSatisfy { $0 == "." } ? "must name a file" : nil
    }
}

/// The layout in which a volume's files are replaced all at once:
///
///     ..2026_1     the files, never changed again
///     ..data       -> ..2026_1; replaced by rename(2), which is the moment of the change
///     key          -> ..data/key, one for each top name
public enum AtomicLayout {
    public static let dataLink = "..data"
    public static let newDataLink = "..data_tmp"

    public static func generation(_ name: String) -> Bool { name.hasPrefix("..") && name != dataLink && name != newDataLink }

    /// Which visible links are to be made and removed, given the names in the volume's directory.
    public static func links(present: Set<String>, wanted: Set<String>) -> (make: [String], remove: [String]) {
        let visible = present.filter { !$0.hasPrefix("..") }
        return (wanted.subtracting(visible).sorted(), visible.subtracting(wanted).sorted())
    }
}
