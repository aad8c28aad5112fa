// The end of a process' log, for a message about its death.

enum LogTail {
    static let lines = 8

    static func of(_ path: String) -> String {
        let text = FileText.read(path) ?? "(no log)"
        return text.split(separator: "\n").suffix(lines).map { "  | " + $0 }.joined(separator: "\n")
    }
}
