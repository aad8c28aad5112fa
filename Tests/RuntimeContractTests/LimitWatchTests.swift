// Limits that the runtime watches itself: disk, and headway at the memory limit.

import RunP
import RuntimeInterface
import Testing

@Suite("RunP's own limits", .enabled(if: Machine.canRun))
struct LimitWatchTests {
    @Test("a task that fills its /tmp over its ephemeral storage is ended, and the reason names the limit")
    func storage() async throws {
        try await withLab(configure: { $0.limitWatchTimes.storageMilliseconds = 100 }) { lab in
            let script = "head -c 3m /dev/zero > /tmp/small; sleep 0.5; head -c 20m /dev/zero > /tmp/large; sleep 60"
            let exit = try await lab.run(script) { $0.limits.ephemeralStorageBytes = 8 << 20 }.exit
            #expect(exit.reason == "EphemeralStorageExceeded")
            #expect(exit.message?.contains("more than its limit of 8388608 bytes (8 MiB)") == true, "\(exit)")
        }
    }

    @Test("files that were deleted but are held open count too")
    func deleted() async throws {
        try await withLab(configure: { $0.limitWatchTimes.storageMilliseconds = 100 }) { lab in
            let script = "exec 3>/tmp/gone; rm /tmp/gone; head -c 20m /dev/zero >&3; sleep 60"
            let exit = try await lab.run(script) { $0.limits.ephemeralStorageBytes = 8 << 20 }.exit
            #expect(exit.reason == "EphemeralStorageExceeded", "\(exit)")
        }
    }

    @Test("a task that only thrashes at its memory limit is ended, and the reason names the limit")
    func thrashing() async throws {
        try await withLab(configure: {
            $0.limitWatchTimes.memoryMilliseconds = 200
            $0.limitWatchTimes.thrashing.seconds = 1.5
        }) { lab in
            let script = """
                head -c 100m /dev/zero > /tmp/file; sync
                exec python3 -c 'import mmap, random, os
                f = os.open("/tmp/file", os.O_RDONLY); m = mmap.mmap(f, 0, prot=mmap.PROT_READ); m.madvise(mmap.MADV_RANDOM); n = len(m) >> 12
                while True: m[random.randrange(n) << 12]'
                """
            let exit = try await lab.run(script) { $0.limits.memoryBytes = 40 << 20 }.exit
            #expect(exit.reason == "MemoryThrashing", "\(exit)")
            #expect(exit.message?.contains("thrashed at its memory limit of 41943040 bytes (40 MiB)") == true)
        }
    }
}
