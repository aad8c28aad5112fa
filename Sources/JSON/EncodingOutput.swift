// Where encoders write. Values are streamed; only containers that outlive the call that opened them (nested containers
// and super encoders) get an output of their own, put in its place at the end.

final class EncodingOutput {
    /// What the value being encoded has opened so far.
    enum Form { case nothing, scalar, object, array }

    struct Frame {
        var form = Form.nothing
        var count = 0
        /// The key under which the frame above is being written, for error paths.
        var key: (any CodingKey)?
    }

    /// Depth at which a value tree is refused, as the parser would refuse to read it back.
    static let maximumDepth = JSONTape.maximumDepth

    private let path: [any CodingKey]
    // SAFETY: an encoder is used by one thread, and no access below encloses a call that comes back here; checking that at
    // run time takes a quarter of all encoding time.
    @exclusivity(unchecked) var writer = JSONWriter()
    @exclusivity(unchecked) private(set) var frames: [Frame] = []
    /// Outputs to be put at these offsets, in ascending order.
    private var holes: [(offset: Int, output: EncodingOutput)] = []

    init(path: [any CodingKey]) { self.path = path }

    func codingPath(above depth: Int) -> [any CodingKey] {
        path + frames.prefix(depth).compactMap(\.key)
    }

    // MARK: Values

    /// Writes one complete value.
    func encodeValue<T: Encodable>(_ value: T, key: (any CodingKey)?) throws {
        // Types are compared before anything is cast: a cast costs ten times as much, and most values need none.
        if T.self == String.self, let string = value as? String {
            writer.string(string)
        } else if T.self == JSONValue.self, let value = value as? JSONValue {
            writer.value(value)
        } else if T.self == JSONObject.self, let object = value as? JSONObject {
            writer.value(.object(object))
        } else if T.self == [String].self, let strings = value as? [String] {
            writer.strings(strings)
        } else if T.self is any StringKeyedEncodable.Type, let dictionary = value as? any StringKeyedEncodable {
            try dictionary.encodeSorted(to: self, key: key)
        } else {
            try encodeFrame(key: key) { try value.encode(to: TapeEncoder(output: self, depth: frames.count - 1)) }
        }
    }

    func encodeFrame(key: (any CodingKey)?, _ body: () throws -> Void) throws {
        guard path.count + frames.count < Self.maximumDepth else {
            throw invalid("value", at: frames.count, "nested deeper than \(Self.maximumDepth)")
        }
        if !frames.isEmpty { frames[frames.count - 1].key = key }
        frames.append(Frame())
        try body()
        close(frames.removeLast().form)
    }

    private func close(_ form: Form) {
        switch form {
        case .scalar: break
        case .nothing: writer.raw("{}")
        case .object: writer.raw(UInt8(ascii: "}"))
        case .array: writer.raw(UInt8(ascii: "]"))
        }
    }

    // MARK: Containers

    /// An output for a container that stays open; the frame that a value would have is opened here.
    func nested(at depth: Int, key: (any CodingKey)?) -> EncodingOutput {
        let output = EncodingOutput(path: codingPath(above: depth) + (key.map { [$0] } ?? []))
        output.frames.append(Frame())
        holes.append((writer.count, output))
        return output
    }

    /// Starts (or resumes) the object or array of the frame at this depth.
    func open(_ form: Form, at depth: Int) {
        guard depth == frames.count - 1, frames[depth].form == .nothing else { return }
        frames[depth].form = form
        writer.raw(form == .array ? UInt8(ascii: "[") : UInt8(ascii: "{"))
    }

    /// Writes what goes before a member or element. Throws when the frame has become something else, or another
    /// value is being written at the moment.
    func beginItem(_ form: Form, at depth: Int, key: (any CodingKey)?) throws {
        guard depth == frames.count - 1, frames[depth].form == form else {
            throw invalid(key?.stringValue ?? "element", at: depth, "container used out of turn")
        }
        if frames[depth].count > 0 { writer.raw(UInt8(ascii: ",")) }
        frames[depth].count += 1
        if let key, form == .object {
            writer.string(key.stringValue)
            writer.raw(UInt8(ascii: ":"))
        }
    }

    func beginScalar(at depth: Int) throws {
        guard depth == frames.count - 1, frames[depth].form == .nothing else {
            throw invalid("scalar", at: depth, "a second value where one is due")
        }
        frames[depth].form = .scalar
    }

    func finite(_ value: Double, at depth: Int, key: (any CodingKey)?) throws -> Double {
        guard value.isFinite else {
            let keys = codingPath(above: depth) + (key.map { [$0] } ?? [])
            throw EncodingError.invalidValue(
                value, .init(codingPath: keys, debugDescription: "JSON has no number \(value)"))
        }
        return value
    }

    private func invalid(_ value: Any, at depth: Int, _ text: String) -> EncodingError {
        EncodingError.invalidValue(value, .init(codingPath: codingPath(above: depth), debugDescription: text))
    }

    // MARK: End

    /// The whole text, with the outputs of nested containers in their places.
    func assembled() -> [UInt8] {
        while let frame = frames.popLast() { close(frame.form) }
        let bytes = writer.bytes
        guard !holes.isEmpty else { return bytes }
        var result: [UInt8] = []
        var copied = 0
        for hole in holes {
            result.append(contentsOf: bytes[copied..<hole.offset])
            result.append(contentsOf: hole.output.assembled())
            copied = hole.offset
        }
        result.append(contentsOf: bytes[copied...])
        return result
    }
}

/// Dictionaries with string keys, written in the keys' order.
protocol StringKeyedEncodable {
    func encodeSorted(to output: EncodingOutput, key: (any CodingKey)?) throws
}

extension Dictionary: StringKeyedEncodable where Key == String, Value: Encodable {
    func encodeSorted(to output: EncodingOutput, key: (any CodingKey)?) throws {
        try output.encodeFrame(key: key) {
            let depth = output.frames.count - 1
            output.open(.object, at: depth)
            for (name, value) in sorted(by: { $0.key < $1.key }) {
                let name = JSONKey(stringValue: name)
                try output.beginItem(.object, at: depth, key: name)
                try output.encodeValue(value, key: name)
            }
        }
    }
}
