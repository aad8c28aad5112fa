// What a process that runs for months gives back when it has worked and now rests: free memory that the heap keeps in its arenas, and
// pages of code that only the work has read.
import CLinux
import Glibc

/// When to give back. Pure.
struct RestingPace {
    /// Between two looks.
    static let interval = Duration.seconds(5)
    /// CPU seconds since the last time that make it worth while.
    static let work = 0.5
    /// CPU seconds within an interval that are still rest: heartbeats, watches that have nothing to tell.
    static let calm = 0.25

    private var last: Double
    private var atRelease: Double

    /// `cpuSeconds`: what the process has used so far.
    init(cpuSeconds: Double) { (last, atRelease) = (cpuSeconds, cpuSeconds) }

    /// After each interval.
    mutating func isTime(cpuSeconds now: Double) -> Bool {
        defer { last = now }
        guard now - last <= Self.calm, now - atRelease >= Self.work else { return false }
        atRelease = now
        return true
    }
}

enum RestingMemory {
    /// Until cancelled; begins with what the start has left.
    static func run() async throws {
        try await Task.sleep(for: StartPages.settling)
        release()
        var pace = RestingPace(cpuSeconds: cpuSeconds())
        while true {
            try await Task.sleep(for: RestingPace.interval, tolerance: .seconds(1))
            if pace.isTime(cpuSeconds: cpuSeconds()) { release() }
        }
    }

    private static func release() {
        clinux_trim_heap()
        StartPages.release()
    }

    /// User and system time of all threads.
    private static func cpuSeconds() -> Double {
        var usage = rusage()
        guard getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
        return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
    }
}
