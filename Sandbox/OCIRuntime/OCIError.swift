// What can go wrong, as a closed set. Engines match on parts of runc's messages, so those keep runc's words.

import Glibc

public enum OCIError: Error, Sendable, Hashable {
    /// A property of config.json, a flag or an id that is not as the specification says; `field` is its path.
    case invalid(field: String, reason: String)
    /// A property that is well formed but cannot be enforced here; never passed over in silence.
    case unsupported(field: String, reason: String)
    case notFound
    case alreadyExists
    /// The container is in the wrong state for this operation.
    case conflict(String)
    /// A system call: what was being done, to what, and why it failed.
    case system(stage: String, errno: Int32, subject: String)
    /// The launcher's stage that failed inside the container's set-up.
    case launch(stage: String, errno: Int32)
    case hook(kind: String, index: Int, reason: String)
    case usage(String)

    static func system(_ stage: String, _ subject: String = "") -> OCIError {
        .system(stage: stage, errno: errno, subject: subject)
    }
}

extension OCIError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .invalid(let field, let reason): "\(field): \(reason)"
        case .unsupported(let field, let reason): "\(field): \(reason)"
        case .notFound: "container does not exist"
        case .alreadyExists: "container with given ID already exists"
        case .conflict(let text), .usage(let text): text
        case .system(let stage, let code, let subject):
            "\(stage)\(subject.isEmpty ? "" : " \(subject)"): \(Self.text(code))"
        case .launch(let stage, let code): Self.launchText(stage, code)
        case .hook(let kind, let index, let reason): "error running \(kind) hook #\(index): \(reason)"
        }
    }

    /// strerror(3) in lower case, as Go prints it: engines look for "no such file or directory".
    static func text(_ code: Int32) -> String {
        let text = String(cString: strerror(code))
        return text.prefix(1).lowercased() + text.dropFirst()
    }

    /// The executable's failure is the one that engines tell apart (exit status 127 and 126).
    private static func launchText(_ stage: String, _ code: Int32) -> String {
        if stage.hasPrefix("exec("), stage.hasSuffix(")") {
            let program = stage.dropFirst(5).dropLast()
            let reason = code == ENOENT && !program.contains("/") ? "executable file not found in $PATH" : text(code)
            return "unable to start container process: exec: \"\(program)\": \(reason)"
        }
        return "unable to start container process: \(stage)\(code == 0 ? "" : ": \(text(code))")"
    }
}
