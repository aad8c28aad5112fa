// Appends JSON text to a byte buffer: the only place where strings are escaped and numbers formatted.

struct JSONWriter {
    private(set) var bytes: [UInt8] = []

    init() { bytes.reserveCapacity(512) }

    mutating func raw(_ byte: UInt8) { bytes.append(byte) }

    mutating func raw(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    mutating func raw(_ other: some Collection<UInt8>) { bytes.append(contentsOf: other) }

    mutating func bool(_ value: Bool) { value ? raw("true") : raw("false") }

    mutating func integer(_ value: some FixedWidthInteger) {
        if value == 0 {
            bytes.append(UInt8(ascii: "0"))
            return
        }
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        var magnitude = value.magnitude
        let start = bytes.count
        while magnitude > 0 {
            let (quotient, digit) = magnitude.quotientAndRemainder(dividingBy: 10)
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit))
            magnitude = quotient
        }
        bytes[start...].reverse()
    }

    /// The shortest text that reads back as the same number; null if there is none.
    mutating func double(_ value: Double) {
        guard value.isFinite else {
            raw("null")
            return
        }
        bytes.append(contentsOf: value.description.utf8)
    }

    mutating func string(_ value: String) {
        bytes.append(UInt8(ascii: "\""))
        var value = value
        value.withUTF8 { text in
            var copied = 0
            for position in 0..<text.count {
                let byte = text[position]
                if byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { continue }
                bytes.append(contentsOf: text[copied..<position])
                escape(byte)
                copied = position + 1
            }
            bytes.append(contentsOf: text[copied...])
        }
        bytes.append(UInt8(ascii: "\""))
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
                bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        }
    }

    mutating func value(_ value: JSONValue) {
        switch value {
        case .object(let members):
            raw(UInt8(ascii: "{"))
            var first = true
            for (key, member) in members {
                separate(&first)
                string(key)
                raw(UInt8(ascii: ":"))
                self.value(member)
            }
            raw(UInt8(ascii: "}"))
        case .array(let elements):
            raw(UInt8(ascii: "["))
            var first = true
            for element in elements {
                separate(&first)
                self.value(element)
            }
            raw(UInt8(ascii: "]"))
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

    private mutating func separate(_ first: inout Bool) {
        if !first { raw(UInt8(ascii: ",")) }
        first = false
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
