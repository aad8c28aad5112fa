// The resident launcher: the same tasks as by the command, faster; nothing depends on its life.

import CLinux
import Cgroups
import Glibc
import RuntimeInterface
import SandboxPolicy
import Testing

@Suite("Resident launcher", .enabled(if: Machine.canRun))
struct ResidentLauncherTests {
    /// What the agent's plans have: every namespace of its own.
    static var jail: Jail {
        var jail = Jail.mapped()
        jail.namespaces.insert(contentsOf: [.namespace(.ipc), .namespace(.uts), .namespace(.net)], at: 0)
        jail.system = [.hostname("resident"), .loopback]
        return jail
    }

    @Test("a task by the resident launcher has what its plan says, and its own record")
    func task() throws {
        try withOperationLab { lab in
            try lab.withServer { server in
                let plan = lab.plan(
                    Self.jail, "hostname; id -u; ls /proc/self/ns | wc -l; grep -c . /proc/self/mountinfo; echo $$; exit 7")
                let answers = try server.run(plan.text, lab.make("one"))
                #expect(answers.start.hasPrefix("started "))
                #expect(answers.end == "ended 7 0\n")
                let output = lab.lines
                #expect(output.prefix(2) == ["resident", "0"])
                #expect(output.last == "2")
                // /, the host's programs, /proc, /dev/null: none of the host's other mounts.
                #expect(output.count == 5 && Int(output[3]).map { $0 < 12 } == true, "\(output)")
                let state = Lab.text("\(lab.directory)/one/state.json")
                #expect(state.contains("\"phase\":\"exited\"") && state.contains("\"exitCode\":7"))
            }
        }
    }

    @Test("a start that fails says its stage in the answer and in the record")
    func stage() throws {
        try withOperationLab { lab in
            try lab.withServer { server in
                var jail = Self.jail
                jail.files = [.bind(source: "/does/not/exist", path: "/mnt", flags: [.readOnly])]
                let answers = try server.run(lab.plan(jail, "true").text, lab.make("stage"))
                #expect(answers.start == "failed 2 mount(bind /does/not/exist)\n")
                #expect(Lab.text("\(lab.directory)/stage/state.json").contains("\"stage\":\"mount(bind /does/not/exist)\""))
                let refused = try server.run("swiftlet-plan 1\nid a\nbad word\nend\n", lab.make("refused"))
                #expect(refused.start == "failed 22 plan(line 3: unknown operation)\n")
                #expect(Lab.text("\(lab.directory)/refused/state.json").contains("plan(line 3: unknown operation)"))
                let nowhere = try server.run(lab.plan(Self.jail, "true").text, "\(lab.directory)/nowhere")
                #expect(nowhere.start.hasPrefix("unrecorded 2 state("))
                // And it goes on serving.
                let after = try server.run(lab.plan(Self.jail, "true").text, lab.make("after"))
                #expect(after.end == "ended 0 0\n")
            }
        }
    }

    @Test("killed with tasks running: they go on to their end, those that wait for clients go with it")
    func killed() throws {
        try withOperationLab { lab in
            let gate = lab.make("gate", mode: 0o777)
            var jail = Self.jail
            jail.files = [.bind(source: gate, path: "/gate", flags: [.noSuid])]
            let plan = lab.plan(jail, "echo runs; while [ ! -e /gate/open ]; do sleep 0.02; done; echo done; exit 3").text
            let first = try ResidentServer(lab.directory)
            let connections = try (0..<3).map { try first.ask(plan, lab.make("task\($0)")) }
            for connection in connections { #expect(ResidentServer.answer(connection).hasPrefix("started ")) }
            let waiting = ResidentServer.children(of: first.pid)
            try first.kill(SIGKILL)
            lab.write("gate/open", "")
            for connection in connections {
                #expect(ResidentServer.answer(connection) == "ended 3 0\n")
                close(connection)
            }
            let supervisors = (0..<3).map {
                Lab.text("\(lab.directory)/task\($0)/supervisor.lock").split(separator: " ").first.map(String.init)
            }
            for pid in waiting where !supervisors.contains("\(pid)") {
                #expect(lab.eventually { access("/proc/\(pid)", F_OK) != 0 }, "\(pid) still waits")
            }
            try lab.withServer { server in
                let next = try server.run(lab.plan(Self.jail, "true").text, lab.make("next"))
                #expect(next.end == "ended 0 0\n")
            }
        }
    }

    @Test("two hundred requests at once are all served")
    func parallel() throws {
        try withOperationLab { lab in
            try lab.withServer { server in
                let plan = lab.plan(Self.jail, "exit 4").text
                let connections = try (0..<200).map { try server.ask(plan, lab.make("p\($0)")) }
                var ends: [String: Int] = [:]
                for connection in connections {
                    let answers = ResidentServer.answers(connection)
                    ends[answers.start.hasPrefix("started ") ? answers.end : answers.start, default: 0] += 1
                    close(connection)
                }
                #expect(ends == ["ended 4 0\n": 200])
            }
        }
    }

    @Test("a task that is over at once is answered and recorded once, as ended; one that lasts is recorded as running first")
    func atOnce() throws {
        try withOperationLab { lab in
            try lab.withServer { server in
                for round in 0..<10 {
                    let directory = lab.make("once\(round)")
                    let answers = try server.run(lab.plan(Self.jail, "exit 3").text, directory)
                    #expect(answers.start.hasPrefix("started ") && answers.end == "ended 3 0\n", "\(answers)")
                    let state = Lab.text("\(directory)/state.json")
                    #expect(state.contains("\"phase\":\"exited\"") && state.contains("\"exitCode\":3"), "\(state)")
                    #expect(access("\(directory)/state.json.tmp", F_OK) != 0)
                }
                let directory = lab.make("lasting")
                let connection = try server.ask(lab.plan(Self.jail, "sleep 600").text, directory)
                defer { close(connection) }
                #expect(ResidentServer.answer(connection).hasPrefix("started "))
                #expect(Lab.text("\(directory)/state.json").contains("\"phase\":\"running\""))
                let supervisor = Lab.text("\(directory)/supervisor.lock").split(separator: " ").first.flatMap { pid_t($0) }
                Glibc.kill(try #require(supervisor), SIGTERM)
                #expect(ResidentServer.answer(connection).hasPrefix("ended "))
            }
        }
    }

    @Test("who is kept from its processor between connecting and asking wears out no supervisor: it serves again")
    func pause() throws {
        try withOperationLab { lab in
            let server = try ResidentServer(lab.directory, spares: 1)
            defer { try? server.kill() }
            var seen: Set<Substring> = []
            var again = 0
            // A busy machine may be too slow for some of them, and served some patiently without meaning to: 2 of 60 were seen.
            for round in 0..<60 where again < 8 {
                let answers = try server.run(lab.plan(Self.jail, "exit 0").text, lab.make("p\(round)"), pauseMicroseconds: 3000)
                #expect(answers.end == "ended 0 0\n", "\(answers)")
                let words = answers.start.split(separator: " ")
                if words.count > 3, !seen.insert(words[3]).inserted { again += 1 }
            }
            #expect(again == 8)
        }
    }

    @Test("what a burst needed goes when it is over: as many wait again as are wanted")
    func surplus() throws {
        try withOperationLab { lab in
            try lab.withServer { server in
                let plan = lab.plan(Self.jail, "true").text
                for connection in try (0..<60).map({ try server.ask(plan, lab.make("b\($0)")) }) {
                    let answers = ResidentServer.answers(connection)
                    #expect(answers.start.hasPrefix("started ") && answers.end == "ended 0 0\n", "\(answers)")
                    close(connection)
                }
                // Each look goes through all processes: not too often.
                var waiting = ResidentServer.children(of: server.pid).count
                for _ in 0..<300 where waiting != 4 {
                    usleep(100_000)
                    waiting = ResidentServer.children(of: server.pid).count
                }
                #expect(waiting == 4)
                #expect(try server.run(plan, lab.make("after")).end == "ended 0 0\n")
            }
        }
    }

    @Test("no task finds in its namespaces what another one left: traffic, sockets, counters, message queues, shared memory")
    func clean() throws {
        try withOperationLab { lab in
            try lab.withServer { server in
                let look = """
                    grep lo: /proc/net/dev | tr -s ' '; grep -c : /proc/net/unix; grep '^Udp:' /proc/net/snmp | tail -1; grep -o 'inuse [0-9]*' /proc/net/sockstat
                    hostname; cat /proc/sysvipc/msg /proc/sysvipc/shm | wc -l
                    """
                // Its own line of output comes last, and only when all of it was done.
                let leave = """
                    ; ipcmk -Q >/dev/null && ipcmk -M 4096 >/dev/null && /usr/bin/python3 -c 'import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 9990)); \
                    s.sendto(b"x", ("127.0.0.1", 9990)); t=socket.socket(); t.bind(("127.0.0.1", 9980)); t.listen(); \
                    c=socket.create_connection(("127.0.0.1", 9980)); t.accept()[0].close(); print("left")'
                    """
                var seen: Set<[String]> = []
                for round in 0..<24 {
                    // Every second task uses its network, so that used and unused ones are both there to be handed on.
                    let plan = lab.plan(Self.jail, look + (round % 2 == 0 ? leave : "")).text
                    let answers = try server.run(plan, lab.make("clean\(round)"))
                    #expect(answers.end == "ended 0 0\n", "\(answers)")
                    var lines = lab.lines
                    if round % 2 == 0 { #expect(lines.popLast() == "left", "\(lines)") }
                    seen.insert(lines)
                    unlink("\(lab.directory)/log")
                }
                #expect(seen.count == 1, "\(seen)")
            }
        }
    }

    @Test("an open file of a task's network, handed on through a directory that it shares, shows nothing of later tasks")
    func handedOn() throws {
        // A file below /proc/net holds its namespace, and no count of sockets tells.
        let keeper = """
            import os, socket
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("/shared/s"); os.chmod("/shared/s", 0o777); print("ready", flush=True)
            fd = socket.recv_fds(s, 1, 1)[1][0]; print("held", flush=True)
            seen = False
            while not os.path.exists("/shared/stop"):
                os.lseek(fd, 0, 0); seen |= b":1B59 " in os.read(fd, 65536)
            print("seen" if seen else "nothing", flush=True)
            """
        let leaver = """
            import os, socket
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect("/shared/s"); socket.send_fds(s, [b"x"], [os.open("/proc/self/net/tcp", 0)])
            """
        let victim = "import socket, time; t = socket.socket(); t.bind((\"127.0.0.1\", 7001)); t.listen(); time.sleep(0.05)"
        try withOperationLab { lab in
            let shared = lab.make("shared", mode: 0o777)
            var sharing = Self.jail
            sharing.files.append(.bind(source: shared, path: "/shared", flags: [.noSuid, .noDev]))
            func python(_ jail: Jail, _ script: String) -> String { lab.plan(jail, "/usr/bin/python3 -c '\(script)'").text }
            let server = try ResidentServer(lab.directory, spares: 1)
            defer { try? server.kill() }
            let kept = try server.ask(python(sharing, keeper), lab.make("keeper"))
            defer { close(kept) }
            #expect(lab.eventually { lab.lines.contains("ready") })
            #expect(try server.run(python(sharing, leaver), lab.make("leaver")).end == "ended 0 0\n")
            #expect(lab.eventually { lab.lines.contains("held") })
            for round in 0..<12 {
                #expect(try server.run(python(Self.jail, victim), lab.make("victim\(round)")).end == "ended 0 0\n")
            }
            _ = lab.make("shared/stop")
            #expect(ResidentServer.answers(kept).end == "ended 0 0\n")
            #expect(lab.lines.last == "nothing", "\(lab.lines)")
        }
    }

    @Test("what a launch costs does not grow with the host's mounts")
    func growth() throws {
        let mounts = """
            import ctypes, os, sys
            libc = ctypes.CDLL(None)
            libc.mount(None, b"/", None, 0x44000, None)
            for i in range(int(sys.argv[1])):
                path = sys.argv[2] + "/m%d" % i
                os.mkdir(path)
                assert libc.mount(b"none", path.encode(), b"tmpfs", 0, b"size=4k") == 0
            os.execv(sys.argv[3], sys.argv[3:])
            """
        try withOperationLab { lab in
            let plan = lab.plan(Self.jail, "exit 0").text
            func server(_ count: Int) throws -> ResidentServer {
                let directory = lab.make("host\(count)")
                return try ResidentServer(
                    directory, prelude: ["/usr/bin/unshare", "-m", "/usr/bin/python3", "-c", mounts, "\(count)", directory])
            }
            func milliseconds(_ server: ResidentServer, _ state: String) throws -> Double {
                usleep(5_000)  // the next spare is made meanwhile, as between an agent's launches
                var begin = timespec()
                var end = timespec()
                clock_gettime(CLOCK_MONOTONIC, &begin)
                let answer = try server.run(plan, state).end
                clock_gettime(CLOCK_MONOTONIC, &end)
                #expect(answer == "ended 0 0\n")
                return Double(end.tv_sec - begin.tv_sec) * 1e3 + Double(end.tv_nsec - begin.tv_nsec) / 1e6
            }
            let (one, other) = (try server(1), try server(3000))
            defer {
                try? one.kill()
                try? other.kill()
            }
            // In turn, so that both meet the same neighbours. Copying such a table takes 7 ms by itself on a quiet machine.
            var few = Double.infinity
            var many = Double.infinity
            for round in 0..<60 {
                few = min(few, try milliseconds(one, lab.make("few\(round)")))
                many = min(many, try milliseconds(other, lab.make("many\(round)")))
            }
            #expect(many < few * 1.5 + 2, "\(few) ms, then \(many) ms")
        }
    }

    @Test("a plan that no spare fits is carried out all the same")
    func unusual() throws {
        try withOperationLab { lab in
            try lab.withServer { server in
                // No ipc and uts namespaces, and the host's ids.
                let answers = try server.run(lab.plan(Jail(), "id -u; exit 5").text, lab.make("unusual"))
                #expect(answers.end == "ended 5 0\n")
                #expect(lab.lines == ["0"])
            }
        }
    }

    @Test("a guest in a running task's namespaces sees that task, and its end leaves the task alone")
    func exec() throws {
        try withOperationLab { lab in
            let gate = lab.make("gate", mode: 0o777)
            var jail = Self.jail
            jail.files = [.bind(source: gate, path: "/gate", flags: [.noSuid])]
            try lab.withServer { server in
                let script = "echo in > /gate/ready; while [ ! -e /gate/open ]; do sleep 0.02; done; exit 3"
                let host = try server.ask(lab.plan(jail, script).text, lab.make("host"))
                defer { close(host) }
                let pid = try #require(ResidentServer.answer(host).split(separator: " ").dropFirst().first)
                #expect(lab.eventually { access("\(gate)/ready", F_OK) == 0 })
                let kinds: [LaunchOperation.Namespace] = [.ipc, .uts, .net, .pid, .user, .mount]
                let plan = LaunchPlan(
                    operations: [
                        .id("guest"), .log(path: "\(lab.directory)/guest.log", maximumBytes: 1 << 20), .grace(milliseconds: 100),
                    ]
                        + kinds.map { .joinNamespace($0, path: "/proc/\(pid)/ns/\($0 == .mount ? "mnt" : $0.rawValue)") }
                        + [
                            .enterUserNamespace, .dropBoundingSet, .user(uid: 0, gid: 0, groups: []), .dropCapabilities,
                            .noNewPrivileges,
                        ]
                        + [.workingDirectory("/"), .environment("PATH=/bin:/usr/bin")]
                        + ["/bin/sh", "-c", "hostname; cat /gate/ready; tr '\\0' ' ' < /proc/1/cmdline; echo; exit 9"].map {
                            .argument($0)
                        })
                lab.write("guest", plan.text)
                let status = try OperationLab.launch(
                    ["exec", "--foreground", "--plan", "\(lab.directory)/guest", "--state-dir", lab.make("guest.d")])
                #expect(status == 9, "\(Lab.text("\(lab.directory)/guest.d/state.json"))")
                #expect(lab.lines(of: "guest.log").prefix(2) == ["resident", "in"])
                lab.write("gate/open", "")
                #expect(ResidentServer.answer(host) == "ended 3 0\n")
            }
        }
    }

    @Test("a task past its deadline is ended, and the record says why")
    func deadline() throws {
        try withOperationLab { lab in
            var jail = Self.jail
            jail.supervision = [.deadline(milliseconds: 200)]
            let result = try lab.run(jail, "trap '' TERM; while :; do sleep 0.05; done")
            #expect(result.status == 137)
            #expect(result.state.contains("\"reason\":\"DeadlineExceeded\""))
        }
    }

    @Test("a task that changed its user is told to stop like any other")
    func otherUser() throws {
        try withOperationLab { lab in
            var jail = Self.jail
            jail.supervision = [.deadline(milliseconds: 2000)]
            let one: [Capability] = [.setuid]
            jail.process = [
                .enterUserNamespace, .boundingSet(one), .user(uid: 0, gid: 0, groups: []),
                .capabilities(CapabilitySets(effective: one, permitted: one)), .noNewPrivileges,
            ]
            let result = try lab.run(
                jail, "exec setpriv --reuid 1000 /bin/sh -c 'trap \"exit 7\" TERM; while :; do sleep 0.05; done'")
            #expect(result.status == 7, "\(result)")
        }
    }

    @Test("RunP's next launch works when its resident launcher was killed, and running tasks stay")
    func agent() async throws {
        try await withLab { lab in
            let socket = "\(lab.directory)/runp/launcher.sock"
            #expect(Self.eventually { access(socket, F_OK) == 0 })
            let id = try await lab.start(lab.config("echo up; while [ ! -e /tmp/end ]; do sleep 0.05; done", name: "long"))
            let resident = try #require(Self.resident(of: socket))
            #expect(kill(resident, SIGKILL) == 0)
            #expect(try await lab.run("echo again").output == ["again"])
            #expect(try await lab.run("echo and again", name: "second").output == ["and again"])
            guard case .running = try await lab.runtime.status(id)?.phase else {
                Issue.record("the running task did not outlive the resident launcher")
                return
            }
            try await lab.runtime.stopContainer(id, graceSeconds: 0)
        }
    }

    @Test("a task that loses any of its processes to its memory limit ends as a whole")
    func outOfMemory() async throws {
        try await withLab { lab in
            // The shell itself would wait for ever; only its child allocates.
            let script = "/usr/bin/python3 -c 'x = bytearray(200 << 20); print(len(x))' & sleep 600; echo never"
            let result = try await lab.run(script) { $0.limits.memoryBytes = 48 << 20 }
            #expect(result.exit.exitCode == 137)
            #expect(result.exit.oomKilled && result.exit.reason == "OOMKilled")
            #expect(!result.output.contains("never"))
        }
    }

    private static func eventually(_ condition: () -> Bool) -> Bool {
        for _ in 0..<2000 {
            if condition() { return true }
            usleep(10_000)
        }
        return false
    }

    private static func resident(of socket: String) -> pid_t? {
        ResidentServer.children(of: getpid()).first { Lab.text("/proc/\($0)/cmdline").contains(socket) }
    }
}

extension OperationLab {
    var lines: [String] { lines(of: "log") }

    func lines(of name: String) -> [String] {
        Lab.text("\(directory)/\(name)").split(separator: "\n").map {
            $0.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).dropFirst(3).joined()
        }
    }

    func eventually(_ condition: () -> Bool) -> Bool {
        for _ in 0..<2000 {
            if condition() { return true }
            usleep(10_000)
        }
        return false
    }
}
