// What a seccomp profile says, in the words of the OCI runtime-spec's linux.seccomp; `+Parsing` reads the documents.

public struct SeccompProfile: Sendable, Hashable {
    /// Some system calls and what becomes of them. Several rules for one call are alternatives.
    public struct Rule: Sendable, Hashable {
        public var names: [String]
        public var action: Action
        public var conditions: [Condition]
        /// Place of the entry in its document, for messages: "syscalls[3]".
        public var place: String

        public init(names: [String], action: Action, conditions: [Condition] = [], place: String = "") {
            self.names = names
            self.action = action
            self.conditions = conditions
            self.place = place
        }
    }

    /// linux.seccomp.syscalls[].args[] of the runtime-spec. For `maskedEqual`, `value` is the mask and `valueTwo` what is
    /// left under it.
    public struct Condition: Sendable, Hashable {
        public var index: UInt32
        public var value: UInt64
        public var valueTwo: UInt64
        public var comparison: Comparison

        public init(index: UInt32, value: UInt64, valueTwo: UInt64 = 0, comparison: Comparison) {
            self.index = index
            self.value = value
            self.valueTwo = valueTwo
            self.comparison = comparison
        }
    }

    public enum Comparison: String, Sendable, Hashable, CaseIterable {
        case notEqual = "SCMP_CMP_NE"
        case lessThan = "SCMP_CMP_LT"
        case lessOrEqual = "SCMP_CMP_LE"
        case equal = "SCMP_CMP_EQ"
        case greaterOrEqual = "SCMP_CMP_GE"
        case greaterThan = "SCMP_CMP_GT"
        case maskedEqual = "SCMP_CMP_MASKED_EQ"
    }

    public enum Action: Sendable, Hashable {
        case allow, log, killProcess, killThread
        case errno(UInt16)
        /// SIGSYS, which the process may handle.
        case trap
        /// For a tracer. Without one, which is always so here, the call answers ENOSYS.
        case trace(UInt16)
        /// For a listener of the profile's own.
        case notify

        /// True when the call is carried out.
        public var permits: Bool { self == .allow || self == .log }
    }

    public var defaultAction: Action
    public var rules: [Rule]
    /// Entries of other word sizes that the profile serves beside the machine's own; empty: they end the process.
    public var foreignArchitectures: [SeccompArchitecture]
    /// Flags of seccomp(2) that the document asks for.
    public var flags: [SeccompFlag]
    /// Where the document wants the descriptor of its `notify` rules sent.
    public var listenerPath: String?
    public var listenerMetadata: String?

    public init(
        defaultAction: Action, rules: [Rule], foreignArchitectures: [SeccompArchitecture] = [], flags: [SeccompFlag] = [],
        listenerPath: String? = nil, listenerMetadata: String? = nil
    ) {
        self.defaultAction = defaultAction
        self.rules = rules
        self.foreignArchitectures = foreignArchitectures
        self.flags = flags
        self.listenerPath = listenerPath
        self.listenerMetadata = listenerMetadata
    }
}

/// Entries to the kernel by the names of libseccomp and the OCI. All that one of our machines (x86-64, AArch64) can serve.
public enum SeccompArchitecture: String, Sendable, Hashable, CaseIterable {
    case x86_64 = "SCMP_ARCH_X86_64"
    case x86 = "SCMP_ARCH_X86"
    case x32 = "SCMP_ARCH_X32"
    case aarch64 = "SCMP_ARCH_AARCH64"
    case arm = "SCMP_ARCH_ARM"

    /// The machine's own.
    public static var native: SeccompArchitecture {
        #if arch(arm64)
            .aarch64
        #else
            .x86_64
        #endif
    }

    /// The AUDIT_ARCH_ value that a filter sees. x32 shares x86-64's and differs by a bit of the number.
    public var token: UInt32 {
        switch self {
        case .x86_64, .x32: 0xc000_003e
        case .x86: 0x4000_0003
        case .aarch64: 0xc000_00b7
        case .arm: 0x4000_0028
        }
    }

    /// The names that Docker's profiles use in `includes.arches`: Go's.
    var dockerName: String {
        switch self {
        case .x86_64: "amd64"
        case .x86: "x86"
        case .x32: "x32"
        case .aarch64: "arm64"
        case .arm: "arm"
        }
    }

    /// True for an entry that this machine's kernel may have beside its own.
    var isForeignHere: Bool {
        switch self {
        case .x86, .x32: Self.native == .x86_64
        case .arm: Self.native == .aarch64
        case .x86_64, .aarch64: false
        }
    }
}
