// Names of copies in the target namespace: the same in every life of the agent, different for different pods, so that making a copy
// twice is once, and two domains may share the namespace.
import AgentCore

struct ClusterNames: Sendable, Hashable {
    /// Of a pod's name; with the mark the whole fits a label (RFC 1123, 63).
    static let longestPrefix = 44
    /// Of an object's name (RFC 1123 subdomain).
    static let longest = 253

    /// The pod's copy, and its Service.
    let pod: String

    /// `source` and `uid` make it unique, the name makes it readable.
    init(source: String, namespace: String, name: String, uid: String) {
        let hash = StableHash.of("\(source)\u{0}\(namespace)\u{0}\(name)\u{0}\(uid)")
        let mark = String(hash, radix: 36)
        let readable = name.utf8.prefix(Self.longestPrefix).map { Self.isPlain($0) ? $0 : UInt8(ascii: "-") }
        var prefix = String(decoding: readable, as: UTF8.self)
        while prefix.hasSuffix("-") { prefix.removeLast() }
        pod = "\(prefix)-\(String(repeating: "0", count: 13 - mark.utf8.count))\(mark)"
    }

    /// The anchor: the ConfigMap with fields of the pod as files, which owns the copy's other objects.
    var fields: String { Self.anchor(of: pod) }

    static func anchor(of copy: String) -> String { "\(copy)-fields" }

    /// The copy of a ConfigMap or Secret for this pod. `rendered`: with its templates filled in.
    func object(_ name: String, rendered: Bool = false) -> String {
        let full = "\(pod).\(name)" + (rendered ? ".rendered" : "")
        if full.utf8.count <= Self.longest { return full }
        return "\(pod).\(String(StableHash.of(full), radix: 36))"
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
        default: false
        }
    }
}
