// The command line: `swiftlet run [options] [--] COMMAND [ARGUMENT...]`. Options end at the first word that is none.

extension RunOptions {
    /// What the words ask for.
    public enum Request: Sendable, Hashable {
        case run(RunOptions)
        case help
    }

    /// Throws `RunFailure` with the option's name.
    public static func parse(_ words: [String]) throws(RunFailure) -> Request {
        var options = RunOptions()
        var index = 0
        while index < words.count, words[index].hasPrefix("-"), words[index] != "-" {
            let word = words[index]
            index += 1
            if word == "--" { break }
            if word == "--help" || word == "-h" { return .help }
            let (name, attached) = split(word)
            guard let option = RunOption.named(name) else { throw unknown(name) }
            guard option.value != nil else {
                guard attached == nil else {
                    throw RunFailure(field: option.name, found: "a value", expected: "none: it is a switch")
                }
                try option.apply(&options, "")
                continue
            }
            if let attached {
                try option.apply(&options, attached)
            } else if option.valueIsOptional {
                try option.apply(&options, "")
            } else {
                guard index < words.count else {
                    throw RunFailure(field: option.name, found: "nothing behind it", expected: option.value ?? "a value")
                }
                try option.apply(&options, words[index])
                index += 1
            }
        }
        options.command = Array(words[index...])
        guard let command = options.command.first, !command.isEmpty else {
            throw RunFailure(
                field: "command", found: "nothing", expected: "a program to run",
                hint: "swiftlet run [options] -- COMMAND [ARGUMENT...]; --help lists the options")
        }
        return .run(options)
    }

    private static func split(_ word: String) -> (name: String, value: String?) {
        guard word.hasPrefix("--"), let equals = word.firstIndex(of: "=") else { return (word, nil) }
        return (String(word[..<equals]), String(word[word.index(after: equals)...]))
    }

    private static func unknown(_ name: String) -> RunFailure {
        let near = RunOption.all.map(\.name).filter { $0.hasPrefix(name) || name.hasPrefix($0) }
        return RunFailure(
            field: "option", found: name, expected: "an option of `swiftlet run`",
            hint: near.isEmpty
                ? "--help lists them; a command that begins with a dash stands behind --"
                : "did you mean \(near.joined(separator: ", "))?")
    }
}

extension RunOption {
    private static let index: [String: RunOption] = {
        var index: [String: RunOption] = [:]
        for option in all {
            index[option.name] = option
            if let short = option.short { index[short] = option }
        }
        return index
    }()

    static func named(_ name: String) -> RunOption? { index[name] }

    /// Its value, if any, follows an equals sign.
    var valueIsOptional: Bool { value?.hasPrefix("[") ?? false }
}

extension RunOptions {
    /// What `--help` prints.
    public static var help: String {
        var text = """
            Run a command in a sandbox of its own: nothing of this machine but what is named here, limits from the first
            instruction on, and no process left at the end.

            Usage: swiftlet run [options] [--] COMMAND [ARGUMENT...]

            """
        for group in RunOption.Group.allCases {
            let rows = RunOption.all.filter { $0.group == group }.map { option -> [String] in
                let value = option.value.map { $0.hasPrefix("[") ? $0 : " " + $0 } ?? ""
                return ["  " + (option.short.map { "\($0), " } ?? "    ") + option.name + value, option.help]
            }
            text += "\n\(group.rawValue):\n" + RunTable(rows: rows).text
        }
        return text + """

            Exit status: the task's; 128 + N when signal N ended it. Of swiftlet itself: 125 not started,
            126 the command cannot be executed, 127 it was not found.
            `swiftlet doctor` says what this machine can enforce.

            """
    }
}
