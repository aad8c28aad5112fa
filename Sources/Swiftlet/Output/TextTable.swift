// Aligned columns, as kubectl prints them.

struct TextTable {
    var header: [String]
    var rows: [[String]]
    /// Styles the cell of (row, column) after alignment, so that escape sequences do not count as width.
    var style: (@Sendable (_ row: Int, _ column: Int, _ text: String) -> String)?

    init(header: [String], rows: [[String]] = []) {
        self.header = header
        self.rows = rows
    }

    private static let gap = 3

    var lines: [String] {
        let all = [header] + rows
        let widths = header.indices.map { column in
            all.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0
        }
        return all.enumerated().map { index, cells in line(cells, row: index - 1, widths: widths) }
    }

    private func line(_ cells: [String], row: Int, widths: [Int]) -> String {
        var text = ""
        for (column, cell) in cells.enumerated() where column < widths.count {
            let isLast = column == cells.count - 1
            let styled = row >= 0 ? style?(row, column, cell) ?? cell : cell
            text += styled
            if !isLast { text += String(repeating: " ", count: widths[column] - cell.count + Self.gap) }
        }
        return text
    }

    func print(to terminal: Terminal = .output) { lines.forEach { terminal.line($0) } }
}
