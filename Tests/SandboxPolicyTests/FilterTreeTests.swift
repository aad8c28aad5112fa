// The compiled filter against libseccomp's own program: a tree in front may change nothing.

import Testing

@testable import SandboxPolicy

@Suite("Filter trees")
struct FilterTreeTests {
    /// Every number of the table and beyond, the x32 entry, foreign entries; argument values around those that profiles ask about.
    private static let numbers = Array(UInt32(0)...700) + [4096, 0x3fff_ffff, 0x4000_0000, 0x4000_0027, 0x8000_0000, 0xffff_ffff]
    private static let values: [UInt64] = [
        0, 1, 2, 3, 10, 15, 16, 17, 31, 38, 0x5401, 0x5412, 0x8912, 0x0002_0000, 0x003d_0f00, 0x1000_0011, 0x7e02_0000,
        0x0004_0000,
        0xffff_ffff, 0x1_0000_0000, 0x1_0000_000f, .max,
    ]

    private static func expectEqual(_ profile: SeccompProfile) throws {
        let ours = FilterMachine(program: try SeccompCompiler.compile(profile))
        let reference = FilterMachine(program: try SeccompCompiler.translate(profile).program)
        var different: [String] = []
        for architecture in [SeccompArchitecture.native.token, SeccompArchitecture.x86.token, 0] {
            for number in numbers {
                for value in architecture == SeccompArchitecture.native.token ? values : [0] {
                    let arguments = [value, value, value, value, value, value]
                    let (given, wanted) = (
                        try ours.answer(number: number, architecture: architecture, arguments: arguments),
                        try reference.answer(number: number, architecture: architecture, arguments: arguments)
                    )
                    if given != wanted { different.append("call \(number) of \(architecture), arguments \(value)") }
                }
            }
        }
        #expect(different == [])
    }

    @Test("every profile answers as libseccomp's own program does", arguments: SeccompProfile.BuiltIn.allCases)
    func builtInProfiles(profile: SeccompProfile.BuiltIn) throws { try Self.expectEqual(.builtIn(profile)) }

    @Test("sockets are decided alike for every family, type and protocol that is asked about")
    func sockets() throws {
        let profile = try SeccompProfile.builtIn(.runtimeDefault)
        let ours = FilterMachine(program: try SeccompCompiler.compile(profile))
        let reference = FilterMachine(program: try SeccompCompiler.translate(profile).program)
        for family in 0...45 as ClosedRange<UInt64> {
            for type in [1, 2, 3, 5, 10, 0x80801] as [UInt64] {
                for number in [0, 1, 6, 9, 12, 17, 58, 132, 136, 262] as [UInt64] {
                    #expect(
                        try ours.answer("socket", [family, type, number]) == reference.answer("socket", [family, type, number]))
                }
            }
        }
    }

    @Test("a profile that permits all but a few calls, one that decides nothing, and one of scattered numbers")
    func oddProfiles() throws {
        let names = (0..<450).compactMap { $0 % 2 == 0 ? SystemCallName.name(UInt32($0)) : nil }
        for profile in [
            SeccompProfile(defaultAction: .allow, rules: [.init(names: ["ptrace", "mount"], action: .errno(1))]),
            SeccompProfile(defaultAction: .errno(1), rules: []),
            SeccompProfile(defaultAction: .killProcess, rules: [.init(names: ["read", "write", "exit_group"], action: .allow)]),
            SeccompProfile(
                defaultAction: .errno(1),
                rules: [
                    .init(
                        names: ["clone", "ioctl"], action: .allow,
                        conditions: [.init(index: 0, value: 16, comparison: .lessThan)]),
                    .init(names: ["ioctl"], action: .log, conditions: [.init(index: 1, value: 0x5401, comparison: .equal)]),
                ]),
            SeccompProfile(defaultAction: .errno(1), rules: [.init(names: names, action: .allow)]),
        ] { try Self.expectEqual(profile) }
    }

    @Test("the tree makes a filter shorter, and a call's way through it", arguments: SeccompProfile.BuiltIn.allCases)
    func shorter(profile: SeccompProfile.BuiltIn) throws {
        let profile = try SeccompProfile.builtIn(profile)
        let (ours, whole) = try (SeccompCompiler.compile(profile).count / 8, SeccompCompiler.translate(profile).program.count / 8)
        #expect(ours < whole * 3 / 4, "\(ours) instructions in place of \(whole)")
    }
}
