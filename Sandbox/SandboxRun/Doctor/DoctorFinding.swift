// One row of `swiftlet doctor`: a feature, whether it works here, why not, and what would change that.
import JSON

public struct DoctorFinding: Sendable, Hashable {
    public enum Group: String, Sendable, Hashable, CaseIterable {
        case namespaces = "Namespaces"
        case limits = "Limits"
        case fileSystem = "File system"
        case walls = "Second walls"
        case network = "Network"
        case node = "Node"
        /// Of the Lite whose configuration was given.
        case lite = "Lite"
    }

    public enum State: String, Sendable, Hashable {
        case works
        /// Works in part, or only for some.
        case limited
        case missing
    }

    public var group: Group
    public var feature: String
    public var state: State
    /// What was seen.
    public var detail: String
    /// Empty when there is nothing to do.
    public var fix: String
    /// Without it no sandbox is made at all, or one of its promises is empty.
    public var isEssential: Bool

    public init(
        _ group: Group, _ feature: String, _ state: State, _ detail: String = "", fix: String = "", essential: Bool = false
    ) {
        self.group = group
        self.feature = feature
        self.state = state
        self.detail = detail
        self.fix = state == .works ? "" : fix
        isEssential = essential
    }
}

public struct DoctorReport: Sendable {
    /// "root" or "uid N (rootless)".
    public var user: String
    public var findings: [DoctorFinding]
    /// Whether a Lite can work here: nothing of the sandbox.
    public var lite: [DoctorFinding] = []

    /// Every essential feature works, and the Lite can work.
    public var isHealthy: Bool { !(findings + lite).contains { $0.isEssential && $0.state == .missing } }

    public var text: String {
        let rows = DoctorFinding.Group.allCases.flatMap { group in
            findings.filter { $0.group == group }.map { [group.rawValue, $0.feature, $0.state.rawValue, $0.detail, $0.fix] }
        }
        let missing = findings.filter { $0.isEssential && $0.state == .missing }.map(\.feature)
        let verdict =
            missing.isEmpty
            ? "A sandbox can be made here.\n" : "No full sandbox here: \(missing.joined(separator: ", ")).\n"
        return "As \(user).\n\n" + RunTable(header: ["GROUP", "FEATURE", "STATE", "SEEN", "FIX"], rows: rows).text + "\n"
            + verdict
    }

    public var json: String {
        let entries = (findings + lite).map { finding -> JSONValue in
            .object(
                JSONObject([
                    ("group", .string(finding.group.rawValue)), ("feature", .string(finding.feature)),
                    ("state", .string(finding.state.rawValue)), ("detail", .string(finding.detail)),
                    ("fix", .string(finding.fix)),
                    ("essential", .bool(finding.isEssential)),
                ]))
        }
        let report = JSONObject([("user", .string(user)), ("healthy", .bool(isHealthy)), ("features", .array(entries))])
        return JSONValue.object(report).serializedString(pretty: true) + "\n"
    }
}
