// The objects of the load: pods of about 3.7 KB as the server keeps and tells them (it adds defaults), built once and stamped with a name of fixed width.
import NIOCore

/// Requests that differ only in a number of ten digits, so that the client pays little for each.
struct RequestTemplate {
    private let pieces: [ByteBuffer]

    /// `NUMBER` in `text` is where the number goes.
    init(_ request: ByteBuffer) {
        var pieces: [ByteBuffer] = []
        let mark = Array("NUMBER____".utf8)
        let bytes = Array(request.readableBytesView)
        var start = 0
        var index = 0
        while index + mark.count <= bytes.count {
            if bytes[index] == mark[0], Array(bytes[index..<index + mark.count]) == mark {
                pieces.append(ByteBuffer(bytes: bytes[start..<index]))
                index += mark.count
                start = index
            } else {
                index += 1
            }
        }
        pieces.append(ByteBuffer(bytes: bytes[start...]))
        self.pieces = pieces
    }

    func request(_ number: Int) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: pieces.reduce(0) { $0 + $1.readableBytes + 10 })
        let digits = Self.digits(number)
        for (index, piece) in pieces.enumerated() {
            if index > 0 { buffer.writeString(digits) }
            buffer.writeImmutableBuffer(piece)
        }
        return buffer
    }

    static func digits(_ number: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, 10 - text.count)) + text
    }
}

enum BenchPod {
    static let namespace = "bench"
    static let collection = "/api/v1/namespaces/\(namespace)/pods"

    /// Nothing that a simulated node would have to look up.
    static func plainJSON(name: String, node: String) -> [UInt8] {
        Array(
            #"""
            {"apiVersion":"v1","kind":"Pod","metadata":{"name":"\#(name)","namespace":"\#(namespace)","labels":{"app":"sim"}},
            "spec":{"nodeName":"\#(node)","restartPolicy":"Never","automountServiceAccountToken":false,"terminationGracePeriodSeconds":1,
            "containers":[{"name":"main","image":"psi:0.9.5","command":["/bin/true"],
            "resources":{"requests":{"cpu":"10m","memory":"16Mi"}}}]}}
            """#.utf8)
    }

    /// Digits that follow no pattern, the same in every run: a row of one letter would be compressed to nothing.
    private static func hexadecimal(_ count: Int) -> String {
        var state: UInt64 = 1
        let digits = (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407  // Knuth's MMIX
            return Array("0123456789abcdef".utf8)[Int(state >> 60)]
        }
        return String(decoding: digits, as: UTF8.self)
    }

    /// No scheduler of ours takes these pods unless asked to.
    static func json(name: String, scheduler: String = "bench", node: String? = nil, bytes: Int = 2960) -> [UInt8] {
        func text(padding: Int) -> String {
            let variables = (0..<12).map { #"{"name":"ENGINE_SETTING_\#($0)","value":"value-of-setting-\#($0)"}"# }
            return #"""
                {"apiVersion":"v1","kind":"Pod","metadata":{"name":"\#(name)","namespace":"\#(namespace)",
                "labels":{"app":"psi","kuscia.secretflow/task-id":"bench","kuscia.secretflow/party":"alice"},
                "annotations":{"example.org/input":"\#(hexadecimal(padding))"}},
                "spec":{"schedulerName":"\#(scheduler)",\#(node.map { #""nodeName":"\#($0)","# } ?? "")"restartPolicy":"Never",
                "automountServiceAccountToken":false,"terminationGracePeriodSeconds":1,
                "containers":[{"name":"main","image":"psi:0.9.5","command":["/bin/true"],"env":[\#(variables.joined(separator: ","))],
                "resources":{"requests":{"cpu":"10m","memory":"16Mi"},"limits":{"cpu":"100m","memory":"64Mi"}},
                "volumeMounts":[{"name":"config","mountPath":"/etc/config"},{"name":"work","mountPath":"/work"}]}],
                "volumes":[{"name":"config","configMap":{"name":"bench"}},{"name":"work","emptyDir":{}}]}}
                """#
        }
        return Array(text(padding: max(0, bytes - text(padding: 0).utf8.count)).utf8)
    }
}
