// One change of one object, shared by all watchers that see it.
import Synchronization

public final class StoreEvent: Sendable {
    public enum Kind: String, Sendable, Hashable {
        case added = "ADDED"
        case modified = "MODIFIED"
        case deleted = "DELETED"
    }

    public let kind: Kind
    /// The new state; for `deleted` the last one, at the revision of the deletion.
    public let object: StoredObject
    /// The state before; nil for `added`.
    public let previous: StoredObject?
    private let framed = Mutex<Frames>(Frames())

    private struct Frames {
        var line: [UInt8]?
        var attachment: (any Sendable)?
    }

    public init(kind: Kind, object: StoredObject, previous: StoredObject?) {
        self.kind = kind
        self.object = object
        self.previous = previous
    }

    public var revision: UInt64 { object.revision }

    /// The event as one line of a Kubernetes watch, newline included; made once, by the first watcher that wants it, and kept
    /// until the event is old.
    public var frame: [UInt8] {
        framed.withLock { frames in
            if let line = frames.line { return line }
            var line: [UInt8] = []
            line.reserveCapacity(object.bytes.count + 32)
            line.append(contentsOf: #"{"type":""#.utf8)
            line.append(contentsOf: kind.rawValue.utf8)
            line.append(contentsOf: #"","object":"#.utf8)
            line.append(contentsOf: object.bytes)
            line.append(UInt8(ascii: "}"))
            line.append(UInt8(ascii: "\n"))
            frames.line = line
            return line
        }
    }

    /// What a front makes of the event for all its watchers, such as a ready-made chunk: kept once, as long as a frame.
    /// `make` must not use this event's `frame` or `attachment`.
    public func attachment<Value: Sendable>(_ make: () -> Value) -> Value {
        framed.withLock { frames in
            if let kept = frames.attachment as? Value { return kept }
            let made = make()
            frames.attachment = made
            return made
        }
    }

    /// The event is old: who still wants its frame makes it anew.
    func dropFrame() { framed.withLock { $0 = Frames() } }
}
