// A clause of the runtime specification as something to try on any runtime: each stands once, ours must pass it, and what
// another installed runtime does with it can be told.

import Glibc
import JSON

@testable import OCIRuntime

struct Clause: Sendable, CustomStringConvertible {
    /// The document and its heading.
    let section: String
    let promise: String
    let holds: @Sendable (_ runtime: (Bundle) -> Runtime) throws -> Bool

    init(_ section: String, _ promise: String, _ holds: @escaping @Sendable (_ runtime: (Bundle) -> Runtime) throws -> Bool) {
        self.section = section
        self.promise = promise
        self.holds = holds
    }

    var description: String { "\(section): \(promise)" }

    static let all: [Clause] = lifecycle + hooks + process + linux + limits

    /// The output of a shell script in a container of this configuration; nil when it did not end well.
    static func output(_ runtime: (Bundle) -> Runtime, _ script: String, _ change: (inout JSONValue) -> Void = { _ in }) throws
        -> [String]?
    {
        let bundle = try Bundle(change)
        try bundle.shell(script)
        let outcome = runtime(bundle).run(bundle)
        return outcome.succeeded ? outcome.lines : nil
    }

    /// Inside a created container, which is removed afterwards.
    static func created(
        _ runtime: (Bundle) -> Runtime, _ change: (inout JSONValue) -> Void = { _ in },
        _ body: (Bundle, Runtime, String) throws -> Bool
    ) throws -> Bool {
        let bundle = try Bundle(change)
        let runtime = runtime(bundle)
        let id = Bundle.newID()
        guard runtime.create(bundle, id).succeeded else { return false }
        defer { runtime.call(["delete", "--force", id]) }
        return try body(bundle, runtime, id)
    }
}
