// Aligned columns. Widths count characters, the last column is never padded.

struct RunTable {
    var header: [String] = []
    var rows: [[String]]

    var text: String {
        let all = (header.isEmpty ? [] : [header]) + rows
        let columns = all.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in all.map { column < $0.count - 1 ? $0[column].count : 0 }.max() ?? 0 }
        var text = ""
        for row in all {
            for (column, cell) in row.enumerated() {
                text += cell
                if column < row.count - 1 { text += String(repeating: " ", count: widths[column] - cell.count + 2) }
            }
            while text.last == " " { text.removeLast() }
            text += "\n"
        }
        return text
    }
}
