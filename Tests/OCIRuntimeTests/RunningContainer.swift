// A container that runs, for tests of verbs that need one.

import JSON
import Testing

/// A running container, which goes with the bundle when the body is through.
func withRunning(
    _ change: (inout JSONValue) -> Void = { _ in }, _ body: (Bundle, Runtime, String) throws -> Void
) throws {
    let bundle = try Bundle(change)
    try withExtendedLifetime(bundle) {
        let runtime = try Runtime.ours(bundle)
        let id = Bundle.newID()
        let created = runtime.create(bundle, id)
        try #require(created.succeeded, "\(created.errors)")
        try #require(runtime.call(["start", id]).succeeded)
        try body(bundle, runtime, id)
    }
}
