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

    @Test("the init that waited is called init, and shows neither the launcher's arguments nor its environment")
    func title() throws {
        try withOperationLab { lab in
            let server = try ResidentServer(lab.directory, spares: 1)
            defer { try? server.kill() }
            for (round, pause) in ["", "sleep 0.1;"].enumerated() {  // of one that ends soon, and of one that stays
                let script = """
                    \(pause) test "$(tr -d '\\000' < /proc/1/cmdline)" = init || exit 1
                    test "$(cat /proc/1/comm)" = init || exit 2; cat /proc/1/environ > /dev/null 2>&1 && exit 3; exit 9
                    """
                let answers = try server.run(lab.plan(ResidentLauncherTests.jail, script).text, lab.make("task\(round)"))
                #expect(answers.end == "ended 9 0\n", "\(round): \(answers)")
            }
        }
    }

    @Test("its stack holds what the deepest copy of directories and a plan of thousands of variables take")
    func stack() throws {
        try withOperationLab { lab in
            let image = lab.makeImage("image"), levels = 60, variables = 3_500
            let deepest = (0..<levels).map { _ in "d" }.joined(separator: "/")
            lab.make("image/data/\(deepest)", mode: 0o755)
            lab.write("image/data/\(deepest)/file", String(repeating: "x", count: 100_000), mode: 0o644)
            let server = try ResidentServer(lab.directory, spares: 1)
            defer { try? server.kill() }
            var jail = ResidentLauncherTests.jail
            jail.root = [.rootBind(source: image, at: lab.place, flags: [.noSuid, .noDev])]
            let options = TmpfsOptions(bytes: 1 << 20, inodes: 256, mode: 0o755)
            jail.files = [.tmpfs(path: "/data", options: options, flags: [.noSuid, .copyUp])]
            let script = """
                test $(env | grep -c '^V[0-9]') = \(variables) || exit 1
                test $(wc -c < /data/\(deepest)/file) = 100000 || exit 2; exit 9
                """
            let many = (0..<variables).map { LaunchOperation.environment("V\($0)=x") }
            let operations = lab.plan(jail, script).operations.flatMap { operation -> [LaunchOperation] in
                if case .environment = operation { return [operation] + many }
                return [operation]
            }
            for round in 0..<2 {
                let answers = try server.run(LaunchPlan(operations: operations).text, lab.make("task\(round)"))
                #expect(answers.end == "ended 9 0\n", "\(round): \(answers)")
            }
        }
    }
}
