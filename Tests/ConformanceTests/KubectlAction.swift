// One thing that people do with kubectl, and what must come of it: a value, so that the table of actions reads as data.
import JSON
import KubernetesClient
import KubernetesModel

struct KubectlAction: Sendable {
    typealias Step = @Sendable (KubectlSession) async throws -> Void

    var name: String
    var arguments: [String]
    /// A manifest that is written to a file and given with -f.
    var manifest: String?
    var exit: Int32 = 0
    /// What must be there before.
    var before: Step?
    /// For what does not end by itself: done once `untilFirst` was printed; the program is ended once `until` is.
    var meanwhile: Step?
    var untilFirst = ""
    var until = ""
    var checks: [Check] = []
    /// Why it is not among this server's promises yet. It is tried all the same: it must be refused, not break anything.
    var postponed: String?

    init(_ name: String, _ command: String, manifest: String? = nil, exit: Int32 = 0, before: Step? = nil, _ checks: [Check]) {
        self.init(
            name, arguments: command.split(separator: " ").map(String.init), manifest: manifest, exit: exit, before: before,
            checks)
    }

    init(
        _ name: String, arguments: [String], manifest: String? = nil, exit: Int32 = 0, before: Step? = nil, _ checks: [Check]
    ) {
        self.name = name
        self.arguments = arguments
        self.manifest = manifest
        self.exit = exit
        self.before = before
        self.checks = checks
    }

    /// `says` is what kubectl must print of the server's refusal.
    static func postponed(
        _ name: String, _ command: String, manifest: String? = nil, says: String, because reason: String
    ) -> KubectlAction {
        var action = KubectlAction(name, command, manifest: manifest, exit: 1, [.complains(says)])
        action.postponed = reason
        return action
    }

    /// A program that goes on until `until` is printed.
    static func following(
        _ name: String, _ command: String, untilFirst: String, meanwhile: @escaping Step, until: String, exit: Int32 = 1,
        _ checks: [Check]
    ) -> KubectlAction {
        var action = KubectlAction(name, command, exit: exit, checks)  // 1: kubectl's own end at an interrupt, but for port-forward
        action.untilFirst = untilFirst
        action.meanwhile = meanwhile
        action.until = until
        return action
    }
}

/// Something that must hold after an action.
enum Check: Sendable {
    /// The whole standard output but for white space at its ends.
    case printsExactly(String)
    case prints(String)
    case doesNotPrint(String)
    /// On standard error.
    case complains(String)
    /// The header is exactly this, and each row is among those printed; nil stands for any cell.
    case table([String], rows: [[String?]])
    /// No row begins with this cell.
    case noRow(String)
    /// Standard output is JSON with this value at this place.
    case json([String], JSONValue)
    /// These calls were made in this order: "GET /api/v1/nodes?limit=500 200"; query members may be fewer than were sent.
    case calls([String])
    case callsExactly([String])
    /// Only for this version of kubectl ("1.28"); nil stands for all others.
    case only(String?, [KubectlCheck])
    /// What the server holds afterwards.
    case object(GroupVersionResource, String, [String], JSONValue)
    case gone(GroupVersionResource, String)
    /// What was sent: this call's body had this media type.
    case never(String)
}

/// The box that lets `Check.only` hold checks.
struct KubectlCheck: Sendable {
    var check: [Check]
    init(_ check: Check...) { self.check = check }
}
