// The small files of /etc that a task gets instead of the host's.

public enum AccountFiles {
    public struct Host: Sendable, Hashable {
        public var address: String
        public var names: [String]

        public init(address: String, names: [String]) {
            self.address = address
            self.names = names
        }
    }

    /// `uid` is the task's own; libraries call getpwuid(3) and fail without an entry.
    public static func files(
        hostname: String, uid: UInt32, gid: UInt32, hosts: [Host], nameservers: [String], searches: [String],
        resolverOptions: [String] = []
    ) -> [SandboxSpec.File] {
        var passwd = "root:x:0:0:root:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        var group = "root:x:0:\nnogroup:x:65534:\n"
        if uid != 0, uid != 65_534 { passwd += "task:x:\(uid):\(gid):task:/tmp:/bin/sh\n" }
        if gid != 0, gid != 65_534 { group += "task:x:\(gid):\n" }
        var lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback", "127.0.0.1 \(hostname)"]
        for host in hosts where !host.names.isEmpty { lines.append(([host.address] + host.names).joined(separator: " ")) }
        var resolver = nameservers.map { "nameserver \($0)\n" }.joined()
        if !searches.isEmpty { resolver += "search \(searches.joined(separator: " "))\n" }
        if !resolverOptions.isEmpty { resolver += "options \(resolverOptions.joined(separator: " "))\n" }
        return [
            SandboxSpec.File(path: "/etc/passwd", contents: passwd),
            SandboxSpec.File(path: "/etc/group", contents: group),
            SandboxSpec.File(path: "/etc/hosts", contents: lines.joined(separator: "\n") + "\n"),
            SandboxSpec.File(path: "/etc/resolv.conf", contents: resolver),
            SandboxSpec.File(path: "/etc/hostname", contents: hostname + "\n"),
            SandboxSpec.File(
                path: "/etc/nsswitch.conf", contents: "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n"),
        ]
    }
}
