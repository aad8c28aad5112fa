// From what was called to a profile: the smallest that permits it.

import Testing

@testable import SandboxPolicy

@Suite("Seccomp lessons")
struct SeccompLessonTests {
    #if arch(x86_64)
        static let text = """
            swiftlet-lesson 1
            59 1
            0 12
            1 3
            435 2
            56 1 1200011
            41 1 2 80801 6
            41 1 2 1 6
            16 4 5401
            157 1 f
            231 1
            425 1
            end

            """

        static func machine(_ text: String) throws -> FilterMachine {
            let json = try SeccompLesson(parsing: Array(text.utf8)).profileJSON(comment: "of \"x\"\n")
            let profile = try SeccompProfile(parsing: Array(json.utf8))
            #expect(profile.redundancies().isEmpty, "\(profile.redundancies())")
            return FilterMachine(program: try SeccompCompiler.program(for: profile))
        }

        @Test("what was called is permitted with its arguments, and nothing else")
        func profile() throws {
            let machine = try Self.machine(Self.text)
            for name in ["execve", "read", "write", "exit_group", "rt_sigreturn"] {
                #expect(try machine.answer(name) == Answer.allow, "\(name)")
            }
            for name in ["open", "mount", "ptrace", "personality"] {
                #expect(try machine.answer(name) == Answer.denied, "\(name)")
            }
            #expect(try machine.answer("socket", [2, 1, 6]) == Answer.allow)
            #expect(try machine.answer("socket", [2, 0x80001, 6]) == Answer.allow)
            #expect(try machine.answer("socket", [2, 2, 6]) == Answer.denied)
            #expect(try machine.answer("socket", [40, 1, 6]) == Answer.denied)
            #expect(try machine.answer("ioctl", [0, 0x5401]) == Answer.allow)
            #expect(try machine.answer("ioctl", [0, 0x5412]) == Answer.denied)
            #expect(try machine.answer("ioctl", [0, 0x1_0000_5412]) == Answer.denied)
            #expect(try machine.answer("prctl", [15]) == Answer.allow)
            #expect(try machine.answer("prctl", [38]) == Answer.denied)
        }

        @Test("threads without namespaces; clone3 and io_uring are absent, whoever tried them")
        func threads() throws {
            let machine = try Self.machine(Self.text)
            #expect(try machine.answer("clone", [0x003d_0f00]) == Answer.allow)
            #expect(try machine.answer("clone", [0x1000_0011]) == Answer.denied)
            #expect(try machine.answer("clone3") == Answer.absent)
            #expect(try machine.answer("io_uring_setup") == Answer.absent)
        }

        @Test("a task that made namespaces may make them again, and one that asked too much may ask anything")
        func wide() throws {
            let machine = try Self.machine("swiftlet-lesson 1\n56 1 10000011\n16 200 any\n16 1 5401\nend\n")
            #expect(try machine.answer("clone", [0x1000_0011]) == Answer.allow)
            #expect(try machine.answer("ioctl", [0, 77]) == Answer.allow)
        }
    #endif

    @Test(
        "a lesson that is not whole is no ground for a profile",
        arguments: [
            "", "swiftlet-lesson 1\n", "swiftlet-lesson 1\n0 1\n", "swiftlet-lesson 1\n0 1\nlost\n", "swiftlet-lesson 2\nend\n",
            "swiftlet-lesson 1\nread 1\nend\n", "swiftlet-lesson 1\n41 1 zz\nend\n", "swiftlet-lesson 1\n5\nend\n",
        ])
    func refused(text: String) {
        #expect(throws: SandboxPolicyError.self) { try SeccompLesson(parsing: Array(text.utf8)) }
    }
}
