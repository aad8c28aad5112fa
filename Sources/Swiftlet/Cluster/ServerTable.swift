// The table that the server makes of objects (meta.k8s.io/v1 Table): its columns know each kind, we need not.
import JSON

struct ServerTable: Sendable {
    struct Column: Sendable {
        var name: String
        /// 0 is always shown, others only when wide.
        var priority: Int64
    }

    struct Row: Sendable {
        var cells: [String]
        var namespace: String
    }

    var columns: [Column]
    var rows: [Row]

    init(_ document: JSONValue) throws {
        guard document["kind"]?.stringValue == "Table" else {
            throw CommandFailure(
                "the server answered with a \(document["kind"]?.stringValue ?? "document without kind"), not a Table",
                hint: "-o yaml shows the objects themselves")
        }
        columns = (document["columnDefinitions"]?.arrayValue ?? []).map {
            Column(name: $0["name"]?.stringValue ?? "", priority: $0["priority"]?.intValue ?? 0)
        }
        rows = (document["rows"]?.arrayValue ?? []).map { row in
            Row(
                cells: (row["cells"]?.arrayValue ?? []).map(Self.text),
                namespace: row[path: "object", "metadata", "namespace"]?.stringValue ?? "")
        }
    }

    private static func text(_ cell: JSONValue) -> String {
        switch cell {
        case .string(let text): text
        case .null: "<none>"
        case .bool, .int, .double, .array, .object: cell.serializedString()
        }
    }

    func textTable(wide: Bool, showNamespace: Bool) -> TextTable {
        let shown = columns.indices.filter { wide || columns[$0].priority == 0 }
        var table = TextTable(header: (showNamespace ? ["NAMESPACE"] : []) + shown.map { columns[$0].name.uppercased() })
        table.rows = rows.map { row in
            (showNamespace ? [row.namespace] : []) + shown.map { row.cells.indices.contains($0) ? row.cells[$0] : "" }
        }
        return table
    }
}
