// What a waiting init has ready before its plan comes: used where the plan says the same, and never else.

import SandboxPolicy
import Testing

@Suite("What a waiting init made ahead", .enabled(if: Machine.canRun))
struct MadeAheadTests {
    @Test("a task's /proc has the options of its own plan, and its own processes, whatever the task before it had")
    func proc() throws {
        try withOperationLab { lab in
            let server = try ResidentServer(lab.directory, spares: 1)
            defer { try? server.kill() }
            let script = """
                test -e /proc/$$/stat || exit 1; test $$ = 2 || exit 2
                echo x > /dev/null || exit 3; test -c /dev/null || exit 4
                case "$(grep ' /proc proc rw,nosuid,nodev,noexec' /proc/mounts)" in
                *hidepid=invisible*) exit 10 ;; *hidepid=noaccess*) exit 11 ;; *relatime*) exit 12 ;; esac; exit 5
                """
            let wishes: [(ProcOptions, Int)] = [
                (ProcOptions(hidePID: .invisible), 10), (ProcOptions(), 12), (ProcOptions(), 12),
                (ProcOptions(hidePID: .noaccess), 11), (ProcOptions(hidePID: .noaccess), 11),
            ]
            for round in 0..<15 {
                let (options, code) = wishes[round % wishes.count]
                var jail = ResidentLauncherTests.jail
                jail.proc = .proc(path: "/proc", options: options)
                let answers = try server.run(lab.plan(jail, script).text, lab.make("task\(round)"))
                #expect(answers.end == "ended \(code) 0\n", "\(round): \(answers)")
            }
        }
    }

    @Test("behind a task with a channel for refused calls, one that lasted and one that failed, the next has what its plan says")
    func channel() throws {
        try withOperationLab { lab in
            let server = try ResidentServer(lab.directory, spares: 1)
            defer { try? server.kill() }
            let filter = try #require(try SeccompProfiles().filter(for: .builtIn(.runtimeDefault), countsDenials: true))
            for round in 0..<12 {
                var jail = ResidentLauncherTests.jail
                let counts = round % 4 == 1
                if counts {
                    jail.supervision = [.denials(maximum: 9)]
                    jail.filters = [.seccomp(filter)]
                }
                // The second refuses unshare(2), which the record then names.
                let script = counts ? "unshare -U true 2> /dev/null; exit 7" : round % 4 == 2 ? "sleep 0.05; exit 7" : "exit 7"
                var plan = lab.plan(jail, script)
                if round % 4 == 3 {
                    let absent = LaunchOperation.argument("/nonesuch")
                    plan = LaunchPlan(operations: plan.operations.map { $0 == .argument("/bin/sh") ? absent : $0 })
                }
                let directory = lab.make("task\(round)")
                let answers = try server.run(plan.text, directory)
                if round % 4 == 3 {
                    #expect(answers.start.hasPrefix("failed 2 exec(/nonesuch)"), "\(answers)")
                } else {
                    #expect(answers.end == "ended 7 0\n", "\(round): \(answers)")
                }
                #expect(Lab.text("\(directory)/state.json").contains("deniedSystemCalls") == counts, "\(round)")
            }
        }
    }
}
