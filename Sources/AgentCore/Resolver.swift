// How a pod's names are resolved: its dnsPolicy and dnsConfig, and the node's own resolv.conf.
import KubernetesModel
import KusciaModel

/// What resolv.conf(5) says.
public struct Resolver: Sendable, Hashable {
    /// The C library asks no more (MAXNS), and Kubernetes takes no more.
    static let nameserverMaximum = 3

    public var nameservers: [String]
    public var searches: [String]
    public var options: [String]

    public init(nameservers: [String] = [], searches: [String] = [], options: [String] = []) {
        self.nameservers = nameservers
        self.searches = searches
        self.options = options
    }

    /// Of the lines `search` and `domain` the last one counts, options add up; what cannot be read is left out, as the C library does.
    public init(parsing text: String) {
        self.init()
        for line in text.split(whereSeparator: \.isNewline) {
            let words = line.prefix { $0 != "#" && $0 != ";" }.split { $0 == " " || $0 == "\t" }.map(String.init)
            guard let keyword = words.first, words.count > 1 else { continue }
            switch keyword {
            case "nameserver": if nameservers.count < Self.nameserverMaximum { nameservers.append(words[1]) }
            case "search", "domain": searches = Array(words.dropFirst())
            case "options": options += words.dropFirst()
            default: continue
            }
        }
    }

    /// What the pod gets. `node` is read only when it is wanted. There is no cluster DNS here, so ClusterFirst is what a kubelet without one
    /// makes of it: Default. In a network of the pod's own the node's loopback addresses lead nowhere; without a network nobody answers.
    public init(_ pod: Pod, node: () -> Resolver) {
        self.init()
        if pod.metadata.annotations[KusciaAnnotation.network] == "none" { return }
        if pod.spec.dnsPolicy != "None" {
            self = node()
            if !NetworkWish.isHost(pod) { nameservers.removeAll(where: Self.isLoopback) }
        }
        guard let own = pod.spec.dnsConfig else { return }
        nameservers = Array(Self.united(nameservers, own.nameservers).prefix(Self.nameserverMaximum))
        searches = Self.united(searches, own.searches)
        // An option of the pod's takes the place of the node's of that name.
        let names = Set(own.options.map(\.name))
        options.removeAll { names.contains(String($0.prefix { $0 != ":" })) }
        options += own.options.map { option in option.value.map { "\(option.name):\($0)" } ?? option.name }
    }

    private static func isLoopback(_ address: String) -> Bool { address.hasPrefix("127.") || address == "::1" }

    private static func united(_ first: [String], _ second: [String]) -> [String] {
        first + second.filter { !first.contains($0) }
    }
}
