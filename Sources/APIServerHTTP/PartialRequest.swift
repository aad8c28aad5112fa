// A request whose body is coming in: what has arrived, within bounds of its own and of all connections together.
import APIServer
import NIOCore
import NIOHTTP1
import Synchronization

struct PartialRequest {
    /// A client that is still sending would see a broken connection instead of the refusal: read on for a while.
    private static let maximumDiscarded = 32 << 20

    let request: FrontRequest
    private(set) var body = ByteBuffer()
    private(set) var refusal: FrontStatus?
    private var discarded = 0
    private var reserved = 0
    /// Nobody will be allowed to say anything: what he says needs no memory.
    private let isAnonymous: Bool

    init(_ request: FrontRequest) {
        self.request = request
        isAnonymous = request.certificateUser == nil && request.header("authorization") == nil
    }

    var isBeyondBounds: Bool { discarded > Self.maximumDiscarded }

    mutating func append(_ bytes: ByteBuffer, budget: BodyBudget) {
        if isAnonymous || refusal != nil {
            discarded += bytes.readableBytes
            return
        }
        if body.readableBytes + bytes.readableBytes > APIHandler.maximumBodyBytes {
            give(up: .tooLarge(limit: APIHandler.maximumBodyBytes), bytes, budget)
        } else if !budget.reserve(bytes.readableBytes) {
            give(up: .busyReceiving, bytes, budget)
        } else {
            reserved += bytes.readableBytes
            if body.readableBytes == 0 { body = bytes } else { body.writeImmutableBuffer(bytes) }
        }
    }

    func release(_ budget: BodyBudget) { budget.release(reserved) }

    private mutating func give(up status: FrontStatus, _ bytes: ByteBuffer, _ budget: BodyBudget) {
        refusal = status
        discarded = bytes.readableBytes
        budget.release(reserved)
        reserved = 0
        body = ByteBuffer()
    }
}

/// Bytes of bodies that all connections together hold while they arrive.
final class BodyBudget: Sendable {
    private let limit: Int
    private let used = Atomic<Int>(0)

    init(limit: Int) { self.limit = limit }

    func reserve(_ bytes: Int) -> Bool {
        if used.add(bytes, ordering: .relaxed).newValue <= limit { return true }
        release(bytes)
        return false
    }

    func release(_ bytes: Int) { if bytes > 0 { used.subtract(bytes, ordering: .relaxed) } }
}

/// What a connection remembers of the request that it answers.
struct CurrentRequest {
    var method = "GET"
    var uri = "/"
    var auditID = ""
    var isHead = false
    var keepsAlive = true
    /// HTTP/1.0 knows no chunks.
    var isChunked = true
    var acceptEncoding: String?
    /// Set while a watch of this resource is written.
    var watched: String?
    var began = NIODeadline.now()

    init() {}

    init(_ head: HTTPRequestHead, auditID: String) {
        method = head.method.rawValue
        uri = head.uri
        self.auditID = auditID
        isHead = head.method == .HEAD
        acceptEncoding = head.headers.first(name: "accept-encoding")
        // After these the parser takes nothing for HTTP any more, whatever we answer.
        let leavesHTTP = head.method == .CONNECT || head.headers.contains(name: "upgrade")
        keepsAlive = head.isKeepAlive && !leavesHTTP
        isChunked = head.version != .http1_0 && head.version != .http0_9
    }

    init(unparsable auditID: String) {
        method = "other"
        self.auditID = auditID
        keepsAlive = false
    }
}

/// Which requests take long enough that an event loop must not carry them out itself.
enum RequestCost {
    /// A list, a deletion of many, or a document of the API's description, by the form of its path.
    static func isWholeCollection(method: String, uri: String) -> Bool {
        guard method == "GET" || method == "HEAD" || method == "DELETE" else { return false }
        let mark = uri.utf8.firstIndex(of: UInt8(ascii: "?"))
        if let mark, method != "DELETE", isWatch(uri[mark...]) { return false }
        let parts = uri.utf8[..<(mark ?? uri.endIndex)].split(separator: UInt8(ascii: "/"))
        guard let first = parts.first.map(Substring.init) else { return false }
        guard first == "api" || first == "apis" else { return first == "openapi" }
        let own = parts.count - (first == "api" ? 2 : 3)
        // RESOURCE, or namespaces/NAMESPACE/RESOURCE
        return own == 1 || own == 3 && Substring(parts[parts.count - 3]) == "namespaces"
    }

    private static func isWatch(_ query: Substring) -> Bool {
        // The first counts, as everywhere.
        for pair in query.split(whereSeparator: { $0 == "?" || $0 == "&" }) {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if sides[0] == "watch" { return APIRequest.isTrue(sides.count > 1 ? sides[1] : "") }
        }
        return false
    }
}
