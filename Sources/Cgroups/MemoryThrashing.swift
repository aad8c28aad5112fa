// Recognises a task that is not killed at its memory limit but does nothing there any more than read its own pages again. Pure: samples
// come in with their time, a verdict comes out. `MemoryThrashWatch` takes the samples.

/// One look at a group. All but the two amounts of memory are sums since the group was made.
public struct MemorySample: Sendable, Hashable {
    /// On any clock that does not jump.
    public var nanoseconds: Int64
    public var memoryBytes: Int64
    public var limitBytes: Int64
    public var majorFaults: Int64
    /// Pages.
    public var refaults: Int64
    public var userNanoseconds: Int64
    public var systemNanoseconds: Int64
    /// Time in which every member waited for memory; nil where the kernel does not measure it per group (v1).
    public var fullStallMicroseconds: Int64?

    public init(nanoseconds: Int64, limitBytes: Int64, usage: CgroupUsage, pressure: PressureStall?) {
        self.nanoseconds = nanoseconds
        self.limitBytes = limitBytes
        memoryBytes = usage.memoryBytes
        majorFaults = usage.majorFaults
        refaults = usage.refaults
        userNanoseconds = usage.cpuUserNanoseconds
        systemNanoseconds = usage.cpuSystemNanoseconds
        fullStallMicroseconds = pressure?.fullMicroseconds
    }

    func isFull(_ rule: MemoryThrashing.Rule) -> Bool { Double(memoryBytes) >= rule.fullness * Double(limitBytes) }
}

public struct MemoryThrashing: Sendable, Hashable {
    /// Each threshold leaves a program alone that is merely short of cache: one that streams large files has no major faults, one that
    /// works through a mapping too large for it has time of its own.
    public struct Rule: Sendable, Hashable {
        /// How long it must go on. Start-up of an engine under a tight limit thrashes for seconds and then works.
        public var seconds: Double = 60
        /// Of the limit, in use at the end of an interval.
        public var fullness = 0.9
        /// Of the limit, read again per second.
        public var rereadPerSecond = 0.02
        public var majorFaultsPerSecond = 20.0
        /// Of the elapsed time, spent by the task's own code on any CPU.
        public var ownTime = 0.15
        /// Of the elapsed time, in which all of it waited for memory: then its own time does not matter.
        public var fullStall = 0.5
        /// No verdict over an interval longer than this: nobody looked, so nobody knows.
        public var longestIntervalSeconds: Double = 30

        public init() {}
    }

    public enum Verdict: Sendable, Hashable {
        case working
        /// It makes no headway, but not for long enough; seconds so far.
        case suspected(seconds: Double)
        case thrashing(Evidence)
    }

    public struct Evidence: Sendable, Hashable, CustomStringConvertible {
        public var limitBytes: Int64
        public var seconds: Double
        public var rereadBytes: Int64
        public var majorFaults: Int64
        /// 0-1, of the time.
        public var ownTime: Double

        public var description: String {
            "thrashed at its memory limit of \(limitBytes) bytes (\(limitBytes >> 20) MiB) for \(Int(seconds)) s without being killed: "
                + "it read \(rereadBytes >> 20) MiB of its own pages again, in \(majorFaults) major faults, "
                + "and ran its own code \(Int(ownTime * 100)) % of the time; raise resources.limits.memory"
        }
    }

    static let pageBytes: Int64 = 4096

    public let rule: Rule
    private var last: MemorySample?
    /// Seconds without headway; seconds with headway take twice themselves off, so that a breath does not clear the account.
    private var stuckSeconds = 0.0
    private var evidence = Evidence(limitBytes: 0, seconds: 0, rereadBytes: 0, majorFaults: 0, ownTime: 0)
    private var ownNanoseconds: Int64 = 0

    public init(rule: Rule = Rule()) { self.rule = rule }

    public mutating func observe(_ sample: MemorySample) -> Verdict {
        defer { last = sample }
        guard let last, sample.nanoseconds > last.nanoseconds else { return .working }
        let seconds = Double(sample.nanoseconds - last.nanoseconds) / 1e9
        guard seconds <= rule.longestIntervalSeconds else {
            clear()
            return .working
        }
        if makesNoHeadway(from: last, to: sample, seconds: seconds) {
            stuckSeconds += seconds
            evidence.seconds += seconds
            evidence.rereadBytes += (sample.refaults - last.refaults) * Self.pageBytes
            evidence.majorFaults += sample.majorFaults - last.majorFaults
            ownNanoseconds += sample.userNanoseconds - last.userNanoseconds
        } else {
            stuckSeconds -= 2 * seconds
            if stuckSeconds <= 0 { clear() }
        }
        if stuckSeconds >= rule.seconds {
            evidence.limitBytes = sample.limitBytes
            evidence.ownTime = Double(ownNanoseconds) / 1e9 / evidence.seconds
            return .thrashing(evidence)
        }
        return stuckSeconds > 0 ? .suspected(seconds: stuckSeconds) : .working
    }

    private mutating func clear() {
        stuckSeconds = 0
        ownNanoseconds = 0
        evidence = Evidence(limitBytes: 0, seconds: 0, rereadBytes: 0, majorFaults: 0, ownTime: 0)
    }

    private func makesNoHeadway(from before: MemorySample, to after: MemorySample, seconds: Double) -> Bool {
        guard after.limitBytes > 0, after.isFull(rule) else { return false }
        let reread = Double((after.refaults - before.refaults) * Self.pageBytes) / seconds
        let faults = Double(after.majorFaults - before.majorFaults) / seconds
        guard reread >= rule.rereadPerSecond * Double(after.limitBytes), faults >= rule.majorFaultsPerSecond else { return false }
        if let now = after.fullStallMicroseconds, let then = before.fullStallMicroseconds,
            Double(now - then) / 1e6 >= rule.fullStall * seconds
        {
            return true
        }
        return Double(after.userNanoseconds - before.userNanoseconds) / 1e9 < rule.ownTime * seconds
    }
}
