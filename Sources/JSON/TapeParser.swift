// The strict grammar of RFC 8259: walks the bytes once and writes one tape entry per value and member name.

struct TapeParser {
    /// Position and reason only: line and column are worked out at the room's edge.
    struct Failure: Error {
        let offset: Int
        let message: String
    }

    // SAFETY: lives only inside the `withUnsafeBufferPointer` of `JSONTape.init`. Every read is preceded by a comparison
    // of `position` with `input.count`, because release builds do not check the subscript.
    let input: UnsafeBufferPointer<UInt8>
    let maximumDepth: Int
    /// Whether a repeated member name is left to the reader of the tape.
    let allowsDuplicateNames: Bool
    private(set) var position = 0
    private(set) var entries: [JSONTape.Entry] = []

    init(_ input: UnsafeBufferPointer<UInt8>, maximumDepth: Int, allowsDuplicateNames: Bool = false) {
        self.input = input
        self.maximumDepth = maximumDepth
        self.allowsDuplicateNames = allowsDuplicateNames
        // Manifests have one value or name per 12 to 18 bytes.
        entries.reserveCapacity(input.count / 12 + 8)
    }

    mutating func parseDocument() throws(Failure) {
        try parseValue(depth: 0)
        skipWhitespace()
        guard position == input.count else { throw failure("unexpected text after the value") }
    }

    private func failure(_ message: String) -> Failure { Failure(offset: position, message: message) }

    @inline(__always) private mutating func skipWhitespace() {
        while position < input.count {
            switch input[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position &+= 1
            default: return
            }
        }
    }

    /// Consumes the byte if it is next.
    @inline(__always) private mutating func take(_ byte: UInt8) -> Bool {
        guard position < input.count, input[position] == byte else { return false }
        position &+= 1
        return true
    }

    private mutating func append(_ kind: JSONTape.EntryKind, from start: Int) {
        entries.append(JSONTape.Entry(kind: kind, start: start, end: position, next: entries.count + 1))
    }

    private mutating func parseValue(depth: Int) throws(Failure) {
        skipWhitespace()
        guard position < input.count else { throw failure("expected a value, found the end of the text") }
        switch input[position] {
        case UInt8(ascii: "\""): try parseString()
        case UInt8(ascii: "{"): try parseObject(depth: depth + 1)
        case UInt8(ascii: "["): try parseArray(depth: depth + 1)
        case UInt8(ascii: "t"): try parseWord("true", .true)
        case UInt8(ascii: "f"): try parseWord("false", .false)
        case UInt8(ascii: "n"): try parseWord("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try parseNumber()
        default: throw failure("expected a value")
        }
    }

    // MARK: Containers

    /// Writes the container's entry before its children and returns its index; `close` completes it.
    private mutating func open(_ kind: JSONTape.EntryKind, depth: Int) throws(Failure) -> Int {
        guard depth <= maximumDepth else { throw failure("nested deeper than \(maximumDepth)") }
        position += 1
        append(kind, from: position - 1)
        return entries.count - 1
    }

    private mutating func close(_ index: Int) {
        entries[index].end = UInt32(truncatingIfNeeded: position)
        entries[index].next = UInt32(truncatingIfNeeded: entries.count)
    }

    private mutating func parseObject(depth: Int) throws(Failure) {
        let object = try open(.object, depth: depth)
        skipWhitespace()
        if !take(UInt8(ascii: "}")) {
            var memberCount = 0
            while true {
                skipWhitespace()
                guard position < input.count, input[position] == UInt8(ascii: "\"") else {
                    throw failure("expected a member name in double quotes")
                }
                try parseString()
                skipWhitespace()
                guard take(UInt8(ascii: ":")) else { throw failure("expected ':' after a member name") }
                try parseValue(depth: depth)
                memberCount += 1
                skipWhitespace()
                if take(UInt8(ascii: ",")) { continue }
                guard take(UInt8(ascii: "}")) else { throw failure("expected ',' or '}' in an object") }
                break
            }
            if memberCount > 1, !allowsDuplicateNames { try refuseDuplicateNames(of: object, count: memberCount) }
        }
        close(object)
    }

    private mutating func parseArray(depth: Int) throws(Failure) {
        let array = try open(.array, depth: depth)
        skipWhitespace()
        if !take(UInt8(ascii: "]")) {
            while true {
                try parseValue(depth: depth)
                skipWhitespace()
                if take(UInt8(ascii: ",")) { continue }
                guard take(UInt8(ascii: "]")) else { throw failure("expected ',' or ']' in an array") }
                break
            }
        }
        close(array)
    }

    // MARK: Scalars

    private mutating func parseWord(_ word: StaticString, _ kind: JSONTape.EntryKind) throws(Failure) {
        let start = position
        let length = word.utf8CodeUnitCount
        guard input.count - start >= length else { throw failure("expected '\(word)'") }
        for offset in 0..<length where input[start + offset] != word.utf8Start[offset] {
            throw failure("expected '\(word)'")
        }
        position += length
        append(kind, from: start)
    }

    @inline(__always) private mutating func takeDigits() -> Int {
        let start = position
        while position < input.count, input[position] &- UInt8(ascii: "0") <= 9 { position &+= 1 }
        return position - start
    }

    private mutating func parseNumber() throws(Failure) {
        let start = position
        _ = take(UInt8(ascii: "-"))
        let leadingZero = position < input.count && input[position] == UInt8(ascii: "0")
        let digits = takeDigits()
        guard digits > 0 else { throw failure("expected a digit") }
        guard !leadingZero || digits == 1 else { throw Failure(offset: start, message: "number with a leading zero") }
        var kind = JSONTape.EntryKind.integer
        if take(UInt8(ascii: ".")) {
            kind = .fraction
            guard takeDigits() > 0 else { throw failure("expected a digit after '.'") }
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            kind = .fraction
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            guard takeDigits() > 0 else { throw failure("expected a digit in the exponent") }
        }
        // Only a number with an exponent or hundreds of digits can overflow, so only those pay for the check.
        if kind == .fraction || position - start > 300 {
            let text = String(decoding: input[start..<position], as: UTF8.self)
            guard let value = Double(text), value.isFinite else {
                throw Failure(offset: start, message: "number out of range")
            }
        }
        append(kind, from: start)
    }
}

// MARK: - Strings

extension TapeParser {
    /// At the opening quote. The entry's range excludes the quotes.
    private mutating func parseString() throws(Failure) {
        position += 1
        let start = position
        var kind = JSONTape.EntryKind.string
        while true {
            skipPlainBytes()
            guard position < input.count else { throw failure("string without its closing quote") }
            let byte = input[position]
            if byte == UInt8(ascii: "\"") { break }
            if byte == UInt8(ascii: "\\") {
                kind = .escapedString
                try parseEscape()
            } else if byte < 0x20 {
                throw failure("control character in a string; it must be escaped")
            } else {
                position &+= 1
            }
        }
        append(kind, from: start)
        position += 1
    }

    /// Skips eight bytes at a time while none of them is a quote, a backslash or a control character, then stops at the
    /// first that is. (The subtraction sets the top bit of a byte that was zero, or below 0x20; a borrow can set it
    /// wrongly only above the first true hit, and the first hit is all that is used.)
    @inline(__always) private mutating func skipPlainBytes() {
        guard let base = input.baseAddress else { return }
        while position &+ 8 <= input.count {
            let word = UInt64(littleEndian: UnsafeRawPointer(base + position).loadUnaligned(as: UInt64.self))
            let quote = word ^ 0x2222_2222_2222_2222
            let backslash = word ^ 0x5C5C_5C5C_5C5C_5C5C
            let ones: UInt64 = 0x0101_0101_0101_0101
            let hits =
                ((quote &- ones) & ~quote | (backslash &- ones) & ~backslash | (word &- (ones &* 0x20)) & ~word)
                & 0x8080_8080_8080_8080
            if hits == 0 {
                position &+= 8
            } else {
                position &+= hits.trailingZeroBitCount >> 3
                return
            }
        }
    }

    private mutating func parseEscape() throws(Failure) {
        let start = position
        position += 1
        guard position < input.count else { throw failure("string without its closing quote") }
        let letter = input[position]
        position += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return
        case UInt8(ascii: "u"):
            let unit = try parseHexUnit()
            if UTF16.isTrailSurrogate(unit) { throw Failure(offset: start, message: "lone trailing surrogate") }
            guard UTF16.isLeadSurrogate(unit) else { return }
            guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")), UTF16.isTrailSurrogate(try parseHexUnit()) else {
                throw Failure(offset: start, message: "lone leading surrogate")
            }
        default:
            throw Failure(offset: start, message: "unknown escape")
        }
    }

    private mutating func parseHexUnit() throws(Failure) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard position < input.count, let digit = JSONEscape.hexDigit(input[position]) else {
                throw failure("expected four hexadecimal digits after \\u")
            }
            unit = unit << 4 | UInt16(digit)
            position += 1
        }
        return unit
    }
}

// MARK: - Duplicate names

extension TapeParser {
    /// Up to this many members are compared pairwise, by a word each, which needs no memory; more go through a hash set, so that
    /// a hostile object costs linear time.
    private static let pairwiseLimit = 32

    /// RFC 8259 leaves duplicates undefined, so two readers may see two different objects: refused.
    private func refuseDuplicateNames(of object: Int, count: Int) throws(Failure) {
        if count <= Self.pairwiseLimit {
            if let name = pairwiseDuplicate(object, count) { throw duplicate(entries[name]) }
        } else {
            var seen = Set<[UInt8]>(minimumCapacity: count)
            var name = object + 1
            while name < entries.count {
                if !seen.insert(decodedName(entries[name])).inserted { throw duplicate(entries[name]) }
                name = Int(entries[name + 1].next)
            }
        }
    }

    private func pairwiseDuplicate(_ object: Int, _ count: Int) -> Int? {
        withUnsafeTemporaryAllocation(of: (word: UInt64, name: Int).self, capacity: count) { seen in
            var name = object + 1
            var number = 0
            while name < entries.count, number < count {
                let word = word(of: entries[name])
                for other in 0..<number where seen[other].word == word {
                    if sameName(entries[seen[other].name], entries[name]) { return name }
                }
                seen.initializeElement(at: number, to: (word, name))
                number += 1
                name = Int(entries[name + 1].next)
            }
            return nil
        }
    }

    /// The same for equal names, and almost always another for others.
    @inline(__always) private func word(of name: JSONTape.Entry) -> UInt64 {
        if name.kind == .escapedString { return decodedName(name).withUnsafeBufferPointer { Self.word($0, 0, $0.count) } }
        return Self.word(input, Int(name.start), Int(name.end))
    }

    @inline(__always) private static func word(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> UInt64 {
        guard let base = bytes.baseAddress.map({ UnsafeRawPointer($0) }), end > start else { return 0 }
        let count = end - start
        if count >= 8 {
            let first = (base + start).loadUnaligned(as: UInt64.self)
            let last = (base + end - 8).loadUnaligned(as: UInt64.self)
            return first ^ last << 7 ^ last >> 57 ^ UInt64(count) << 56
        }
        if count >= 4 {
            let first = (base + start).loadUnaligned(as: UInt32.self)
            let last = (base + end - 4).loadUnaligned(as: UInt32.self)
            return UInt64(first) | UInt64(last) << 32
        }
        return UInt64(bytes[start]) | UInt64(bytes[start + count / 2]) << 8 | UInt64(bytes[end - 1]) << 16 | UInt64(count) << 24
    }

    private func duplicate(_ name: JSONTape.Entry) -> Failure {
        Failure(
            offset: Int(name.start) - 1,
            message: "duplicate member name \"\(String(decoding: decodedName(name), as: UTF8.self))\"")
    }

    @inline(__always) private func sameName(_ left: JSONTape.Entry, _ right: JSONTape.Entry) -> Bool {
        if left.kind == .escapedString || right.kind == .escapedString {
            return decodedName(left) == decodedName(right)
        }
        let length = left.end &- left.start
        guard length == right.end &- right.start else { return false }
        for offset in 0..<Int(length) where input[Int(left.start) &+ offset] != input[Int(right.start) &+ offset] {
            return false
        }
        return true
    }

    private func decodedName(_ name: JSONTape.Entry) -> [UInt8] {
        let raw = UnsafeBufferPointer(rebasing: input[Int(name.start)..<Int(name.end)])
        return name.kind == .escapedString ? JSONEscape.unescape(raw) : Array(raw)
    }
}
