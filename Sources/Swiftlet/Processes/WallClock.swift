// The machine's wall clock, handed to rooms that take time as an argument.
import Glibc
import KubernetesModel

enum WallClock {
    static func now() -> MicroTimestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return MicroTimestamp(unixMicroseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }
}
