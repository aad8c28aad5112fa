// The request target of HTTP ("/path?query") as the core wants it: raw path, decoded query.

struct RequestTarget: Sendable {
    /// Longer targets are refused with 414. A selector may name thousands of values: Go's servers take a megabyte of head.
    static let maximumBytes = 256 << 10

    var path: String
    var query: [(name: String, value: String)]

    /// nil unless it is in origin form and its escapes are whole.
    init?(_ text: String) {
        guard text.utf8.first == UInt8(ascii: "/"), text.utf8.count <= Self.maximumBytes else { return nil }
        let bytes = text.utf8
        let mark = bytes.firstIndex(of: UInt8(ascii: "?"))
        path = String(text[..<(mark ?? text.endIndex)])
        query = []
        guard Self.decoded(path.utf8, plusIsSpace: false) != nil else { return nil }
        guard let mark else { return }
        for pair in bytes[bytes.index(after: mark)...].split(separator: UInt8(ascii: "&")) {
            let equals = pair.firstIndex(of: UInt8(ascii: "="))
            guard let name = Self.decoded(pair[..<(equals ?? pair.endIndex)], plusIsSpace: true),
                let value = Self.decoded(
                    equals.map { pair[pair.index(after: $0)...] } ?? pair[pair.endIndex...], plusIsSpace: true)
            else { return nil }
            query.append((name, value))
        }
    }

    /// Percent-decoded UTF-8; nil for a broken escape, or bytes that are not UTF-8.
    static func decoded(_ bytes: some Sequence<UInt8>, plusIsSpace: Bool) -> String? {
        var result: [UInt8] = []
        var iterator = bytes.makeIterator()
        while let byte = iterator.next() {
            switch byte {
            case UInt8(ascii: "+") where plusIsSpace: result.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard let high = iterator.next().flatMap(hexadecimal), let low = iterator.next().flatMap(hexadecimal) else {
                    return nil
                }
                result.append(high << 4 | low)
            default: result.append(byte)
            }
        }
        return String(validating: result, as: UTF8.self)
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
