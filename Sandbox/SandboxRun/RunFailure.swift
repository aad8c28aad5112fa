// Why `swiftlet run` does not run: the field, what was found, what is expected, what to do about it.

public struct RunFailure: Error, Sendable, Hashable, CustomStringConvertible {
    /// The option ("--memory") or the part of the machine ("launcher") that is wrong.
    public var field: String
    public var found: String
    public var expected: String
    public var hint: String?

    public init(field: String, found: String, expected: String, hint: String? = nil) {
        self.field = field
        self.found = found
        self.expected = expected
        self.hint = hint
    }

    public var description: String {
        let sentence = "\(field): found \(found), expected \(expected)"
        return hint.map { "\(sentence)\nHint: \($0)" } ?? sentence
    }
}

/// Exit statuses of `swiftlet run` itself, as other container runtimes give them; any other is the task's own
/// (128 + N when signal N ended it).
public enum RunExit {
    /// The task was not started: options, machine, set-up.
    public static let failure: Int32 = 125
    /// The command exists but cannot be executed.
    public static let notExecutable: Int32 = 126
    /// The command was not found.
    public static let notFound: Int32 = 127
}
