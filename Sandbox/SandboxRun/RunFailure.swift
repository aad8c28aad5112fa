// Why `swiftlet run` does not run: the field, what was found, what is expected, what to do about it.
import Glibc

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

    /// Instead of all that, where nothing was wrong with the words: what could not be written, and why.
    var sentence: String?

    public var description: String {
        let sentence = sentence ?? "\(field): found \(found), expected \(expected)"
        return hint.map { "\(sentence)\nHint: \($0)" } ?? sentence
    }

    /// By errno.
    static func unwritable(_ place: String, _ error: Int32 = errno) -> RunFailure {
        let reason = String(cString: strerror(error))
        var failure = RunFailure(
            field: place, found: reason, expected: "this to be written",
            hint: "is the disk full, the directory writable, or standard output closed?")
        failure.sentence = "cannot write \(place): \(reason)"
        return failure
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
