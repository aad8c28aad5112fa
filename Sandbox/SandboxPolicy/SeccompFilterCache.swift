// Compiled filters of this process, by profile. A node uses a handful; what is beyond the bound is compiled anew.

import Synchronization

final class SeccompFilterCache: Sendable {
    static let shared = SeccompFilterCache()

    private static let capacity = 64
    private let programs = Mutex<[SeccompProfile: [UInt8]]>([:])

    subscript(profile: SeccompProfile) -> [UInt8]? {
        get { programs.withLock { $0[profile] } }
        set { programs.withLock { if $0.count < Self.capacity { $0[profile] = newValue } } }
    }
}
