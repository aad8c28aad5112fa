// Processes that rename all the time: the kernel follows no ".." beneath a root while they do (openat2(2), EAGAIN).
import CLinux
import Glibc
import Testing

extension OperationLab {
    /// One renamer a processor and one more, so that there is hardly an instant without a rename.
    func whileOthersRename(_ body: () throws -> Void) throws {
        let script = """
            import os, sys
            a, b, parent = sys.argv[1] + "/a", sys.argv[1] + "/b", os.getppid()
            open(a, "w").close()
            while os.getppid() == parent:
                for _ in range(1000): os.rename(a, b); os.rename(b, a)
            """
        let places = (0...sysconf(Int32(_SC_NPROCESSORS_ONLN))).map { make("renamed-\($0)") }
        var running: [pid_t] = []
        defer {
            for pid in running {
                kill(pid, SIGKILL)
                _ = try? Self.status(of: pid)
            }
        }
        for place in places { running.append(try Self.spawn("/usr/bin/python3", ["-c", script, place])) }
        #expect(eventually { places.allSatisfy { access("\($0)/a", F_OK) == 0 || access("\($0)/b", F_OK) == 0 } })
        try body()
    }
}
