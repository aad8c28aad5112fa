// The declared types: every line can be read, every kind has its types, and what is declared is what decoding does.
import JSON
import KubernetesModel
import Testing

@testable import APIServer

struct TypeLibraryTests {
    @Test("every declared type can be resolved, and no field stands twice in one")
    func everyType() throws {
        let library = TypeLibrary.shared
        #expect(library.names.count > 300)
        for name in library.names {
            let object = try #require(library.object(name), "\(name)")
            #expect(Set(object.fields.map(\.name)).count == object.fields.count, "\(name)")
            let numbers =
                object.fields.filter { !$0.isInlined && $0.number > 0 }.map(\.number) + object.inlined.keys.filter { $0 > 0 }
            #expect(Set(numbers).count == numbers.count, "\(name): a protobuf number stands twice")
            for field in object.fields {
                var bytes = field.name
                let position = bytes.withUTF8 { object.position(of: $0) }
                #expect(position.map { object.fields[$0].name } == field.name)
            }
            #expect(object["no-such-field"] == nil)
        }
        #expect(library.mistakes == [])
    }

    @Test("a mistake in a declaration is told, and the rest of the type is served")
    func mistakes() throws {
        let library = TypeLibrary([
            TypeText(
                package: "x",
                #"""
                type Thing
                  1 name string
                  two words
                  3 part Missing
                  4 count int32 =many
                  5 inline Missing
                """#)
        ])
        let thing = try #require(library.object("x.Thing"))
        #expect(thing.fields.map(\.name) == ["name", "part", "count"])
        #expect(thing["count"]?.defaultValue == nil)
        #expect(library.mistakes.count == 4)
    }

    @Test("every kind, and every document of a subresource, has its types", arguments: KindRegistry.all.map(\.openAPIName))
    func everyKind(_ name: String) throws {
        let object = try #require(TypeLibrary.shared.object(name), "\(name)")
        #expect(object["apiVersion"] != nil && object["kind"] != nil && object["metadata"] != nil)
    }

    @Test("documents of subresources that are no streams are declared")
    func subresources() {
        for kind in KindRegistry.all {
            for subresource in kind.subresources where !subresource.isStream {
                #expect(TypeLibrary.shared.object(subresource.openAPIName) != nil, "\(kind.kind)/\(subresource.name)")
            }
        }
    }

    @Test("no two kinds share a place or, within a group, a short name")
    func places() {
        #expect(Set(KindRegistry.all.map(\.resource)).count == KindRegistry.all.count)
        let names = KindRegistry.all.flatMap { kind in kind.shortNames.map { "\(kind.group)/\($0)" } }
        #expect(Set(names).count == names.count)
    }

    private let library = TypeLibrary([
        TypeText(
            package: "x",
            #"""
            kind Thing -- A thing.
              1 metadata any
              2 word string! -- What it is called.
              3 choice enum(A|B) =A
              4 inner Inner ={}
              5 parts []Part merge(name) map(name,kind)
              6 free {}int32
              7 inline Common
              8 zero int32 =3
              9 pointer int32? =3
            type Inner
              1 size quantity =1Gi
            type Part
              1 name string!
            type Common
              1 shared bool
            """#)
    ])

    private func decode(_ text: String) throws -> (JSONValue, SchemaFindings) {
        var decoder = SchemaDecoder(try JSONTape(parsing: Array(text.utf8)), canonicalizes: true)
        let value = decoder.root(try #require(library.schema("x.Thing")))
        return (value, decoder.findings)
    }

    @Test("defaults come where something is absent, also inside defaults; nulls and zeros count as absent")
    func defaults() throws {
        let (value, findings) = try decode(#"{"word":"w","choice":"","zero":0,"pointer":0,"parts":null,"shared":true}"#)
        #expect(findings.errors.isEmpty && findings.unknownFields.isEmpty)
        #expect(
            value == ["word": "w", "choice": "A", "zero": 3, "pointer": 0, "shared": true, "inner": ["size": "1Gi"]])
    }

    @Test("findings name the place")
    func findings() throws {
        let (_, findings) = try decode(
            #"{"word":"","choice":"C","parts":[{"name":"a","x":1},{}],"free":{"k":"v"},"inner":{"size":"1Q"},"other":1}"#)
        #expect(findings.unknownFields == ["parts[0].x", "other"])
        #expect(findings.errors.map(\.field) == ["choice", "parts[1].name", "free[k]", "inner.size", "word"])
    }

    @Test("a tree and a tape of the same text are judged alike", arguments: samples)
    func agreement(_ text: String) throws {
        let (value, findings) = try decode(text)
        var other = SchemaFindings()
        let cleaned = try #require(library.schema("x.Thing")).cleaned(try JSONValue(parsing: text), at: "", &other)
        #expect(cleaned == value)
        #expect(other.errors == findings.errors)
        #expect(other.unknownFields == findings.unknownFields)
    }

    static let samples = [
        #"{"word":"w"}"#, #"{}"#, #"{"word":"w","parts":[{"name":"p"},{"name":""}],"free":{"a":1,"b":null}}"#,
        #"{"word":1,"choice":2,"parts":{},"free":[],"inner":3}"#, #"{"wörd":"w","word":"w","metadata":{"any":[1,{"x":null}]}}"#,
        #"{"word":"w","zero":99999999999,"pointer":-99999999999}"#, #"[]"#, #""x""#,
    ]

    @Test(
        "built-in kinds keep quantities in the form that Kubernetes writes",
        arguments: [
            (#""1024Mi""#, "1Gi"), (#""0.5""#, "500m"), ("2", "2"), ("0.1", "100m"), (#""1000m""#, "1"), (#""100m""#, "100m"),
            (#""1e3""#, "1e3"),
        ])
    func quantities(_ written: String, _ kept: String) throws {
        let (value, findings) = try decode(#"{"word":"w","inner":{"size":\#(written)}}"#)
        #expect(findings.errors.isEmpty)
        #expect(value["inner"]?["size"]?.stringValue == kept)
    }
}
