// The lines that a pod's /etc/hosts gets beside its own: from the pod's hostAliases and from the task's hosts ConfigMap.
import KubernetesModel
import RuntimeInterface

enum HostsFile {
    /// Key of the ConfigMap.
    static let key = "hosts"

    /// "IP name name # comment" per line, as in hosts(5). Throws the number of a line that is not so.
    static func parse(_ text: String) throws(HostsFileError) -> [HostAlias] {
        var aliases: [HostAlias] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" || $0 == "\r" }.map(String.init)
            guard let address = words.first else { continue }
            guard words.count > 1, address.allSatisfy({ $0.isHexDigit || $0 == "." || $0 == ":" }) else {
                throw HostsFileError(line: index + 1, text: String(line))
            }
            aliases.append(HostAlias(ip: address, hostnames: Array(words.dropFirst())))
        }
        return aliases
    }

    static func format(_ aliases: [HostAlias]) -> String {
        aliases.map { ([$0.ip] + $0.hostnames).joined(separator: " ") + "\n" }.joined()
    }
}

struct HostsFileError: Error, Sendable, Hashable, CustomStringConvertible {
    var line: Int
    var text: String
    var description: String { "hosts line \(line): expected \"IP name...\", found \"\(text)\"" }
}
