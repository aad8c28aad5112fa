// What the node answers about itself: /healthz, /metrics, /metrics/resource, /stats/summary, /pods. The same pages go through
// the tunnel and, where the operator wants it, over a loopback port.
import AgentCore
import JSON
import KubernetesModel

public struct NodePage: Sendable {
    public var status: Int
    public var contentType: String
    public var body: [UInt8]

    static let prometheus = "text/plain; version=0.0.4; charset=utf-8"

    static func text(_ text: String, type: String = "text/plain; charset=utf-8", status: Int = 200) -> NodePage {
        NodePage(status: status, contentType: type, body: Array(text.utf8))
    }
}

public struct NodePages: Sendable {
    static let paths = ["/healthz", "/metrics", "/metrics/resource", "/stats/summary", "/pods"]

    let stats: StatsProvider
    let pods: LocalPods
    let undelivered: @Sendable () -> Int

    /// nil: not one of these pages.
    public func page(_ path: String) async -> NodePage? {
        let path = path.split(separator: "?", maxSplits: 1).first.map(String.init) ?? path
        do {
            switch path {
            case "/healthz": return .text("ok")
            case "/metrics":
                let counts = await stats.counts(undelivered: undelivered())
                return .text(try await stats.stats().prometheus(counts), type: NodePage.prometheus)
            case "/metrics/resource": return .text(try await stats.stats().resourcePrometheus, type: NodePage.prometheus)
            case "/stats/summary":
                return NodePage(status: 200, contentType: "application/json", body: try await stats.stats().summary.serialized())
            case "/pods": return NodePage(status: 200, contentType: "application/json", body: try await podList())
            default: return nil
            }
        } catch {
            return .text("\(error)\n", status: 500)
        }
    }

    /// As kubelets answer: the pods with the status that the node last made of them.
    private func podList() async throws -> [UInt8] {
        var items: [JSONValue] = []
        for machine in await pods.machines() { items.append(try JSON.encodeToValue(machine.shownPod)) }
        let list: JSONValue = ["apiVersion": "v1", "kind": "PodList", "metadata": [:], "items": .array(items)]
        return list.serialized()
    }

    /// For the tunnel's table.
    var routes: [NodeTunnelRoute] {
        Self.paths.map { path in
            NodeTunnelRoute(prefix: path) { exchange in
                guard exchange.method == "GET", let page = await page(exchange.path) else {
                    return try await exchange.refuse(status: 404, "this node does not serve \(exchange.method) \(exchange.path)")
                }
                try await exchange.respond(status: page.status, contentType: page.contentType, bytes: page.body)
            }
        }
    }
}
