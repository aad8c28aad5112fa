// How much a profile leaves open, in numbers that a document can quote and a test can hold.

extension SeccompProfile {
    public struct Counts: Sendable, Hashable, CustomStringConvertible {
        /// System calls of this machine that are carried out whatever their arguments.
        public var permitted: Int
        /// Those that are carried out with some arguments only.
        public var permittedWithArguments: Int
        /// Those that answer ENOSYS by name.
        public var absent: Int
        /// Instructions of the compiled filter.
        public var instructions: Int

        public var description: String {
            "\(permitted) permitted, \(permittedWithArguments) by their arguments, \(absent) absent, \(instructions) instructions"
        }
    }

    /// Throws when the profile cannot be compiled.
    public func counts() throws(SandboxPolicyError) -> Counts {
        let conditional = names { $0.action.permits && !$0.conditions.isEmpty }
        let always = names { $0.action.permits && $0.conditions.isEmpty }
        return Counts(
            permitted: always.count, permittedWithArguments: conditional.subtracting(always).count,
            absent: names { $0.action == .errno(38) }.count,
            instructions: try SeccompCompiler.program(for: self).count / 8)
    }

    /// Names of this machine's calls in the rules that fit.
    func names(where fits: (Rule) -> Bool) -> Set<String> {
        Set(rules.filter(fits).flatMap(\.names).filter { SystemCallName.number($0) != nil })
    }
}
