// The lines of a watch. Plain events share the line that the store's event keeps for all watchers.
import JSON
import KubernetesModel
import ResourceStore
import Synchronization

final class WatchFramer: Sendable {
    private let kind: ServedKind
    let representation: Representation
    private let now: @Sendable () -> Int64
    private let hasSentColumns = Mutex(false)

    /// With "true", on the bookmark after the present state.
    static let initialEventsEnd = "k8s.io/initial-events-end"

    init(kind: ServedKind, representation: Representation, now: @escaping @Sendable () -> Int64) {
        self.kind = kind
        self.representation = representation
        self.now = now
    }

    /// Whether plain events go out as the store keeps them for all watchers.
    var sharesFrames: Bool { representation == .json && kind.declaration.view == nil }

    /// Whole lines.
    func lines(_ batch: WatchBatch) -> [UInt8] {
        switch batch {
        case .events(let events):
            if events.count == 1 { return line(events[0]) }
            var result: [UInt8] = []
            for event in events { result.append(contentsOf: line(event)) }
            return result
        case .bookmark(let revision, let endsInitialEvents):
            return line("BOOKMARK", bookmark(revision, endsInitialEvents: endsInitialEvents))
        case .error(let error):
            return line("ERROR", error.status.serialized())
        }
    }

    private func line(_ event: StoreEvent) -> [UInt8] {
        switch representation {
        case .json: sharesFrames ? event.frame : line(event.kind.rawValue, writer.object(event.object))
        case .partialMetadata: line(event.kind.rawValue, writer.object(event.object))
        case .table: line(event.kind.rawValue, table(event.object))
        }
    }

    private func bookmark(_ revision: UInt64, endsInitialEvents: Bool) -> [UInt8] {
        if case .table = representation {
            return writer.table(metadata: ["resourceVersion": .string(String(revision))], [], withColumns: false)
        }
        let isPartial = representation == .partialMetadata
        return Self.bookmark(
            kind: isPartial ? "PartialObjectMetadata" : kind.declaration.kind,
            apiVersion: isPartial ? "meta.k8s.io/v1" : kind.resource.apiVersion, revision, endsInitialEvents: endsInitialEvents)
    }

    static func bookmark(_ kind: ServedKind, _ revision: UInt64) -> [UInt8] {
        bookmark(kind: kind.declaration.kind, apiVersion: kind.resource.apiVersion, revision, endsInitialEvents: false)
    }

    private static func bookmark(kind: String, apiVersion: String, _ revision: UInt64, endsInitialEvents: Bool) -> [UInt8] {
        var metadata: JSONValue = ["resourceVersion": .string(String(revision)), "creationTimestamp": .null]
        if endsInitialEvents { metadata["annotations"] = [initialEventsEnd: "true"] }
        let object: JSONValue = ["kind": .string(kind), "apiVersion": .string(apiVersion), "metadata": metadata]
        return object.serialized()
    }

    private var writer: ObjectWriter { ObjectWriter(kind: kind, representation: representation, now: now()) }

    /// Column definitions come with the first event only.
    private func table(_ object: StoredObject) -> [UInt8] {
        let isFirst = hasSentColumns.withLock { sent in
            defer { sent = true }
            return !sent
        }
        return writer.table(
            metadata: ["resourceVersion": .string(String(object.revision))], [object], withColumns: isFirst)
    }

    private func line(_ type: String, _ object: [UInt8]) -> [UInt8] {
        var line = Array("{\"type\":\"\(type)\",\"object\":".utf8)
        line.reserveCapacity(line.count + object.count + 2)
        line.append(contentsOf: object)
        line.append(UInt8(ascii: "}"))
        line.append(UInt8(ascii: "\n"))
        return line
    }
}
