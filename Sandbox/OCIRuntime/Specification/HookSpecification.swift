// The `hooks` section: programs to run at points of the container's life.

public struct HookSpecification: Sendable, Hashable {
    public var path: String
    public var arguments: [String]
    public var environment: [String]
    /// Seconds; nil waits as long as the hook takes.
    public var timeout: Int?
}

public struct HookSpecifications: Sendable, Hashable {
    public enum Kind: String, Sendable, CaseIterable {
        case prestart, createRuntime, createContainer, startContainer, poststart, poststop
    }

    private var hooks: [Kind: [HookSpecification]] = [:]

    public subscript(kind: Kind) -> [HookSpecification] { hooks[kind] ?? [] }
    public var isEmpty: Bool { hooks.isEmpty }

    init(_ field: ConfigField) throws(OCIError) {
        try field.isObject()
        for kind in Kind.allCases {
            var list: [HookSpecification] = []
            for element in try field[kind.rawValue].elements() { list.append(try Self.hook(element)) }
            if !list.isEmpty { hooks[kind] = list }
        }
    }

    private static func hook(_ field: ConfigField) throws(OCIError) -> HookSpecification {
        let timeout = try field["timeout"].integer(Int.self)
        if let timeout, !(1...86400).contains(timeout) { throw field["timeout"].invalid("expected 1 to 86400, found \(timeout)") }
        let path = try field["path"].absolutePath()
        let arguments = try field["args"].strings()
        return HookSpecification(
            path: path, arguments: arguments.isEmpty ? [path] : arguments, environment: try field["env"].strings(),
            timeout: timeout)
    }
}
