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
    private let framed = Mutex<[UInt8]?>(nil)

    public init(kind: Kind, object: StoredObject, previous: StoredObject?) {
        self.kind = kind
        self.object = object
        self.previous = previous
    }

    public var revision: UInt64 { object.revision }

    /// The event as one line of a Kubernetes watch, newline included; made once, by the first watcher that wants it.
    public var frame: [UInt8] {
        framed.withLock { frame in
            if let frame { return frame }
            var line = Array(#"{"type":"\#(kind.rawValue)","object":"#.utf8)
            line.reserveCapacity(line.count + object.bytes.count + 2)
            line.append(contentsOf: object.bytes)
            line.append(UInt8(ascii: "}"))
            line.append(UInt8(ascii: "\n"))
            frame = line
            return line
        }
    }
}
