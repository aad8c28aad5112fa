// Whom an image's process runs as: `User` of its config, by number or by a name in the image's own /etc/passwd and /etc/group.
import CLinux
import Glibc

/// Ids inside the container.
public struct ImageAccount: Sendable, Hashable {
    public var uid: UInt32
    public var gid: UInt32
    /// Further groups that the image's /etc/group puts the user in.
    public var groups: [UInt32]
    public var home: String?

    public init(uid: UInt32 = 0, gid: UInt32 = 0, groups: [UInt32] = [], home: String? = nil) {
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.home = home
    }
}

/// passwd(5) and group(5), as far as they can be read: what is no entry is passed over. Pure.
struct ImageAccounts {
    struct Malformed: Error, Hashable {
        var reason: String
    }

    private var users: [(name: Substring, uid: UInt32, gid: UInt32, home: Substring)] = []
    private var groups: [(name: Substring, gid: UInt32, members: [Substring])] = []

    init(passwd: String, group: String) {
        for line in passwd.split(whereSeparator: \.isNewline) {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count >= 4, let uid = UInt32(fields[2]), let gid = UInt32(fields[3]) else { continue }
            users.append((fields[0], uid, gid, fields.count > 5 ? fields[5] : ""))
        }
        for line in group.split(whereSeparator: \.isNewline) {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count >= 3, let gid = UInt32(fields[2]) else { continue }
            groups.append((fields[0], gid, fields.count > 3 ? fields[3].split(separator: ",") : []))
        }
    }

    /// `text`: "", "user", "uid", "user:group", "uid:gid". As runtimes do: a number needs no entry; a name without one is an error.
    func account(_ text: String) throws(Malformed) -> ImageAccount {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let user = parts.first ?? ""
        var account = ImageAccount()
        var name: Substring?
        if !user.isEmpty, let uid = UInt32(user) {
            account.uid = uid
        } else if !user.isEmpty {
            guard users.contains(where: { $0.name == user }) else {
                throw Malformed(reason: "its user \"\(user)\" is not in the image's /etc/passwd")
            }
            name = user
        }
        if let entry = users.first(where: { entry in name.map { entry.name == $0 } ?? (entry.uid == account.uid) }) {
            (account.uid, account.gid, name) = (entry.uid, entry.gid, entry.name)
            if !entry.home.isEmpty { account.home = String(entry.home) }
        }
        if parts.count > 1, !parts[1].isEmpty {
            if let gid = UInt32(parts[1]) {
                account.gid = gid
            } else if let entry = groups.first(where: { $0.name == parts[1] }) {
                account.gid = entry.gid
            } else {
                throw Malformed(reason: "its group \"\(parts[1])\" is not in the image's /etc/group")
            }
        } else if let name {
            account.groups = groups.filter { $0.members.contains(name) && $0.gid != account.gid }.map(\.gid)
        }
        return account
    }
}

extension ImageStore {
    private static let maximumAccountBytes = 4 << 20

    /// Whom the image's config names, by the image's own files. `user` stands in for the config's. Unpacks what is not unpacked.
    public func account(of image: StoredImage, user: String? = nil) throws(ImageStoreError) -> ImageAccount {
        let lock = try holdContents()
        defer { withExtendedLifetime(lock) {} }
        let contents = try contents(of: image)
        let subject = image.reference.description
        var texts = ["", ""]
        if overlaysWork {
            let chain = try layers.unpack(contents, from: blobs, subject: subject, policy: extractionPolicy)
            let trees = chain.ids.reversed().map { layers.tree($0) }
            if let top = trees.first {
                // The kernel makes an overlay of two layers at least.
                let root =
                    trees.count == 1
                    ? try TreeRoot(path: top, subject: subject)
                    : TreeRoot(fd: try Overlay.make(lower: trees, upper: nil, work: nil), subject: subject)
                for (index, name) in ["etc/passwd", "etc/group"].enumerated() { texts[index] = try Self.text(name, in: root) }
            }
        }
        do throws(ImageAccounts.Malformed) {
            return try ImageAccounts(passwd: texts[0], group: texts[1]).account(user ?? contents.config.process.user ?? "")
        } catch {
            throw .invalid(file: subject, field: "config.User", reason: error.reason)
        }
    }

    /// Empty when there is no such file.
    private static func text(_ name: String, in root: TreeRoot) throws(ImageStoreError) -> String {
        // A pipe put there must not hold us up.
        let file = clinux_open_below(root.fd, name, O_RDONLY | O_NONBLOCK, 0)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var facts = stat()
        guard fstat(file, &facts) == 0, facts.st_mode & FileType.mask == FileType.regular else { return "" }
        guard facts.st_size <= maximumAccountBytes else {
            throw .tooLarge(subject: "\(root.subject): \(name)", limit: "\(maximumAccountBytes) bytes")
        }
        var bytes = [UInt8](repeating: 0, count: Int(facts.st_size))
        let count = pread(file, &bytes, bytes.count, 0)
        guard count >= 0 else { throw .inputOutput(file: "\(root.subject): \(name)", operation: "read", errno: errno) }
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
