// Administrators' tokens from a file, in Kubernetes' format: one `token,user,uid,"group1,group2"` a line.
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file
import APIServer
import PKI

extension StaticTokenAuthenticator {
    /// A token shorter than this can be guessed.
    static let minimumTokenBytes = 16

    /// Throws when the file can be read by others, or a line is not understood; names the line, never its token.
    public init(file path: String) throws {
        var tokens: [(token: String, user: UserInfo)] = []
        for (index, line) in try SecretFile.read(path).split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.filter { $0 != "\r" }
            if line.allSatisfy(\.isWhitespace) || line.first == "#" { continue }
            func refuse(_ why: String) -> PKIError { .malformed(what: "\(path), line \(index + 1)", why: why) }
            guard let fields = Self.fields(line), fields.count >= 3 else {
                throw refuse("expected token,user,uid and perhaps \"group1,group2\"")
            }
            guard fields[0].utf8.count >= Self.minimumTokenBytes else {
                throw refuse("the token is shorter than \(Self.minimumTokenBytes) bytes")
            }
            guard !fields[1].isEmpty else { throw refuse("the user's name is empty") }
            let groups = fields.count > 3 ? fields[3].split(separator: ",").map(String.init) : []
            tokens.append((fields[0], UserInfo(name: fields[1], uid: fields[2].isEmpty ? nil : fields[2], groups: groups)))
        }
        self.init(tokens)
    }

    /// Comma-separated, a field with commas in double quotes. nil when a quote is not closed.
    static func fields(_ line: some StringProtocol) -> [String]? {
        var fields = [""]
        var isQuoted = false
        for character in line {
            switch character {
            case "\"": isQuoted.toggle()
            case "," where !isQuoted: fields.append("")
            default: fields[fields.count - 1].append(character)
            }
        }
        return isQuoted ? nil : fields
    }
}
