// Which protocol a caller of exec, attach or port-forward is answered in, and the answer's head.
import Crypto
import NIOHTTP1

/// A connection about to leave HTTP: what the 101 says, and the conversation behind it.
struct StreamUpgrade: Sendable {
    var headers: [(name: String, value: String)]
    var isWebSocket: Bool
    /// Returns at the conversation's end; the connection is closed then.
    var converse: @Sendable (UpgradedConnection) async -> Void
    /// Nobody will converse: the client has gone already.
    var cancel: @Sendable () -> Void
}

/// What the request's head asks for.
enum StreamProtocol: Sendable, Equatable {
    /// Channels in WebSocket messages: "v5.channel.k8s.io".
    case webSocket(String)
    /// SPDY's bytes in WebSocket messages: "SPDY/3.1+portforward.k8s.io".
    case tunneledSPDY(String)
    case spdy(String)

    static let commandWebSockets = ["v5.channel.k8s.io", "v4.channel.k8s.io"]
    /// Ours is v4; v5 adds nothing over SPDY.
    static let commandSPDY = ["v4.channel.k8s.io"]
    static let forwardWebSockets = ["v4.channel.k8s.io"]
    static let forwardSPDY = "portforward.k8s.io"

    /// Throws what the client is told: 400 when nothing that it offers is known.
    static func choose(_ request: FrontRequest, forPorts: Bool) throws -> StreamProtocol {
        let upgrade = request.headers[canonicalForm: "upgrade"].map { $0.lowercased() }
        if upgrade.contains("websocket") {
            guard request.header("sec-websocket-key") != nil, request.header("sec-websocket-version") == "13" else {
                throw FrontStatus.badRequest("a WebSocket of version 13 needs Sec-WebSocket-Key and Sec-WebSocket-Version: 13")
            }
            let offered = request.headers[canonicalForm: "sec-websocket-protocol"].map(String.init)
            if forPorts, offered.contains("SPDY/3.1+" + forwardSPDY) { return .tunneledSPDY("SPDY/3.1+" + forwardSPDY) }
            let known = forPorts ? forwardWebSockets : commandWebSockets
            if let chosen = known.first(where: offered.contains) { return .webSocket(chosen) }
            throw FrontStatus.badRequest("unable to upgrade: the client offers \(offered), the server knows \(known)")
        }
        if upgrade.contains("spdy/3.1") {
            let offered = request.headers[canonicalForm: "x-stream-protocol-version"].map(String.init)
            let known = forPorts ? [forwardSPDY] : commandSPDY
            if let chosen = known.first(where: offered.contains) { return .spdy(chosen) }
            throw FrontStatus(
                code: 403, reason: "Forbidden",
                message: "unable to upgrade: the client offers \(offered), the server knows \(known)")
        }
        throw FrontStatus.badRequest("Upgrade request required")
    }

    var isWebSocket: Bool { if case .spdy = self { false } else { true } }

    func headers(_ request: FrontRequest) -> [(name: String, value: String)] {
        switch self {
        case .spdy(let name):
            return [("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", name)]
        case .webSocket(let name), .tunneledSPDY(let name):
            let key = (request.header("sec-websocket-key") ?? "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            // RFC 6455, 4.2.2: proves that the server understood, and nothing else.
            let accept = Base64.encoded(Insecure.SHA1.hash(data: Array(key.utf8)))
            return [
                ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Accept", accept),
                ("Sec-WebSocket-Protocol", name),
            ]
        }
    }
}

private enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encoded(_ bytes: some Sequence<UInt8>) -> String {
        let bytes = Array(bytes)
        var text: [UInt8] = []
        for at in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[at..<min(at + 3, bytes.count)]
            let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << (8 * UInt32(3 - group.count))
            for place in 0..<4 {
                text.append(place <= group.count ? digits[Int(bits >> (18 - 6 * UInt32(place)) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
