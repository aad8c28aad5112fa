// Appends JSON text to a byte buffer: the only place where strings are escaped and numbers formatted.

/// Keeps its own memory, because most of what is written are pieces of a few bytes: an array checks for each whether it is
/// shared. Not copyable, so that nobody else has it.
struct JSONWriter: ~Copyable {
    // SAFETY: allocated here, grown by `grow` alone, freed by `deinit`. Of its `capacity` bytes the first `count` are written;
    // every write reserves its room before.
    private var memory: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    /// Bytes written so far.
    private(set) var count = 0
    /// Containers that are open around the value being written, when trees are written.
    private var depth = 0
    /// A tree was nested deeper than the parser reads again.
    private(set) var isTooDeep = false

    init(capacity: Int = 512) {
        self.capacity = max(capacity, 64)
        memory = .allocate(capacity: self.capacity)
    }

    deinit { memory.deallocate() }

    /// What is written so far, as a copy.
    var bytes: [UInt8] { Array(UnsafeBufferPointer(start: memory, count: count)) }

    @inline(__always) private mutating func reserve(_ more: Int) {
        if capacity &- count < more { grow(more) }
    }

    @inline(never) private mutating func grow(_ more: Int) {
        let larger = max(capacity * 2, count + more)
        let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        moved.update(from: memory, count: count)
        memory.deallocate()
        memory = moved
        capacity = larger
    }

    @inline(__always) private mutating func put(_ byte: UInt8) {
        memory[count] = byte
        count &+= 1
    }

    private mutating func put(_ text: UnsafeBufferPointer<UInt8>) {
        guard let start = text.baseAddress else { return }
        (memory + count).update(from: start, count: text.count)
        count &+= text.count
    }

    @inline(__always) mutating func raw(_ byte: UInt8) {
        reserve(1)
        put(byte)
    }

    @inline(__always) mutating func raw(_ text: StaticString) {
        reserve(text.utf8CodeUnitCount)
        put(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func raw(_ bytes: [UInt8], _ range: Range<Int>) {
        bytes.withUnsafeBufferPointer { bytes in
            reserve(range.count)
            put(UnsafeBufferPointer(rebasing: bytes[range]))
        }
    }

    mutating func bool(_ value: Bool) { value ? raw("true") : raw("false") }

    mutating func integer(_ value: some FixedWidthInteger) {
        // The digits of 128 bits, and a sign.
        reserve(40)
        if value == 0 { return put(UInt8(ascii: "0")) }
        if value < 0 { put(UInt8(ascii: "-")) }
        var magnitude = value.magnitude
        let start = count
        while magnitude > 0 {
            let (quotient, digit) = magnitude.quotientAndRemainder(dividingBy: 10)
            put(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit))
            magnitude = quotient
        }
        var digits = UnsafeMutableBufferPointer(start: memory + start, count: count - start)
        digits.reverse()
    }

    /// The shortest text that reads back as the same number; null if there is none.
    mutating func double(_ value: Double) {
        guard value.isFinite else { return raw("null") }
        var text = value.description
        text.withUTF8 { text in
            reserve(text.count)
            put(text)
        }
    }

    mutating func string(_ value: String) {
        var value = value
        value.withUTF8 { text in
            reserve(text.count + 2)
            put(UInt8(ascii: "\""))
            let plain = Self.plainPrefix(text)
            put(UnsafeBufferPointer(rebasing: text[..<plain]))
            if plain < text.count { escaped(UnsafeBufferPointer(rebasing: text[plain...])) }
            reserve(1)
            put(UInt8(ascii: "\""))
        }
    }

    /// Bytes up to the first that must be escaped: eight at a time while none of them is a quote, a backslash or a control
    /// character, as `TapeParser` skips them.
    @inline(__always) private static func plainPrefix(_ text: UnsafeBufferPointer<UInt8>) -> Int {
        guard let base = text.baseAddress else { return 0 }
        var position = 0
        while position &+ 8 <= text.count {
            let word = UInt64(littleEndian: UnsafeRawPointer(base + position).loadUnaligned(as: UInt64.self))
            let quote = word ^ 0x2222_2222_2222_2222
            let backslash = word ^ 0x5C5C_5C5C_5C5C_5C5C
            let ones: UInt64 = 0x0101_0101_0101_0101
            let hits =
                ((quote &- ones) & ~quote | (backslash &- ones) & ~backslash | (word &- (ones &* 0x20)) & ~word)
                & 0x8080_8080_8080_8080
            if hits != 0 { return position &+ hits.trailingZeroBitCount >> 3 }
            position &+= 8
        }
        while position < text.count, isPlain(base[position]) { position &+= 1 }
        return position
    }

    @inline(__always) private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    private mutating func escaped(_ text: UnsafeBufferPointer<UInt8>) {
        // The longest escape has six bytes.
        reserve(text.count * 6)
        for byte in text {
            if Self.isPlain(byte) { put(byte) } else { escape(byte) }
        }
    }

    mutating func strings(_ values: [String]) {
        raw(UInt8(ascii: "["))
        var first = true
        for value in values {
            separate(&first)
            string(value)
        }
        raw(UInt8(ascii: "]"))
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): raw("\\\"")
        case UInt8(ascii: "\\"): raw("\\\\")
        case UInt8(ascii: "\n"): raw("\\n")
        case UInt8(ascii: "\r"): raw("\\r")
        case UInt8(ascii: "\t"): raw("\\t")
        default:
            raw("\\u00")
            for digit in [byte >> 4, byte & 15] {
                raw(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        }
    }

    // MARK: Trees

    mutating func value(_ value: JSONValue) {
        switch value {
        case .object(let members):
            open(UInt8(ascii: "{"))
            var first = true
            members.visit { key, member in
                name(key, &first)
                self.value(member)
            }
            close(UInt8(ascii: "}"))
        case .array(let elements):
            open(UInt8(ascii: "["))
            var first = true
            for element in elements {
                separate(&first)
                self.value(element)
            }
            close(UInt8(ascii: "]"))
        case .null, .bool, .int, .double, .string: scalar(value)
        }
    }

    private mutating func scalar(_ value: JSONValue) {
        switch value {
        case .null, .array, .object: raw("null")
        case .bool(let value): bool(value)
        case .int(let value): integer(value)
        case .double(let value): double(value)
        case .string(let value): string(value)
        }
    }

    mutating func separate(_ first: inout Bool) {
        if !first { raw(UInt8(ascii: ",")) }
        first = false
    }

    mutating func name(_ key: String, _ first: inout Bool) {
        separate(&first)
        string(key)
        raw(UInt8(ascii: ":"))
    }

    private mutating func open(_ brace: UInt8) {
        depth += 1
        if depth > JSONTape.maximumDepth { isTooDeep = true }
        raw(brace)
    }

    private mutating func close(_ brace: UInt8) {
        depth -= 1
        raw(brace)
    }
}

// MARK: - Objects with a resourceVersion

extension JSONWriter {
    /// Writes an object and notes where its resourceVersion is, or goes. nil when it has no such place, because it is no object
    /// or its metadata is none.
    mutating func object(_ value: JSONValue) -> ResourceVersionSplice? {
        guard case .object(let members) = value else {
            self.value(value)
            return nil
        }
        open(UInt8(ascii: "{"))
        let start = count
        var splice: ResourceVersionSplice? = ResourceVersionSplice(
            range: start..<start, before: #""metadata":{"resourceVersion":"#, after: members.isEmpty ? "}" : "},")
        var first = true
        members.visit { key, member in
            name(key, &first)
            if key == "metadata" { splice = metadata(member) } else { self.value(member) }
        }
        close(UInt8(ascii: "}"))
        return isTooDeep ? nil : splice
    }

    mutating func metadata(_ value: JSONValue) -> ResourceVersionSplice? {
        let place = count
        guard case .object(let members) = value else {
            self.value(value)
            return value.isNull ? ResourceVersionSplice(range: place..<count, before: #"{"resourceVersion":"#, after: "}") : nil
        }
        open(UInt8(ascii: "{"))
        let start = count
        var splice = ResourceVersionSplice(
            range: start..<start, before: #""resourceVersion":"#, after: members.isEmpty ? "" : ",")
        var first = true
        members.visit { key, member in
            name(key, &first)
            let start = count
            self.value(member)
            if key == "resourceVersion" { splice = ResourceVersionSplice(range: start..<count, before: "", after: "") }
        }
        close(UInt8(ascii: "}"))
        return splice
    }
}

// MARK: - Pretty

extension JSONWriter {
    mutating func prettyValue(_ value: JSONValue, depth: Int) {
        switch value {
        case .object(let members) where !members.isEmpty:
            raw(UInt8(ascii: "{"))
            var first = true
            for (key, member) in members {
                separate(&first)
                newLine(depth + 1)
                string(key)
                raw(": ")
                prettyValue(member, depth: depth + 1)
            }
            newLine(depth)
            raw(UInt8(ascii: "}"))
        case .array(let elements) where !elements.isEmpty:
            raw(UInt8(ascii: "["))
            var first = true
            for element in elements {
                separate(&first)
                newLine(depth + 1)
                prettyValue(element, depth: depth + 1)
            }
            newLine(depth)
            raw(UInt8(ascii: "]"))
        case .object, .array, .null, .bool, .int, .double, .string: self.value(value)
        }
    }

    private mutating func newLine(_ depth: Int) {
        raw(UInt8(ascii: "\n"))
        for _ in 0..<depth { raw("  ") }
    }
}
