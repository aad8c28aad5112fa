// Makes records last beyond a power cut at the price of one flush of the disk for all that come together:
// `<state>/pods.journal`, a file of two halves that is written once whole and then only over and over, so that no flush has to
// wait for the file system's own journal. The records' files are what is read again; the journal only knows of records that a
// power cut may have taken from them.
import Glibc
import Synchronization

/// Blocks, but for `append`'s callers who are not first: call it on threads that may.
final class RecordJournal: Sendable {
    /// Makes sure that the record's own file lasts: asked before the journal's copy goes.
    typealias Settling = @Sendable (_ uid: String) throws(FileError) -> Void

    /// The last quarter of a half has room for as many as the whole other half had, then.
    private static let settledPerEntry = 4

    private struct Waiting {
        var entry: RecordJournalEntry
        /// nil: nobody waits, and it need not last.
        var done: (@Sendable (Bool) -> Void)?
    }

    private struct Queue {
        var waiting: [Waiting] = []
        var isDraining = false
        var isBroken = false
        /// Pods whose newest lasting record is here, with its half.
        var holds: [String: (half: Int, serial: UInt64)] = [:]
    }

    /// Used by who drains, one at a time.
    private struct Place {
        var half: Int
        var offset: Int
        /// Of the last entry. Given where entries are written and nowhere before: who came first may be written second.
        var serial: UInt64
    }

    private let descriptor: Int32
    private let path: String
    private let halfBytes: Int
    private let settle: Settling
    private let queue: Mutex<Queue>
    private let place: Mutex<Place>

    struct Opened: Sendable {
        var journal: RecordJournal
        /// The newest of each pod.
        var found: [String: RecordJournalEntry]
    }

    /// Opens it, or makes it: writes all of its `bytes` (a multiple of 1024) then.
    static func open(_ path: String, bytes: Int, settle: @escaping Settling) throws(FileError) -> Opened {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .last("open", path) }
        do throws(FileError) {
            var facts = stat()
            guard fstat(descriptor, &facts) == 0 else { throw .last("stat", path) }
            if facts.st_size != bytes { try make(descriptor, path, bytes: bytes) }
            let content = try DiskFiles.read(path, limit: bytes)
            return opened(descriptor, path, content, settle)
        } catch {
            close(descriptor)
            throw error
        }
    }

    private static func make(_ descriptor: Int32, _ path: String, bytes: Int) throws(FileError) {
        guard ftruncate(descriptor, 0) == 0 else { throw .last("ftruncate", path) }
        // Written, not reserved: a block's first writing would need the file system's journal.
        try DiskFiles.write([UInt8](repeating: 0, count: bytes), to: descriptor, path)
        guard fsync(descriptor) == 0 else { throw .last("fsync", path) }
    }

    private static func opened(
        _ descriptor: Int32, _ path: String, _ content: [UInt8], _ settle: @escaping Settling
    ) -> Opened {
        let halfBytes = content.count / 2
        var (found, queue, place) = ([String: RecordJournalEntry](), Queue(), Place(half: 0, offset: 0, serial: 0))
        for half in 0..<2 {
            for (entry, next) in RecordJournalEntry.all(content, from: half * halfBytes, to: (half + 1) * halfBytes) {
                if entry.serial > place.serial {
                    place = Place(half: half, offset: next - half * halfBytes, serial: entry.serial)
                }
                if found[entry.uid].map({ $0.serial > entry.serial }) ?? false { continue }
                found[entry.uid] = entry
                queue.holds[entry.uid] = entry.body.isEmpty ? nil : (half, entry.serial)
            }
        }
        let journal = RecordJournal(descriptor, path, halfBytes: halfBytes, settle, queue, place)
        return Opened(journal: journal, found: found.filter { !$0.value.body.isEmpty })
    }

    private init(
        _ descriptor: Int32, _ path: String, halfBytes: Int, _ settle: @escaping Settling, _ queue: Queue,
        _ place: Place
    ) {
        self.descriptor = descriptor
        self.path = path
        self.halfBytes = halfBytes
        self.settle = settle
        self.queue = Mutex(queue)
        self.place = Mutex(place)
    }

    deinit { close(descriptor) }

    /// `done`: true once the record lasts; false when the journal cannot hold it, and its file has to be flushed instead. Who
    /// comes while another writes is written by that one, together with all who came meanwhile.
    func append(uid: String, _ record: [UInt8], done: @escaping @Sendable (Bool) -> Void) {
        let entry = RecordJournalEntry(uid: uid, body: record)
        if entry.length > halfBytes { return done(false) }
        add(Waiting(entry: entry, done: done))
    }

    /// The API server has the pod's last word, so nothing of it needs to last here.
    func release(_ uid: String) { queue.withLock { _ = $0.holds.removeValue(forKey: uid) } }

    /// The pod is gone: what the journal has of it must not bring it back.
    func forget(_ uid: String) { add(Waiting(entry: RecordJournalEntry(uid: uid, body: []))) }

    private func add(_ waiting: Waiting) {
        let leads = queue.withLock { queue in
            queue.waiting.append(waiting)
            defer { queue.isDraining = true }
            return !queue.isDraining
        }
        if leads { drain() }
    }

    private func drain() {
        while let batch = takeBatch() {
            let lasts = place.withLock { write(batch, &$0) }
            for waiting in batch { waiting.done?(lasts) }
            if lasts { place.withLock { settleAhead($0, atMost: Self.settledPerEntry * batch.count) } }
        }
    }

    private func takeBatch() -> [Waiting]? {
        queue.withLock { queue in
            guard !queue.waiting.isEmpty else {
                queue.isDraining = false
                return nil
            }
            defer { queue.waiting = [] }
            return queue.waiting
        }
    }

    // MARK: The file

    /// After a failure nothing is written here any more: what the disk has then, nobody knows.
    private func write(_ batch: [Waiting], _ place: inout Place) -> Bool {
        if queue.withLock(\.isBroken) { return false }
        do throws(FileError) {
            for waiting in batch { try write(waiting, &place) }
            if batch.contains(where: { $0.done != nil }), fdatasync(descriptor) != 0 { throw .last("fdatasync", path) }
            return true
        } catch {
            queue.withLock { $0.isBroken = true }
            return false
        }
    }

    private func write(_ waiting: Waiting, _ place: inout Place) throws(FileError) {
        var entry = waiting.entry
        if place.offset + entry.length > halfBytes { try turn(&place) }
        place.serial += 1
        entry.serial = place.serial
        let bytes = entry.bytes
        let start = place.half * halfBytes + place.offset
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done, off_t(start + done))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .last("write", path) }
            done += count
        }
        place.offset += bytes.count
        let (half, uid, serial, isRecord) = (place.half, entry.uid, entry.serial, !entry.body.isEmpty)
        queue.withLock { $0.holds[uid] = isRecord ? (half, serial) : nil }
    }

    /// When this half is nearly full, a few of those that the turn would have to settle: all at once, hundreds of long-lived pods would
    /// keep everybody waiting for a second. Not sooner, as a short-lived pod needs nothing by then.
    private func settleAhead(_ place: Place, atMost count: Int) {
        guard place.offset > halfBytes / 4 * 3 else { return }
        let due = queue.withLock { queue in
            Array(queue.holds.lazy.filter { $0.value.half != place.half }.prefix(count).map { ($0.key, $0.value.serial) })
        }
        for (uid, serial) in due {
            // What cannot be settled now is tried again by the turn, which says so.
            guard (try? settle(uid)) != nil else { return }
            queue.withLock { if $0.holds[uid]?.serial == serial { $0.holds[uid] = nil } }
        }
    }

    /// On to the other half, once nobody depends on what lies there: by now the kernel has usually written those files by itself.
    private func turn(_ place: inout Place) throws(FileError) {
        let next = 1 - place.half
        for (uid, held) in queue.withLock({ $0.holds }) where held.half == next {
            try settle(uid)
            queue.withLock { if $0.holds[uid]?.serial == held.serial { $0.holds[uid] = nil } }
        }
        place = Place(half: next, offset: 0, serial: place.serial)
    }
}
