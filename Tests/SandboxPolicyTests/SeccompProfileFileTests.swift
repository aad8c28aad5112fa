// The profiles as files: their embedded copies, that no line of them is idle, and the numbers that documents quote.

import Glibc
import Testing

@testable import SandboxPolicy

@Suite("Seccomp profile files")
struct SeccompProfileFileTests {
    static var sandbox: String { "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/Sandbox" }

    @Test("the embedded profiles are the files under Sandbox/Profiles", arguments: SeccompProfile.BuiltIn.allCases)
    func embedded(profile: SeccompProfile.BuiltIn) throws {
        let text = try #require(Golden.read("\(Self.sandbox)/Profiles/\(profile.fileName)"))
        if getenv("SWIFTLET_RECORD_GOLDEN") != nil { try record(profile, text) }
        #expect(text == profile.json + "\n", "SWIFTLET_RECORD_GOLDEN=1 writes the copy anew")
    }

    private func record(_ profile: SeccompProfile.BuiltIn, _ text: String) throws {
        let property = profile == .runtimeDefault ? "runtimeDefaultJSON" : "\(profile.rawValue.lowercased())JSON"
        let indented = text.split(separator: "\n").map { "        \($0)\n" }.joined()
        let source = """
            // Sandbox/Profiles/\(profile.fileName) as a string.
            // Made from it: SWIFTLET_RECORD_GOLDEN=1 swift test --filter SeccompProfileFileTests

            extension SeccompProfile {
                static let \(property) = #\"""
            \(indented)        \"""#
            }

            """
        let path = "\(Self.sandbox)/SandboxPolicy/SeccompProfile+\(profile.rawValue).swift"
        let file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0o644)
        defer { close(file) }
        try #require(write(file, source, source.utf8.count) == source.utf8.count)
    }

    @Test("redundant rules: none", arguments: SeccompProfile.BuiltIn.allCases)
    func noRedundancy(profile: SeccompProfile.BuiltIn) throws {
        #expect(try SeccompProfile.builtIn(profile).redundancies().map(\.description) == [])
    }

    @Test("no redundant rule for a holder of any capability either, or of all")
    func noRedundancyWithCapabilities() throws {
        for set in Capability.allCases.map({ Set([$0]) }) + [Set(Capability.allCases)] {
            let profile = try SeccompProfile.builtIn(.runtimeDefault, context: SeccompContext(capabilities: set))
            #expect(profile.redundancies().map(\.description) == [], "\(set)")
        }
    }

    @Test("every name of every rule changes the compiled filter", arguments: SeccompProfile.BuiltIn.allCases)
    func everyNameCounts(profile: SeccompProfile.BuiltIn) throws {
        let whole = try SeccompProfile.builtIn(profile)
        let program = try SeccompCompiler.compile(whole)
        for (index, rule) in whole.rules.enumerated() {
            for name in rule.names where SystemCallName.number(name) != nil {
                var less = whole
                less.rules[index].names.removeAll { $0 == name }
                #expect(try SeccompCompiler.compile(less) != program, "\(rule.place): \(name)")
            }
        }
    }

    @Test(
        "idle rules are found and named",
        arguments: [
            (#"{"names":["read","read"],"action":"SCMP_ACT_ALLOW"}"#, SeccompProfile.Redundancy.Reason.duplicate),
            (#"{"names":["raed"],"action":"SCMP_ACT_ALLOW"}"#, .unknownCall),
            (#"{"names":["read"],"action":"SCMP_ACT_ERRNO"}"#, .sameAsDefault),
            (
                #"{"names":["read"],"action":"SCMP_ACT_ALLOW"},{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}"#,
                .shadowed
            ),
            (
                #"{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]},{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"},{"index":1,"value":2,"op":"SCMP_CMP_EQ"}]}"#,
                .impliedByAnother
            ),
        ])
    func redundancies(rules: String, reason: SeccompProfile.Redundancy.Reason) throws {
        let profile = try SeccompProfile(parsing: Array(#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[\#(rules)]}"#.utf8))
        #expect(profile.redundancies().map(\.reason) == [reason])
    }

    #if arch(x86_64)
        /// Sandbox/README.md quotes these.
        @Test(
            "system calls permitted per profile",
            arguments: [
                (SeccompProfile.BuiltIn.runtimeDefault, [274, 5, 20]), (.python, [208, 4, 21]), (.ray, [215, 4, 21]),
                (.strict, [158, 5, 24]),
            ])
        func counts(profile: SeccompProfile.BuiltIn, expected: [Int]) throws {
            let counts = try SeccompProfile.builtIn(profile).counts()
            #expect([counts.permitted, counts.permittedWithArguments, counts.absent] == expected)
            #expect(counts.instructions < 1024)
        }
    #endif
}
