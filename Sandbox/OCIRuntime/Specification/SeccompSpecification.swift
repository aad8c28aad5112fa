// linux.seccomp: kept as the document it is, for the profile reader that all of the sandbox shares.

import JSON

public struct SeccompSpecification: Sendable, Hashable {
    /// The section's own text, in the OCI format.
    public var profile: [UInt8]
    public var flags: [String]

    init(_ field: ConfigField) throws(OCIError) {
        profile = try Self.profile(field)
        flags = try field["flags"].strings()
        for (index, flag) in flags.enumerated() where !Self.knownFlags.contains(flag) {
            throw .invalid(field: "\(field.path).flags[\(index)]", reason: "seccomp flag \"\(flag)\" is unknown")
        }
        // Without that action nobody would ever be asked.
        let asks = String(decoding: profile, as: UTF8.self).contains("SCMP_ACT_NOTIFY")
        if let path = try field["listenerPath"].string(), !path.isEmpty, asks {
            throw field["listenerPath"].unsupported("SCMP_ACT_NOTIFY needs an agent, which this runtime does not serve")
        }
        if let text = try field["listenerMetadata"].string(), !text.isEmpty, try field["listenerPath"].string() ?? "" == "" {
            throw field["listenerMetadata"].invalid("may not be set without listenerPath")
        }
    }

    /// `syscalls` is optional here (config-linux.md, "Seccomp"); to the profile reader a file without it is a mistake.
    private static func profile(_ field: ConfigField) throws(OCIError) -> [UInt8] {
        let text = field.rawBytes() ?? []
        guard !field["syscalls"].isPresent, var document = (try? JSONValue(parsing: text))?.objectValue else { return text }
        document["syscalls"] = []
        return JSONValue.object(document).serialized()
    }

    static let knownFlags = [
        "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ]
}
