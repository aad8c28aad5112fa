// The job on the terminal: a table that is drawn again as things change, or a line per change where nobody watches.

struct JobReport {
    private let terminal: Terminal
    private var drawn: RedrawnText
    private var printed: Set<String> = []

    init(terminal: Terminal) {
        self.terminal = terminal
        drawn = RedrawnText(terminal)
    }

    mutating func show(_ view: JobView, note: String?, now: Double) {
        if terminal.isInteractive {
            drawn.draw(lines(view, note: note, now: now))
        } else {
            printChanges(view, note: note, now: now)
        }
    }

    private func lines(_ view: JobView, note: String?, now: Double) -> [String] {
        let elapsed = view.elapsedSeconds(now: now).map { "  " + HumanText.duration(seconds: $0) } ?? ""
        var lines = [terminal.styled("Job \(view.name)", .bold) + "  \(styled(view.phase))\(elapsed)"]
        lines += table(view.rows(now: now)).lines.map { "  " + $0 }
        if let cause = view.waitsFor { lines.append("  " + terminal.styled(cause, .yellow)) }
        if let note { lines.append("  " + terminal.styled(note, .yellow)) }
        return lines
    }

    private func table(_ rows: [JobView.Row]) -> TextTable {
        let roles = Self.showRoles(rows)
        var table = TextTable(header: ["TASK", "PARTY"] + (roles ? ["ROLE"] : []) + ["NODE", "PHASE", "ELAPSED", "REASON"])
        table.rows = rows.map { row in
            [row.task, row.party] + (roles ? [row.role] : []) + [
                row.node.isEmpty ? "-" : row.node, row.phase,
                row.elapsedSeconds.map { HumanText.duration(seconds: $0) } ?? "-", row.reason,
            ]
        }
        let terminal = terminal
        table.style = { _, column, text in column == (roles ? 4 : 3) ? Self.styled(text, terminal) : text }
        return table
    }

    /// Whether a domain takes part in a task in several roles: then its rows need them to be told apart.
    private static func showRoles(_ rows: [JobView.Row]) -> Bool {
        Dictionary(grouping: rows) { [$0.task, $0.party] }.values.contains { $0.count > 1 }
    }

    /// Each phase of each row once, in the order of events.
    private mutating func printChanges(_ view: JobView, note: String?, now: Double) {
        if let note { once("! \(note)", key: note) }
        once("job \(view.name): \(view.phase)", key: "job/\(view.phase)")
        if let cause = view.waitsFor { once("job \(view.name) waits: \(cause)", key: "wait/\(cause)") }
        let rows = view.rows(now: now)
        let roles = Self.showRoles(rows)
        for row in rows {
            let party = row.party + (roles && !row.role.isEmpty ? " (\(row.role))" : "")
            let reason = row.reason.isEmpty ? "" : " (\(row.reason))"
            let node = row.node.isEmpty ? "" : " on node \(row.node)"
            once(
                "task \(row.task), party \(party): \(row.phase)\(reason)\(node)",
                key: "\(row.task)/\(row.party)/\(row.role)/\(row.phase)/\(row.node)/\(row.reason)")
        }
    }

    private mutating func once(_ line: String, key: String) {
        if printed.insert(key).inserted { terminal.line(line) }
    }

    private func styled(_ phase: String) -> String { Self.styled(phase, terminal) }

    private static func styled(_ phase: String, _ terminal: Terminal) -> String {
        switch phase {
        case "Succeeded": terminal.styled(phase, .green)
        case "Failed", "Cancelled": terminal.styled(phase, .red)
        case "Running": terminal.styled(phase, .cyan)
        default: terminal.styled(phase, .dim)
        }
    }

    /// After the end: what each party's task used against its limit.
    static func usageTable(_ rows: [JobView.Row]) -> TextTable {
        let roles = showRoles(rows)
        var table = TextTable(
            header: ["TASK", "PARTY"] + (roles ? ["ROLE"] : [])
                + ["PHASE", "ELAPSED", "CPU TIME", "CPU LIMIT", "PEAK MEMORY", "MEMORY LIMIT"])
        table.rows = rows.map { row in
            [row.task, row.party] + (roles ? [row.role] : []) + [
                row.phase, row.elapsedSeconds.map { HumanText.duration(seconds: $0) } ?? "-",
                row.cpuSeconds.map { "\(($0 * 100).rounded() / 100) s" } ?? "-", row.cpuLimit ?? "none",
                row.peakMemoryBytes.map(HumanText.bytes) ?? "-", row.memoryLimit ?? "none",
            ]
        }
        return table
    }
}
