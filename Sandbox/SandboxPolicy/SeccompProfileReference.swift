// Which profile a task asks for, in Kubernetes' words.

import KubernetesModel

/// Written as "RuntimeDefault", "Strict", "Python", "Ray", "Unconfined" or "Localhost/NAME"; the value of
/// `ContainerConfig.seccompProfile`, of an annotation and of `swiftlet run --seccomp`.
public enum SeccompProfileReference: Sendable, Hashable, CustomStringConvertible {
    /// One that comes with the program.
    case builtIn(SeccompProfile.BuiltIn)
    /// A file below the node's profile directory; else, by the name "strict.json", one of the built-in ones.
    case localhost(String)
    /// No filter at all. The node must permit it.
    case unconfined

    /// Kubernetes' default.
    public static let runtimeDefault = SeccompProfileReference.builtIn(.runtimeDefault)

    /// securityContext.seccompProfile; nil is the runtime's default. Throws `.invalid` with the field.
    public init(_ profile: KubernetesModel.SeccompProfile?) throws(SandboxPolicyError) {
        switch profile?.type {
        case nil, "": self = .runtimeDefault
        case "Localhost":
            guard let name = profile?.localhostProfile else {
                throw .invalid(
                    field: "seccompProfile.localhostProfile", found: "nothing", expected: "a file's name (type Localhost)")
            }
            try self.init("Localhost/\(name)", field: "seccompProfile.localhostProfile")
        case let type?:
            if let name = profile?.localhostProfile, !name.isEmpty {
                throw .invalid(
                    field: "seccompProfile.localhostProfile", found: name, expected: "nothing (type is \(type), not Localhost)")
            }
            try self.init(type, field: "seccompProfile.type")
        }
    }

    /// The written form; an empty text is the runtime's default.
    public init(_ text: String, field: String = "seccompProfile") throws(SandboxPolicyError) {
        if text.isEmpty {
            self = .runtimeDefault
        } else if text == "Unconfined" {
            self = .unconfined
        } else if let builtIn = SeccompProfile.BuiltIn(rawValue: text) {
            self = .builtIn(builtIn)
        } else if text.hasPrefix("Localhost/") {
            let name = String(text.dropFirst("Localhost/".count))
            guard Self.isRelative(name) else {
                throw .invalid(field: field, found: name, expected: "a path below the node's profile directory, without ..")
            }
            self = .localhost(name)
        } else {
            let names = SeccompProfile.BuiltIn.allCases.map(\.rawValue).joined(separator: ", ")
            throw .invalid(field: field, found: text, expected: "\(names), Unconfined or Localhost/NAME")
        }
    }

    public var description: String {
        switch self {
        case .builtIn(let profile): profile.rawValue
        case .localhost(let name): "Localhost/\(name)"
        case .unconfined: "Unconfined"
        }
    }

    /// Words between slashes, none of which leads elsewhere.
    private static func isRelative(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= 255 && !name.utf8.contains(0)
            && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty && !$0.hasPrefix(".") }
    }
}
