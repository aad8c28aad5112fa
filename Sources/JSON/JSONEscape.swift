// Resolves the escapes of a string whose grammar the parser has already checked.

enum JSONEscape {
    static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// The UTF-8 bytes meant by the inside of a string literal.
    static func unescape(_ raw: some RandomAccessCollection<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(raw.count)
        var rest = raw[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let letter = rest.popFirst() else {
                result.append(byte)
                continue
            }
            switch letter {
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0C)
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "u"): result.append(contentsOf: scalar(&rest).utf8)
            default: result.append(letter)
            }
        }
        return result
    }

    /// After `\u`; takes the second half of a surrogate pair too.
    private static func scalar<Rest: RandomAccessCollection<UInt8>>(_ rest: inout Rest) -> String
    where Rest.SubSequence == Rest {
        let first = unit(&rest)
        guard UTF16.isLeadSurrogate(first) else { return String(decoding: CollectionOfOne(first), as: UTF16.self) }
        rest = rest.dropFirst(2)
        return String(decoding: [first, unit(&rest)], as: UTF16.self)
    }

    private static func unit<Rest: RandomAccessCollection<UInt8>>(_ rest: inout Rest) -> UInt16
    where Rest.SubSequence == Rest {
        var value: UInt16 = 0
        for byte in rest.prefix(4) { value = value << 4 | UInt16(hexDigit(byte) ?? 0) }
        rest = rest.dropFirst(4)
        return value
    }
}
