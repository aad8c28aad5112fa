// Commits on their way to the disk: each is checked against the state as the commits before it in the batch will leave it.
import JSON

/// A validated object whose resourceVersion can be set by copying.
struct SpliceableObject: Sendable {
    private let bytes: [UInt8]
    private let splice: ResourceVersionSplice

    /// `place`: where the resourceVersion goes, when it is known already.
    init(_ bytes: [UInt8], of key: ResourceKey, place: ResourceVersionSplice? = nil) throws(StoreError) {
        self.bytes = bytes
        if let place, place.fits(bytes.count) {
            splice = place
            return
        }
        do throws(JSONError) {
            // Here rather than on the writer: a body that is no object is refused, and the parsing is done in parallel.
            splice = try JSONTape(parsing: bytes).resourceVersionSplice()
        } catch {
            throw .internal("\(key): \(error)")
        }
    }

    func stamped(_ revision: UInt64) -> [UInt8] { splice.applied(to: bytes, revision: revision) }
}

extension PreparedOperation {
    init(_ operation: StoreOperation) throws(StoreError) {
        key = operation.key
        switch operation {
        case .create(_, let bytes, let index, let place):
            body = .create(try SpliceableObject(bytes, of: key, place: place), index)
        case .update(_, let bytes, let index, let expected, let place):
            body = .update(try SpliceableObject(bytes, of: key, place: place), index, expectedRevision: expected)
        case .delete(_, let expected, let finalBytes):
            var final: SpliceableObject?
            if let finalBytes { final = try SpliceableObject(finalBytes, of: key) }
            body = .delete(expectedRevision: expected, final: final)
        case .check(_, let expected):
            body = .check(expectedRevision: expected)
        }
    }
}

extension ObjectIndex {
    /// The same value, in the memory of `previous` where they agree: most changes of an object touch no label and few fields, and
    /// the history holds many states.
    fileprivate func sharing(_ previous: ObjectIndex?) -> ObjectIndex {
        guard let previous else { return self }
        return ObjectIndex(
            uid: uid == previous.uid ? previous.uid : uid, labels: labels == previous.labels ? previous.labels : labels,
            fields: fields == previous.fields ? previous.fields : fields)
    }
}

struct StagedBatch {
    /// How objects will be; nil: deleted.
    private var overlay: [ResourceKey: StoredObject?] = [:]
    /// What the commit being staged has overlaid, in order. (Copying the overlay for each commit would be quadratic.)
    private var undo: [(ResourceKey, StoredObject??)] = []
    private(set) var events: [StoreEvent] = []
    private(set) var revision: UInt64
    private let current: (ResourceKey) -> StoredObject?

    init(revision: UInt64, current: @escaping (ResourceKey) -> StoredObject?) {
        self.revision = revision
        self.current = current
    }

    /// Adds a commit, or leaves the batch as it was.
    mutating func stage(_ operations: [PreparedOperation]) throws(StoreError) -> CommitResult {
        let (eventsBefore, revisionBefore) = (events.count, revision)
        undo.removeAll(keepingCapacity: true)
        var objects: [StoredObject?] = []
        do throws(StoreError) {
            for operation in operations { objects.append(try stage(operation)) }
        } catch {
            for (key, object) in undo.reversed() { overlay[key] = object }
            events.removeSubrange(eventsBefore...)
            revision = revisionBefore
            throw error
        }
        return CommitResult(objects: objects, revision: revision)
    }

    private mutating func stage(_ operation: PreparedOperation) throws(StoreError) -> StoredObject? {
        let key = operation.key
        let found = overlay[key] ?? current(key)
        switch operation.body {
        case .create(let object, let index):
            guard found == nil else { throw .alreadyExists(key) }
            return record(.added, key, object, index, previous: nil)
        case .update(let object, let index, let expected):
            let found = try Self.present(found, key, expected)
            return record(.modified, key, object, index, previous: found)
        case .delete(let expected, let final):
            let found = try Self.present(found, key, expected)
            if let final { return record(.deleted, key, final, found.index, previous: found) }
            let last = try SpliceableObject(found.bytes, of: key)
            return record(.deleted, key, last, found.index, previous: found)
        case .check(let expected):
            let revision = found?.revision ?? 0
            if found == nil, expected != 0 { throw .notFound(key) }
            guard revision == expected else { throw .conflict(key, expected: expected, found: revision) }
            return nil
        }
    }

    private static func present(
        _ found: StoredObject?, _ key: ResourceKey, _ expected: UInt64?
    ) throws(StoreError) -> StoredObject {
        guard let found else { throw .notFound(key) }
        if let expected, expected != found.revision { throw .conflict(key, expected: expected, found: found.revision) }
        return found
    }

    private mutating func record(
        _ kind: StoreEvent.Kind, _ key: ResourceKey, _ object: SpliceableObject, _ index: ObjectIndex, previous: StoredObject?
    ) -> StoredObject {
        revision += 1
        let stored = StoredObject(
            key: previous?.key ?? key, revision: revision, bytes: object.stamped(revision), index: index.sharing(previous?.index))
        undo.append((key, overlay.updateValue(kind == .deleted ? nil : stored, forKey: key)))
        events.append(StoreEvent(kind: kind, object: stored, previous: previous))
        return stored
    }
}
