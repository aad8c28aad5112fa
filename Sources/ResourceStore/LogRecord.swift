// One row of the journal's log: an event as it lies on the disk, with a checksum over all of it.

struct LogRecord {
    var revision: UInt64
    var kind: StoreEvent.Kind
    var key: ResourceKey
    /// The index and the bytes, sealed together when `isSealed`; `index` is empty then.
    var isSealed: Bool
    var index: [UInt8]
    var bytes: [UInt8]
}

extension LogRecord {
    init(_ event: StoreEvent, _ transformer: any ValueTransformer) throws(ValueTransformError) {
        revision = event.revision
        kind = event.kind
        key = event.object.key
        index = IndexCoding.encoded(event.object.index)
        bytes = event.object.bytes
        isSealed = false
        try seal(transformer)
    }

    /// Seals a plain record if its kind is to be sealed.
    mutating func seal(_ transformer: any ValueTransformer) throws(ValueTransformError) {
        guard !isSealed, transformer.seals(key) else { return }
        let length = UInt32(truncatingIfNeeded: index.count)
        let plain = [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: length >> $0) } + index + bytes
        guard let sealed = try transformer.seal(plain, key: key) else { return }
        (index, bytes, isSealed) = ([], sealed, true)
    }

    /// Opens a sealed record. False: it should be sealed anew.
    mutating func open(_ transformer: any ValueTransformer) throws(ValueTransformError) -> Bool {
        guard isSealed else { return !transformer.seals(key) }
        let opened = try transformer.open(bytes, key: key)
        let plain = opened.value
        guard plain.count >= 4 else { throw ValueTransformError("its sealed value is too short") }
        let length = (0..<4).reduce(0) { $0 | Int(plain[$1]) << ($1 * 8) }
        guard length <= plain.count - 4 else { throw ValueTransformError("its sealed value is too short") }
        (index, bytes, isSealed) = (Array(plain[4..<4 + length]), Array(plain[(4 + length)...]), false)
        return opened.isCurrent
    }

    /// Of everything, so that a byte that changed on the disk, or a row that moved, is noticed when it is loaded.
    var checksum: UInt64 {
        var sum = Checksum()
        sum.add(revision)
        sum.add(UInt64(kind.code) << 1 | (isSealed ? 1 : 0))
        for var text in [key.group, key.resource, key.namespace, key.name] {
            text.withUTF8 { sum.add(UnsafeRawBufferPointer($0)) }
        }
        index.withUnsafeBytes { sum.add($0) }
        bytes.withUnsafeBytes { sum.add($0) }
        return sum.value
    }
}

extension StoreEvent.Kind {
    var code: Int {
        switch self {
        case .added: 0
        case .modified: 1
        case .deleted: 2
        }
    }

    init?(code: UInt64) {
        switch code {
        case 0: self = .added
        case 1: self = .modified
        case 2: self = .deleted
        default: return nil
        }
    }
}

/// 64 bits against accidents, not against attackers: a multiply and a rotation for each eight bytes (FNV's constants).
struct Checksum {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ word: UInt64) {
        let mixed = (value ^ word) &* 0x0000_0100_0000_01B3
        value = mixed << 23 | mixed >> 41
    }

    /// The length goes in too, so that parts cannot shift into one another.
    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        add(UInt64(bytes.count))
        var offset = 0
        while offset + 8 <= bytes.count {
            add(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian)
            offset += 8
        }
        var rest: UInt64 = 0
        while offset < bytes.count {
            rest = rest << 8 | UInt64(bytes[offset])
            offset += 1
        }
        add(rest)
    }
}

/// An object's index as bytes: strings, each after its length in base 128, as uid, count of labels, key, value, ..., fields.
enum IndexCoding {
    static func encoded(_ index: ObjectIndex) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(256)
        append(index.uid, to: &bytes)
        for map in [index.labels, index.fields] {
            append(map.count, to: &bytes)
            for (key, value) in map {
                append(key, to: &bytes)
                append(value, to: &bytes)
            }
        }
        return bytes
    }

    private static func append(_ number: Int, to bytes: inout [UInt8]) {
        var rest = UInt(bitPattern: number)
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    private static func append(_ text: String, to bytes: inout [UInt8]) {
        var text = text
        text.withUTF8 { utf8 in
            append(utf8.count, to: &bytes)
            bytes.append(contentsOf: utf8)
        }
    }

    /// nil when the bytes are no index. `names` shares long texts that recur: keys of labels and fields.
    static func decoded(_ bytes: [UInt8], _ names: inout SharedTexts) -> ObjectIndex? {
        var reader = Reader(bytes: bytes)
        guard let uid = reader.text() else { return nil }
        var maps: [[String: String]] = []
        for _ in 0..<2 {
            guard let count = reader.number(), count <= bytes.count else { return nil }
            var map = [String: String](minimumCapacity: count)
            for _ in 0..<count {
                guard let key = reader.text(), let value = reader.text() else { return nil }
                map[names.shared(key)] = value
            }
            maps.append(map)
        }
        return reader.isAtEnd ? ObjectIndex(uid: uid, labels: maps[0], fields: maps[1]) : nil
    }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        var isAtEnd: Bool { position == bytes.count }

        mutating func number() -> Int? {
            var result = 0
            for shift in stride(from: 0, to: 35, by: 7) {
                guard position < bytes.count else { return nil }
                let byte = bytes[position]
                position += 1
                result |= Int(byte & 0x7F) << shift
                if byte < 0x80 { return result }
            }
            return nil
        }

        mutating func text() -> String? {
            guard let count = number(), count <= bytes.count - position else { return nil }
            defer { position += count }
            return String(validating: bytes[position..<position + count], as: UTF8.self)
        }
    }
}

/// One copy of each long text that recurs in many rows. Texts up to 15 bytes need no storage of their own.
struct SharedTexts {
    /// More different texts than this are no longer names of kinds, namespaces and labels.
    private static let bound = 4096
    private var texts: Set<String> = []

    mutating func shared(_ text: String) -> String {
        guard text.utf8.count > 15 else { return text }
        if let index = texts.firstIndex(of: text) { return texts[index] }
        if texts.count < Self.bound { texts.insert(text) }
        return text
    }
}
