// One option of the command line: its name, its value's name, what it says of itself, what it sets. The list is data:
// the parser, `--help` and the tests read the same.

public struct RunOption: Sendable {
    public enum Group: String, Sendable, CaseIterable {
        case fileSystem = "File system"
        case limits = "Limits"
        case isolation = "Isolation"
        case process = "Process"
        case supervision = "Supervision"
    }

    /// Two dashes included.
    public let name: String
    /// One letter with its dash.
    let short: String?
    /// nil: a switch.
    let value: String?
    let group: Group
    let help: String
    let apply: @Sendable (inout RunOptions, String) throws(RunFailure) -> Void

    init(
        _ name: String, short: String? = nil, takes value: String? = nil, _ group: Group, _ help: String,
        _ apply: @escaping @Sendable (inout RunOptions, String) throws(RunFailure) -> Void
    ) {
        self.name = name
        self.short = short
        self.value = value
        self.group = group
        self.help = help
        self.apply = apply
    }

    static let all = fileSystem + limits + isolation + process + supervision
}
