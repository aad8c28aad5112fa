// Records in memory: what a restart of the agent finds there, what one of the machine leaves, and that nothing stays.

import CLinux
import Glibc
import LocalRuntime
import RunP
import RuntimeInterface
import Testing

@Suite("records in memory", .enabled(if: Machine.canRun && clinux_is_in_memory("/dev/shm") == 1))
struct RecordsPlaceTests {
    private func target(_ lab: Lab) -> String? {
        guard let path = realpath("\(lab.directory)/runp/pods", nil) else { return nil }
        defer { free(path) }
        return String(cString: path)
    }

    @Test("a task whose records lie in memory is found by the next agent, and with the last pod nothing of them is left")
    func adopted() async throws {
        var place: String?
        try await withLab(configure: { $0.keepsRecordsInMemory = true }) { lab in
            let here = try #require(target(lab))
            place = here
            #expect(clinux_is_in_memory(here) == 1)
            let id = try await lab.start(lab.config("trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done"))
            #expect(lab.waitForLine("up", in: "\(lab.directory)/log/main.log"))
            let again = try Lab.makeRuntime(lab.configuration)
            let events = Events()
            await again.onEvent { events.add($0) }
            let found = try await again.adopt()
            #expect(found.map(\.id) == [id])
            try await again.stopContainer(id, graceSeconds: 20)
            guard case .exited(let exit)? = try await again.status(id)?.phase else {
                Issue.record("it did not end")
                return
            }
            #expect(exit.exitCode == 7)
        }
        let gone = try #require(place)
        #expect(access(gone, F_OK) != 0)
    }

    @Test("after a restart of the machine there are no records, and what a pod had on the disk is given back")
    func reboot() async throws {
        try await withLab(configure: { $0.keepsRecordsInMemory = true }) { lab in
            let place = try #require(target(lab))
            let ended = try await lab.run("echo data > /tmp/file") { $0.limits.tmpBytes = nil }
            #expect(ended.exit.exitCode == 0)
            #expect(access("\(lab.directory)/runp/scratch/\(lab.podUID)/main_0/tmp/file", F_OK) == 0)
            // Memory forgets.
            try RecordFiles.removeTree(place)
            rmdir(String(place.dropLast("/pods".count)))
            let again = try Lab.makeRuntime(lab.configuration)
            #expect(try await again.adopt().isEmpty)
            #expect(access("\(lab.directory)/runp/scratch/\(lab.podUID)", F_OK) != 0)
            try await again.runPodSandbox(lab.sandboxConfig())
            try await again.removePodSandbox(podUID: lab.podUID)
        }
    }

    @Test("records that an agent had on the disk stay there until they are gone")
    func older() async throws {
        try await withLab { lab in
            var configuration = lab.configuration
            configuration.keepsRecordsInMemory = true
            let next = try Lab.makeRuntime(configuration)
            let pods = try await next.adopt()
            #expect(pods.isEmpty)
            var facts = stat()
            #expect(lstat("\(lab.directory)/runp/pods", &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR)
            #expect(access("\(lab.directory)/runp/pods/\(lab.podUID)/sandbox.json", F_OK) == 0)
        }
    }
}
