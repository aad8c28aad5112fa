// A small parser of flags in runc's style: `--name value`, `--name=value`, `-n value`, also behind the container's id where no program's words follow it.

struct CommandOptions {
    struct Flag {
        /// Long name first.
        let names: [String]
        let takesValue: Bool

        static func value(_ names: String...) -> Flag { Flag(names: names, takesValue: true) }
        static func toggle(_ names: String...) -> Flag { Flag(names: names, takesValue: false) }
    }

    private var values: [String: [String]] = [:]
    /// What stands behind the flags.
    private(set) var arguments: [String] = []

    /// `stopsAtFirst`: what stands behind the first plain word is somebody else's.
    init(_ words: some Sequence<String>, flags: [Flag], verb: String, stopsAtFirst: Bool = false) throws(OCIError) {
        var rest = Array(words)[...]
        while let word = rest.first {
            if !word.hasPrefix("-") || word == "-" {
                if stopsAtFirst { break }
                arguments.append(word)
                rest = rest.dropFirst()
                continue
            }
            rest = rest.dropFirst()
            if word == "--" { break }
            let body = word.drop { $0 == "-" }
            let equals = body.firstIndex(of: "=")
            let name = String(body[..<(equals ?? body.endIndex)])
            guard let flag = flags.first(where: { $0.names.contains(name) }) else {
                throw .usage("\(verb): flag provided but not defined: -\(name)")
            }
            var value = equals.map { String(body[body.index(after: $0)...]) }
            if value == nil, flag.takesValue {
                guard let next = rest.popFirst() else { throw .usage("\(verb): flag needs an argument: -\(name)") }
                value = next
            }
            values[flag.names[0], default: []].append(value ?? "true")
        }
        arguments += rest
    }

    func value(_ name: String) -> String? { values[name]?.last }
    func all(_ name: String) -> [String] { values[name] ?? [] }
    /// `--name`, `--name=true`; `--name=false` takes it back.
    func has(_ name: String) -> Bool { values[name]?.last.map { $0 != "false" && $0 != "0" } ?? false }

    func integer(_ name: String) throws(OCIError) -> Int64? {
        guard let text = value(name) else { return nil }
        guard let number = Int64(text) else { throw .usage("invalid value \"\(text)\" for flag -\(name)") }
        return number
    }

    /// The single argument that most verbs take.
    func oneArgument(_ verb: String) throws(OCIError) -> String {
        guard arguments.count == 1 else { throw .usage("\"\(verb)\" requires exactly 1 argument(s)") }
        return arguments[0]
    }
}
