// One version of kubectl against one master: runs actions, sees the calls that were made, and says what did not hold.
import Glibc
import JSON
import KubernetesClient
import KubernetesModel

/// A kubectl of this machine.
struct KubectlVersion: Sendable, CustomStringConvertible {
    /// "1.28" or "newest".
    var description: String
    var path: String

    /// Where Scripts/setup puts them, then where Google's command line tools have theirs.
    static func find(_ name: String) throws -> KubectlVersion {
        let venv = "\(MasterLaboratory.repository)/.venv"
        let places =
            name == "newest"
            ? ["\(venv)/kubectl/bin/kubectl"]
            : ["\(venv)/kubectl-\(name)/bin/kubectl", "/usr/lib/google-cloud-sdk/bin/kubectl.\(name)"]
        guard let path = places.first(where: { access($0, X_OK) == 0 }) else {
            throw LaboratoryFailure("no kubectl \(name) at \(places.joined(separator: " or ")): Scripts/setup --test installs it")
        }
        return KubectlVersion(description: name, path: path)
    }
}

/// A request that kubectl made, from its own log.
struct KubectlCall: Sendable, CustomStringConvertible {
    var method: String
    var path: String
    var query: Set<String>
    var status: Int

    var description: String { "\(method) \(path)\(query.isEmpty ? "" : "?" + query.sorted().joined(separator: "&")) \(status)" }

    /// "GET /path?a=b&c=d 200".
    init?(_ text: some StringProtocol) {
        let words = text.split(separator: " ")
        guard words.count >= 3, let status = Int(words[2]) else { return nil }
        self.init(method: String(words[0]), target: String(words[1]), status: status)
    }

    init(method: String, target: String, status: Int) {
        let parts = target.split(separator: "?", maxSplits: 1)
        self.method = method
        path = String(parts.first ?? "")
        query = Set(parts.count > 1 ? parts[1].split(separator: "&").map { String($0).removingPercentEncodings } : [])
        self.status = status
    }

    /// Reads -v=6's lines: "... GET https://host/path 200 OK in 5 milliseconds" and
    /// `"Response" verb="GET" url="https://host/path" status="200 OK"`.
    static func all(in log: String) -> [KubectlCall] {
        log.split(separator: "\n").compactMap { line in
            if line.contains("\"Response\" verb="), let verb = member("verb", of: line), let url = member("url", of: line),
                let status = member("status", of: line)?.split(separator: " ").first.flatMap({ Int($0) })
            {
                return KubectlCall(method: verb, target: target(url), status: status)
            }
            guard line.contains("round_trippers.go"), let bracket = line.firstIndex(of: "]") else { return nil }
            let words = line[line.index(after: bracket)...].split(separator: " ")
            guard words.count > 3, words[1].hasPrefix("https://"), let status = Int(words[2]) else { return nil }
            return KubectlCall(method: String(words[0]), target: target(String(words[1])), status: status)
        }
    }

    private static func member(_ name: String, of line: Substring) -> String? {
        guard let start = line.firstRange(of: "\(name)=\"") else { return nil }
        return String(line[start.upperBound...].prefix { $0 != "\"" })
    }

    private static func target(_ url: String) -> String {
        "/" + url.drop { $0 != "/" }.dropFirst(2).drop { $0 != "/" }.dropFirst()
    }

    func satisfies(_ wanted: KubectlCall) -> Bool {
        method == wanted.method && path == wanted.path && status == wanted.status && wanted.query.isSubset(of: query)
    }
}

extension String {
    /// Percent-encodings decoded; what is none stays.
    var removingPercentEncodings: String {
        var bytes: [UInt8] = []
        var rest = Array(utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

struct KubectlSession: Sendable {
    let version: KubectlVersion
    let laboratory: MasterLaboratory
    let cache: String

    init(_ version: KubectlVersion, _ laboratory: MasterLaboratory) {
        self.version = version
        self.laboratory = laboratory
        cache = "\(laboratory.directory)/cache"
    }

    /// What did not hold; empty when all did.
    func run(_ action: KubectlAction) async -> [String] {
        do {
            try await action.before?(self)
            var arguments = action.arguments
            if let manifest = action.manifest {
                arguments += ["-f", try laboratory.file("\(action.name.filter(\.isLetter)).yaml", manifest)]
            }
            let program = try Program(
                [version.path, "--kubeconfig", laboratory.kubeconfig, "--cache-dir", cache, "-v=6"] + arguments,
                directory: laboratory.directory)
            if let meanwhile = action.meanwhile {
                try await follow(program, action, meanwhile)
            }
            let result = try await program.result(within: .seconds(40))
            return try await failures(of: action, result)
        } catch {
            return ["\(error)"]
        }
    }

    private func follow(_ program: Program, _ action: KubectlAction, _ meanwhile: KubectlAction.Step) async throws {
        defer { program.signal(SIGINT) }
        let state = { program.output + program.errors.suffix(2000) }
        try await eventually("\(action.untilFirst) is printed", state: state) { program.output.contains(action.untilFirst) }
        try await meanwhile(self)
        try await eventually("\(action.until) is printed", state: state) { program.output.contains(action.until) }
    }

    private func failures(of action: KubectlAction, _ result: Program.Result) async throws -> [String] {
        let calls = KubectlCall.all(in: result.errors)
        var failures: [String] = []
        if result.status != action.exit { failures.append("exit status: expected \(action.exit), found \(result.status)") }
        // Whatever was asked, a server's own failure is none of the answers.
        failures += calls.filter { $0.status >= 500 }.map { "a call ended in \($0)" }
        for check in action.checks {
            if let failure = try await verdict(check, result, calls) { failures.append(failure) }
        }
        guard !failures.isEmpty else { return [] }
        let log = result.errors.split(separator: "\n").filter { !$0.contains("envvar.go") && !$0.contains("loader.go") }.joined(
            separator: "\n")
        return failures + [
            "kubectl \(action.arguments.joined(separator: " "))\n--- output\n\(result.output.prefix(6000))\n--- errors\n\(log.suffix(5000))"
        ]
    }

    /// nil: it holds.
    private func verdict(_ check: Check, _ result: Program.Result, _ calls: [KubectlCall]) async throws -> String? {
        let output = result.output
        switch check {
        case .printsExactly(let text):
            return output.trimmed == text.trimmed ? nil : "expected exactly: \(text)"
        case .prints(let text):
            return output.contains(text) || output.squeezed.contains(text.squeezed) ? nil : "expected in the output: \(text)"
        case .doesNotPrint(let text): return output.contains(text) ? "not expected in the output: \(text)" : nil
        case .complains(let text): return result.errors.contains(text) ? nil : "expected on standard error: \(text)"
        case .table(let header, let rows): return PrintedTable(output).mismatch(header, rows)
        case .noRow(let cell):
            return PrintedTable(output).rows.contains { $0.first == cell } ? "not expected: a row \(cell)" : nil
        case .json(let path, let value):
            let found = try JSONValue(parsing: output).member(at: path)
            return found == value
                ? nil : "\(path.joined(separator: ".")): expected \(value), found \(found.map(\.description) ?? "nothing")"
        case .calls(let wanted): return Self.missing(wanted, calls)
        case .callsExactly(let wanted):
            return calls.count == wanted.count ? Self.missing(wanted, calls) : "expected just the calls \(wanted), found \(calls)"
        case .never(let method):
            return calls.contains { $0.method == method } ? "not expected: a call of \(method), found \(calls)" : nil
        case .only(let name, let boxes):
            guard (name == "1.28") == (version.description == "1.28") else { return nil }
            for check in boxes.flatMap(\.check) {
                if let failure = try await verdict(check, result, calls) { return failure }
            }
            return nil
        case .object(let resource, let name, let path, let value):
            let (namespace, name) = Self.place(name)
            let object = try JSONValue(
                parsing: await laboratory.api.get(resource, namespace: namespace, name: name, subresource: nil))
            let found = object.member(at: path)
            return found == value
                ? nil
                : "\(name) \(path.joined(separator: ".")): expected \(value), found \(found.map(\.description) ?? "nothing")"
        case .gone(let resource, let name):
            let (namespace, name) = Self.place(name)
            do {
                let object = try await laboratory.api.get(resource, namespace: namespace, name: name, subresource: nil)
                return "\(name) is still there: \(String(decoding: object.prefix(2000), as: UTF8.self))"
            } catch let error as KubernetesAPIError where error.isNotFound { return nil }
        }
    }

    /// "NAMESPACE/NAME" or "NAME" of cluster scope.
    private static func place(_ name: String) -> (String?, String) {
        let parts = name.split(separator: "/").map(String.init)
        return parts.count == 2 ? (parts[0], parts[1]) : (nil, name)
    }

    private static func missing(_ wanted: [String], _ calls: [KubectlCall]) -> String? {
        var rest = calls[...]
        for text in wanted {
            guard let call = KubectlCall(text) else { return "the table has a malformed call: \(text)" }
            guard let index = rest.firstIndex(where: { $0.satisfies(call) }) else {
                return "expected the call \(call) (in this order), found \(calls)"
            }
            rest = rest[(index + 1)...]
        }
        return nil
    }
}

extension JSONValue {
    /// What is at a path; a number is an index into an array.
    func member(at path: [String]) -> JSONValue? {
        path.reduce(Optional(self)) { value, step in Int(step).flatMap { value?[$0] } ?? value?[step] }
    }
}

extension String {
    /// Every run of spaces as one: how far columns are apart depends on the version.
    var squeezed: String { split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ") }

    var trimmed: String {
        var view = self[...]
        while view.first?.isWhitespace == true { view.removeFirst() }
        while view.last?.isWhitespace == true { view.removeLast() }
        return String(view)
    }
}

/// What kubectl prints as a table: columns begin where their header does.
struct PrintedTable: Sendable {
    var header: [String] = []
    var rows: [[String]] = []

    init(_ text: String) {
        let lines = text.split(separator: "\n").map { Array($0) }
        guard let first = lines.first else { return }
        var starts: [Int] = []
        for (index, character) in first.enumerated()
        where character != " " && (index == 0 || (index >= 2 && first[index - 1] == " " && first[index - 2] == " ")) {
            starts.append(index)
        }
        let cells = { (line: [Character]) -> [String] in
            starts.indices.map { number in
                let end = number + 1 < starts.count ? min(starts[number + 1], line.count) : line.count
                return starts[number] < end ? String(line[starts[number]..<end]).trimmed : ""
            }
        }
        header = cells(first)
        rows = lines.dropFirst().map(cells)
    }

    func mismatch(_ wanted: [String], _ wantedRows: [[String?]]) -> String? {
        guard header == wanted else { return "columns: expected \(wanted), found \(header)" }
        for row in wantedRows
        where !rows.contains(where: { found in found.count == row.count && zip(found, row).allSatisfy { $1 == nil || $0 == $1 } })
        {
            return "expected a row \(row.map { $0 ?? "*" }), found \(rows)"
        }
        return nil
    }
}
