// What two watches of a simulated cluster say of its nodes and pods, counted for those who wait for it.
import JSON
import NIOCore

/// A watch's pieces as whole events. Lives on one event loop; `@unchecked Sendable` because of that, as its users are.
final class WatchLines: @unchecked Sendable {
    private let onObject: (_ tape: JSONTape, _ object: JSONTape.Node) -> Void
    private var line: [UInt8] = []

    init(_ onObject: @escaping (_ tape: JSONTape, _ object: JSONTape.Node) -> Void) { self.onObject = onObject }

    func take(_ piece: ByteBuffer) {
        for part in piece.readableBytesView.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
            // Before each part but the first stood a line's end.
            if part.offset > 0 { finishLine() }
            line += part.element
        }
    }

    private func finishLine() {
        defer { line.removeAll(keepingCapacity: true) }
        guard let tape = try? JSONTape(parsing: line), let object = tape.node(at: "object") else { return }
        onObject(tape, object)
    }
}

extension JSONTape {
    fileprivate func text(_ object: Node, _ outer: String, _ inner: String) -> String? {
        member(of: object, outer).flatMap { member(of: $0, inner) }.flatMap { string($0) }
    }
}

/// Pods that are bound to a node, and those that have reached Succeeded.
final class PodCounter: @unchecked Sendable {
    private let wanted: Int
    private let progress: NodesProgress
    private let onAll: () -> Void
    private var bound: Set<String> = []
    private var ended: Set<String> = []

    init(_ wanted: Int, _ progress: NodesProgress, onAll: @escaping () -> Void) {
        self.wanted = wanted
        self.progress = progress
        self.onAll = onAll
    }

    func take(_ tape: JSONTape, _ pod: JSONTape.Node) {
        guard let name = tape.text(pod, "metadata", "name") else { return }
        if tape.text(pod, "spec", "nodeName") != nil, bound.insert(name).inserted { progress.bound() }
        guard tape.text(pod, "status", "phase") == "Succeeded", ended.insert(name).inserted else { return }
        progress.ended()
        if ended.count == wanted { onAll() }
    }
}

/// Nodes whose condition Ready is True.
final class NodeCounter: @unchecked Sendable {
    private let progress: NodesProgress
    private var ready: Set<String> = []

    init(_ progress: NodesProgress) { self.progress = progress }

    func take(_ tape: JSONTape, _ node: JSONTape.Node) {
        guard let name = tape.text(node, "metadata", "name"),
            let conditions = tape.member(of: node, "status").flatMap({ tape.member(of: $0, "conditions") })
        else { return }
        let isReady = tape.elements(of: conditions).contains { condition in
            func text(_ member: String) -> String? { tape.member(of: condition, member).flatMap { tape.string($0) } }
            return text("type") == "Ready" && text("status") == "True"
        }
        if isReady { ready.insert(name) } else { ready.remove(name) }
        progress.ready(ready.count)
    }
}
