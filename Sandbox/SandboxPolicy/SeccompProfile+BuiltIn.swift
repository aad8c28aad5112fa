// The profiles that come with the program. Their texts stand under Sandbox/Profiles; the embedded copies beside this file
// are made from them (SWIFTLET_RECORD_GOLDEN=1 in SandboxPolicyTests), so that an installed binary needs no file.

extension SeccompProfile {
    public enum BuiltIn: String, Sendable, Hashable, CaseIterable {
        /// For any program: what containers usually get, less what no computation needs.
        case runtimeDefault = "RuntimeDefault"
        /// For one computing program: no other program, no network but local and internet sockets.
        case strict = "Strict"
        /// For engines on CPython: threads, child processes, sockets, shared memory.
        case python = "Python"
        /// For Ray and what runs on it.
        case ray = "Ray"

        /// "runtime-default.json": the name under Sandbox/Profiles, and a name that `Localhost` accepts.
        public var fileName: String {
            switch self {
            case .runtimeDefault: "runtime-default.json"
            case .strict: "strict.json"
            case .python: "python.json"
            case .ray: "ray.json"
            }
        }

        /// By file name, with or without ".json".
        init?(fileName: String) {
            guard let found = Self.allCases.first(where: { $0.fileName == fileName || $0.fileName == fileName + ".json" })
            else { return nil }
            self = found
        }

        /// The document in the OCI format.
        public var json: String {
            switch self {
            case .runtimeDefault: SeccompProfile.runtimeDefaultJSON
            case .strict: SeccompProfile.strictJSON
            case .python: SeccompProfile.pythonJSON
            case .ray: SeccompProfile.rayJSON
            }
        }
    }

    public static func builtIn(_ name: BuiltIn, context: SeccompContext = .plainTask) throws(SandboxPolicyError) -> SeccompProfile
    {
        try SeccompProfile(parsing: Array(name.json.utf8), context: context)
    }

    /// "RuntimeDefault" of the pod's securityContext.
    public static func runtimeDefault() throws(SandboxPolicyError) -> SeccompProfile { try builtIn(.runtimeDefault) }
}
