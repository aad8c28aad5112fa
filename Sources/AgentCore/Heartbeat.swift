// When the agent says that it lives: the Lease often, the Node's status when something changed or it is due.

public struct Heartbeat: Sendable, Hashable {
    public struct Intervals: Sendable, Hashable {
        public var leaseRenewSeconds: Int64
        public var leaseDurationSeconds: Int64
        /// How often the machine is measured.
        public var statusCheckSeconds: Int64
        /// An unchanged status is sent again after this time.
        public var statusReportSeconds: Int64

        /// Kubernetes' own: renew at a quarter of the 40 s, look every 10 s, report every 5 min.
        public init(
            leaseRenewSeconds: Int64 = 10, leaseDurationSeconds: Int64 = 40, statusCheckSeconds: Int64 = 10,
            statusReportSeconds: Int64 = 300
        ) {
            self.leaseRenewSeconds = leaseRenewSeconds
            self.leaseDurationSeconds = leaseDurationSeconds
            self.statusCheckSeconds = statusCheckSeconds
            self.statusReportSeconds = statusReportSeconds
        }
    }

    /// A failed renewal is repeated soon, so that one lost request does not cost the lease, then more slowly: a master that
    /// comes back must not be met by all nodes at once. The renew interval is the ceiling.
    static let firstRetryNanoseconds: Int64 = 200_000_000

    public let intervals: Intervals
    private var failures = 0
    private var lastRenewal: UnixNanoseconds?
    private var lastReport: UnixNanoseconds?

    public init(intervals: Intervals) { self.intervals = intervals }

    /// `jitter` in 0..<1 spreads the nodes. After a silence the status is due too: the master may have called the node Unknown
    /// meanwhile, and only the node takes that back.
    public mutating func pauseAfterRenewal(succeeded: Bool, jitter: Double, now: UnixNanoseconds) -> Int64 {
        failures = succeeded ? 0 : min(failures + 1, 32)
        if succeeded {
            // Not all of its duration: what was late there may have been in time here. Nor much less: nodes of a cluster that is
            // overloaded renew late all the time, and must not add to the load.
            let silence = intervals.leaseDurationSeconds * .nanosecondsPerSecond * 3 / 4
            if let lastRenewal, now - lastRenewal >= silence { lastReport = nil }
            lastRenewal = now
        }
        let ceiling = intervals.leaseRenewSeconds * .nanosecondsPerSecond
        if succeeded { return ceiling }
        let pause = min(ceiling, Self.firstRetryNanoseconds << Int64(min(failures - 1, 16)))
        return pause - Int64(Double(pause) * 0.25 * jitter)
    }

    public func shouldReportStatus(changed: Bool, now: UnixNanoseconds) -> Bool {
        guard let lastReport, !changed else { return true }
        return now - lastReport >= intervals.statusReportSeconds * .nanosecondsPerSecond
    }

    public mutating func statusReported(now: UnixNanoseconds) { lastReport = now }
}
