// What a store should hold, as plainly as it can be said: the oracle of the property tests and the fault sweeps.
import ResourceStore

/// One event as the oracle sees it.
struct ModelEvent: Equatable, CustomStringConvertible {
    var kind: String
    var name: String
    var note: String
    var revision: UInt64

    var description: String { "\(kind) \(name)=\(note)@\(revision)" }
}

struct StoreModel: Equatable {
    struct Object: Equatable {
        var note: String
        var revision: UInt64
    }

    private(set) var objects: [String: Object] = [:]
    private(set) var events: [ModelEvent] = []
    private(set) var revision: UInt64 = 0

    /// A commit that must succeed: of one to three changes, chosen by what is there.
    func randomCommit(_ generator: inout SeededGenerator, names: Int = 12, padding: Int = 0) -> [StoreOperation] {
        var next = self
        return (0..<Int.random(in: 1...3, using: &generator)).map { _ in
            let name = "p\(Int.random(in: 0..<names, using: &generator))"
            let note = String(UInt32.random(in: 0...UInt32.max, using: &generator)) + String(repeating: "x", count: padding)
            let operation: StoreOperation
            if next.objects[name] == nil {
                operation = create(pod(name), note)
            } else if Int.random(in: 0..<4, using: &generator) == 0 {
                operation = .delete(pod(name), expectedRevision: next.objects[name]?.revision)
            } else {
                operation = update(pod(name), note, expected: next.objects[name]?.revision)
            }
            next.apply([operation])
            return operation
        }
    }

    mutating func apply(_ operations: [StoreOperation]) {
        for operation in operations {
            revision += 1
            let name = operation.key.name
            switch operation {
            case .create(_, let bytes, _, _):
                set(name, bytes, "ADDED")
            case .update(_, let bytes, _, _, _):
                set(name, bytes, "MODIFIED")
            case .delete:
                let note = objects.removeValue(forKey: name)?.note ?? ""
                events.append(ModelEvent(kind: "DELETED", name: name, note: note, revision: revision))
            case .check:
                revision -= 1
            }
        }
    }

    private mutating func set(_ name: String, _ bytes: [UInt8], _ kind: String) {
        let object = StoredObject(key: pod(name), revision: revision, bytes: bytes, index: ObjectIndex())
        let note = object.json["note"]?.stringValue ?? ""
        objects[name] = Object(note: note, revision: revision)
        events.append(ModelEvent(kind: kind, name: name, note: note, revision: revision))
    }

    /// The fold of the events up to a revision.
    func objects(at revision: UInt64) -> [String: Object] {
        var result: [String: Object] = [:]
        for event in events where event.revision <= revision {
            result[event.name] = event.kind == "DELETED" ? nil : Object(note: event.note, revision: event.revision)
        }
        return result
    }
}

extension Collection<StoredObject> {
    var model: [String: StoreModel.Object] {
        Dictionary(
            map { ($0.key.name, StoreModel.Object(note: $0.json["note"]?.stringValue ?? "", revision: $0.revision)) },
            uniquingKeysWith: { first, _ in first })
    }
}

extension StoreEvent {
    var model: ModelEvent {
        ModelEvent(
            kind: kind.rawValue, name: object.key.name, note: object.json["note"]?.stringValue ?? "", revision: revision)
    }
}
