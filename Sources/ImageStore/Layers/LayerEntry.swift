// One entry of a layer's archive, checked: what it is, where it belongs, what it carries.

/// A path inside a layer, without leading "/" and without "", "." or ".." in it; empty for the root. Bytes as they are in the archive:
/// names need be no UTF-8.
struct EntryPath: Hashable, Sendable {
    /// Longest path that Linux takes (PATH_MAX with its NUL) and longest name (NAME_MAX).
    static let maximumBytes = 4095
    static let maximumNameBytes = 255
    static let root = EntryPath(clean: [])
    private static let slash = UInt8(ascii: "/")

    private let bytes: [UInt8]

    private init(clean bytes: [UInt8]) { self.bytes = bytes }

    /// A leading "/" or "./" means the root, as builders write it. Throws the reason when the path cannot be obeyed.
    init(_ text: [UInt8], maximumDepth: Int) throws(Refusal) {
        guard !text.isEmpty else { throw Refusal("it has no name") }
        guard text.count <= Self.maximumBytes else {
            throw Refusal("its path of \(text.count) bytes is longer than \(Self.maximumBytes)")
        }
        guard !text.contains(0) else { throw Refusal("its path has a NUL byte") }
        var clean: [UInt8] = []
        clean.reserveCapacity(text.count)
        var depth = 0
        for part in text.split(separator: Self.slash) where !(part.count == 1 && part.first == UInt8(ascii: ".")) {
            guard !part.elementsEqual([UInt8(ascii: "."), UInt8(ascii: ".")]) else {
                throw Refusal("its path leads out of the image (\"..\")")
            }
            guard part.count <= Self.maximumNameBytes else {
                throw Refusal("a name of \(part.count) bytes is longer than \(Self.maximumNameBytes)")
            }
            if depth > 0 { clean.append(Self.slash) }
            clean.append(contentsOf: part)
            depth += 1
        }
        guard depth <= maximumDepth else { throw Refusal("it is \(depth) directories deep, more than \(maximumDepth)") }
        bytes = clean
    }

    var isRoot: Bool { bytes.isEmpty }
    var name: ArraySlice<UInt8> { bytes.lastIndex(of: Self.slash).map { bytes[($0 + 1)...] } ?? bytes[...] }
    var parent: EntryPath { EntryPath(clean: bytes.lastIndex(of: Self.slash).map { Array(bytes[..<$0]) } ?? []) }
    var components: [ArraySlice<UInt8>] { bytes.split(separator: Self.slash) }

    func appending(_ name: some Sequence<UInt8>) -> EntryPath {
        EntryPath(clean: isRoot ? Array(name) : bytes + [Self.slash] + name)
    }

    /// NUL-terminated, for the kernel; the root is ".".
    var kernelPath: [CChar] { isRoot ? [46, 0] : Self.terminated(bytes[...]) }
    /// The last component alone, likewise.
    var kernelName: [CChar] { isRoot ? [46, 0] : Self.terminated(name) }

    private static func terminated(_ bytes: ArraySlice<UInt8>) -> [CChar] {
        var result = [CChar](repeating: 0, count: bytes.count + 1)
        for (index, byte) in bytes.enumerated() { result[index] = CChar(bitPattern: byte) }
        return result
    }

    /// For messages.
    var text: String { isRoot ? "/" : String(decoding: bytes, as: UTF8.self) }
}

/// Why an entry is not obeyed; the extractor adds which one.
struct Refusal: Error, Hashable {
    var reason: String
    init(_ reason: String) { self.reason = reason }
}

/// What the entry's name says of the layers below (OCI image spec, layer.md, "Whiteouts").
enum Whiteout: Hashable {
    /// That name of theirs is gone.
    case of(EntryPath)
    /// Everything of theirs in that directory is gone.
    case opaque(EntryPath)
    /// Bookkeeping of AUFS: no file.
    case bookkeeping

    private static let prefix = Array(".wh.".utf8)
    private static let opaqueName = Array(".wh..wh..opq".utf8)

    /// nil for an ordinary entry.
    init?(_ path: EntryPath) throws(Refusal) {
        // Below a directory of AUFS's own (hard links kept aside) lies nothing that an image shows.
        if let above = path.parent.components.first(where: { $0.starts(with: Self.prefix) }) {
            guard above.starts(with: Self.prefix + Self.prefix) else {
                throw Refusal("it lies inside a whiteout, which is no directory")
            }
            self = .bookkeeping
            return
        }
        guard path.name.starts(with: Self.prefix) else { return nil }
        if path.name.elementsEqual(Self.opaqueName) {
            self = .opaque(path.parent)
        } else if path.name.starts(with: Self.prefix + Self.prefix) {
            self = .bookkeeping
        } else {
            let hidden = Array(path.name.dropFirst(Self.prefix.count))
            guard !hidden.isEmpty, hidden != [46], hidden != [46, 46] else {
                throw Refusal("it is a whiteout of \"\(String(decoding: hidden, as: UTF8.self))\", which is no name")
            }
            self = .of(path.parent.appending(hidden))
        }
    }
}

struct LayerEntry {
    enum Kind: Hashable {
        case directory
        case file(size: Int64)
        case symbolicLink(target: [UInt8])
        case hardLink(target: EntryPath)
        case fifo
        case device(isBlock: Bool, major: UInt32, minor: UInt32)
    }

    struct Attribute: Hashable {
        var name: String
        var value: [UInt8]
    }

    var path: EntryPath
    var kind: Kind
    /// Permission, set-id and sticky bits.
    var mode: UInt32
    var uid: UInt32
    var gid: UInt32
    var seconds: Int
    var nanoseconds: Int
    var attributes: [Attribute]
}

/// Kinds of files in `st_mode` (inode(7)): the C library and libarchive both bring macros of these names.
enum FileType {
    static let mask: UInt32 = 0o170000
    static let regular: UInt32 = 0o100000
    static let directory: UInt32 = 0o040000
    static let symbolicLink: UInt32 = 0o120000
    static let fifo: UInt32 = 0o010000
    static let character: UInt32 = 0o020000
    static let block: UInt32 = 0o060000
}
