// state and list.

import JSON

enum StateCommand {
    static func state(_ words: [String], _ lifecycle: ContainerLifecycle) throws(OCIError) {
        let id = try CommandOptions(words, flags: [], verb: "state").oneArgument("state")
        let container = try lifecycle.directory.load(id)
        let state = container.state(lifecycle.directory.status(of: container), complete: true)
        CommandLog.print(JSONValue.object(state).serializedString(pretty: true) + "\n")
    }

    static func list(_ words: [String], _ lifecycle: ContainerLifecycle) throws(OCIError) {
        let options = try CommandOptions(words, flags: [.value("format", "f"), .toggle("quiet", "q")], verb: "list")
        let directory = lifecycle.directory
        let ids = try directory.ids()
        try directory.checkIsThere()
        // A container that goes meanwhile, or whose record is broken, is none to list.
        let states = ids.compactMap { id -> JSONObject? in
            guard let container = try? directory.load(id) else { return nil }
            var state = container.state(directory.status(of: container), complete: true)
            state["owner"] = .string(directory.owner(id))
            return state
        }
        if options.has("quiet") {
            CommandLog.print(states.map { "\(text($0, "id"))\n" }.joined())
            return
        }
        switch options.value("format") ?? "table" {
        case "table": CommandLog.print(table(states))
        case "json":
            CommandLog.print((states.isEmpty ? "null" : JSONValue.array(states.map { .object($0) }).serializedString()) + "\n")
        default: throw .usage("invalid format option")
        }
    }

    private static func text(_ state: JSONObject, _ key: String) -> String {
        state[key].map { $0.stringValue ?? "\($0)" } ?? ""
    }

    private static func table(_ states: [JSONObject]) -> String {
        let columns = ["id", "pid", "status", "bundle", "created", "owner"]
        let rows = [columns.map { $0.uppercased() }] + states.map { state in columns.map { text(state, $0) } }
        let widths = columns.indices.map { column in max(10, rows.map { $0[column].count }.max() ?? 0) + 2 }
        return rows.map { row in
            row.indices.map { column in
                column == columns.count - 1
                    ? row[column] : row[column] + String(repeating: " ", count: widths[column] - row[column].count)
            }.joined() + "\n"
        }.joined()
    }
}
