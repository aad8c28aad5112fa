// `--explain`: the plan that would be carried out, operation by operation, and what is not enforced.
import JSON
import SandboxPolicy

struct RunExplanation {
    let plan: RunPlan

    init(_ plan: RunPlan) { self.plan = plan }

    /// Operations in their order under the step that they belong to; a filter's bytes are counted, not shown.
    private var rows: [[String]] {
        var last = ""
        return plan.launch.text.split(separator: "\n").dropFirst().dropLast().map { line in
            let words = line.split(separator: " ").map(String.init)
            let name = words.first ?? ""
            let step = Self.steps[name] ?? "other"
            defer { last = step }
            let arguments = words.dropFirst().map {
                name == "seccomp" && $0.utf8.count >= 16 ? "(\($0.utf8.count / 16) instructions)" : Self.decoded($0)
            }
            return [step == last ? "" : step, name, arguments.joined(separator: " ")]
        }
    }

    var text: String {
        var text = RunTable(header: ["STEP", "OPERATION", "ARGUMENTS"], rows: rows).text
        guard !plan.unenforced.isEmpty else { return text + "\nEvery limit that was asked for is enforced.\n" }
        text += "\nNot enforced:\n"
        text +=
            RunTable(rows: plan.unenforced.map { ["  " + $0.option, $0.reason, $0.instead.map { "instead: \($0)" } ?? $0.fix] })
            .text
        return text
    }

    /// The same as data; `plan` is exactly what the launcher would read.
    var json: String {
        let operations = rows.indices.map { index -> JSONValue in
            let words = plan.launch.text.split(separator: "\n").dropFirst().dropLast()
            let line = words[words.startIndex + index].split(separator: " ").map { JSONValue.string(Self.decoded(String($0))) }
            return .object(JSONObject([("operation", line.first ?? ""), ("arguments", .array(Array(line.dropFirst())))]))
        }
        let value = JSONObject([
            ("id", .string(plan.spec.id)), ("operations", .array(operations)),
            ("unenforced", .array(plan.unenforced.map(\.json))),
            ("plan", .string(plan.launch.text)),
        ])
        return JSONValue.object(value).serializedString(pretty: true) + "\n"
    }

    /// A word as a person reads it: `%20` is a space again; what would not be seen stays encoded.
    static func decoded(_ word: String) -> String {
        if word == "\"\"" { return "\"\"" }
        var bytes: [UInt8] = []
        var rest = Array(word.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), code >= 0x20,
                code != 0x7f
            {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static let steps: [String: String] = {
        let groups: [(String, String)] = [
            ("supervision", "id log stdio grace terminal deadline denials learn start-gate"),
            (
                "limits",
                "cgroup-make cgroup-set cgroup cgroup-remove rlimit oom-score-adj umask nice scheduler io-priority cpu-affinity personality"
            ),
            ("namespaces", "namespace join-namespace time-offset uid-map gid-map owner rootless"),
            ("root", "root-tmpfs root-bind root-overlay root-propagation"),
            ("files", "mkdir symlink file bind tmpfs mount proc device device-node mask readonly root-readonly pivot"),
            ("system", "hostname domainname loopback sysctl"),
            ("identity", "enter-user-namespace securebits bounding-set user capabilities no-new-privs cwd"),
            ("second wall", "landlock landlock-path landlock-port landlock-scope"),
            ("program", "env arg"), ("system calls", "seccomp"),
        ]
        var steps: [String: String] = [:]
        for (step, names) in groups { for name in names.split(separator: " ") { steps[String(name)] = step } }
        return steps
    }()
}
