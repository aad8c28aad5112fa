// Hard limits that this process may not grant are refused with their field: the launcher would lower them silently.

import Glibc

enum ResourceLimitCheck {
    private static let numbers: [String: Int32] = [
        "cpu": 0, "fsize": 1, "data": 2, "stack": 3, "core": 4, "rss": 5, "nproc": 6, "nofile": 7, "memlock": 8, "as": 9,
        "locks": 10,
        "sigpending": 11, "msgqueue": 12, "nice": 13, "rtprio": 14, "rttime": 15,
    ]

    static func check(_ process: ProcessSpecification?) throws(OCIError) {
        for (index, limit) in (process?.resourceLimits ?? []).enumerated() {
            guard let number = numbers[limit.name] else { continue }
            var now = rlimit()
            guard getrlimit(__rlimit_resource_t(UInt32(number)), &now) == 0, limit.hard > UInt64(now.rlim_max), !mayRaise else {
                continue
            }
            throw .unsupported(
                field: "process.rlimits[\(index)].hard",
                reason:
                    "\(limit.hard) is above this machine's \(now.rlim_max), and CAP_SYS_RESOURCE is missing: operation not permitted"
            )
        }
    }

    /// CAP_SYS_RESOURCE, bit 24 of the effective set.
    private static var mayRaise: Bool {
        for line in (HostFile.text("/proc/self/status") ?? "").split(separator: "\n") where line.hasPrefix("CapEff:") {
            return UInt64(line.dropFirst(7).filter { !$0.isWhitespace }, radix: 16).map { $0 >> 24 & 1 == 1 } ?? false
        }
        return false
    }
}
