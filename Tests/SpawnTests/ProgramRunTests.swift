// Programs run to their end, whatever they do.
import Glibc
import Spawn
import Testing

@Suite("Running programs")
struct ProgramRunTests {
    private func shell(_ script: String, input: String = "", deadline: Int64 = 20_000) throws -> ProgramRun {
        try ProgramRun(
            "/bin/sh", arguments: ["sh", "-c", script], environment: ["PATH=/usr/bin:/bin"], input: Array(input.utf8),
            deadlineMilliseconds: deadline)
    }

    @Test("input, output, errors and exit status") func streams() throws {
        let run = try shell("cat; echo no >&2; exit 3", input: "hello")
        #expect(String(decoding: run.output, as: UTF8.self) == "hello")
        #expect(run.complaint == "no" && run.ending == .exited(3) && !run.succeeded)
    }

    @Test("more output than a pipe holds, input that nobody reads") func volume() throws {
        let run = try shell("head -c 1000000 /dev/zero", input: String(repeating: "x", count: 300_000))
        #expect(run.output.count == 1_000_000 && run.succeeded)
    }

    @Test("a signal is told from an exit status") func signals() throws {
        #expect(try shell("kill -TERM $$").ending == .signaled(SIGTERM))
    }

    @Test("a program that does not end is ended at its deadline") func deadline() throws {
        #expect(try shell("trap '' TERM; while :; do sleep 1; done", deadline: 100).ending == .deadline(milliseconds: 100))
    }

    @Test("a program that is not there is an error with its name") func missing() {
        #expect(throws: ProgramRun.Failure.self) {
            _ = try ProgramRun("/nonexistent", arguments: ["x"], deadlineMilliseconds: 1000)
        }
    }

    @Test("nothing of this process' environment is passed on") func environment() throws {
        setenv("SWIFTLET_SPAWN_TEST", "leak", 1)
        #expect(!String(decoding: try shell("env").output, as: UTF8.self).contains("leak"))
    }
}
