// config.json of the runtime-spec, read and checked. Sections in files of their own; field names are the document's.

import JSON

public struct ContainerSpecification: Sendable {
    public var version: String
    public var root: Root
    public var mounts: [MountSpecification]
    /// Absent is legal for `create`; `start` then fails.
    public var process: ProcessSpecification?
    public var hostname: String?
    public var domainname: String?
    public var hooks: HookSpecifications
    public var annotations: [(key: String, value: String)]
    public var linux: LinuxSpecification

    public struct Root: Sendable, Hashable {
        /// As written; relative to the bundle.
        public var path: String
        public var isReadOnly: Bool
    }

    public init(parsing bytes: [UInt8]) throws(OCIError) {
        let tape: JSONTape
        do { tape = try JSONTape(parsing: bytes) } catch { throw .invalid(field: "config.json", reason: "not JSON: \(error)") }
        let document = ConfigField(tape: tape)
        try document.isObject()
        version = try Self.checkedVersion(document["ociVersion"])
        guard try document["root"].isObject() else { throw document["root"].invalid("required, and missing") }
        root = Root(
            path: try document["root"]["path"].requiredString(), isReadOnly: try document["root"]["readonly"].bool() ?? false)
        guard !root.path.isEmpty else { throw document["root"]["path"].invalid("may not be empty") }
        mounts = []
        for field in try document["mounts"].elements() { mounts.append(try MountSpecification(field)) }
        process = try document["process"].isObject() ? try ProcessSpecification(document["process"]) : nil
        hostname = try document["hostname"].string().flatMap { $0.isEmpty ? nil : $0 }
        domainname = try document["domainname"].string().flatMap { $0.isEmpty ? nil : $0 }
        hooks = try HookSpecifications(document["hooks"])
        annotations = try document["annotations"].stringMap()
        if annotations.contains(where: { $0.key.isEmpty }) { throw document["annotations"].invalid("a key may not be empty") }
        linux = try LinuxSpecification(document["linux"])
        for platform in ["vm", "windows", "solaris", "zos", "freebsd"] where document[platform].isPresent {
            throw document[platform].unsupported("this is a runtime for Linux containers")
        }
    }

    /// SemVer 2.0.0 with major version 1: within it, documents are compatible (config.md, "Specification version").
    private static func checkedVersion(_ field: ConfigField) throws(OCIError) -> String {
        let text = try field.requiredString()
        let core = text.prefix { $0 != "-" && $0 != "+" }
        let parts = core.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } }) else {
            throw field.invalid("expected a version such as 1.0.2, found \"\(text)\"")
        }
        guard parts[0] == "1" else { throw field.unsupported("version \(text); 1.x is understood") }
        return text
    }
}
