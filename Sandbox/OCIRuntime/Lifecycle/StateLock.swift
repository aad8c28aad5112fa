// The lock on a container's directory: taken within a bound, and who has it can be told.

import CLinux
import Glibc

final class StateLock {
    private let descriptor: Int32

    /// The directory's descriptor, which is closed with this, and the lock released.
    init(descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }

    /// False when somebody else kept it all the time.
    func take(milliseconds: Int, subject: String) throws(OCIError) -> Bool {
        var waited = 0
        while clinux_flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if errno == EINTR { continue }
            guard errno == EWOULDBLOCK else { throw .system("lock", subject) }
            if waited >= milliseconds { return false }
            // A verb is over in a few milliseconds; a hook takes longer.
            let pause = waited < 100 ? 2 : 20
            usleep(UInt32(pause) * 1000)
            waited += pause
        }
        return true
    }

    /// "process 17 (swiftlet-oci)", as the kernel lists it (proc_locks(5)); nil when it is nobody of this pid namespace.
    func holder() -> String? {
        var info = stat()
        guard fstat(descriptor, &info) == 0 else { return nil }
        for line in (HostFile.text("/proc/locks") ?? "").split(separator: "\n") {
            // "2: FLOCK  ADVISORY  WRITE 4711 fe:00:131074 0 EOF"; those who wait have "->" behind the number.
            let words = line.split(separator: " ")
            guard words.count > 5, words[1] == "FLOCK", words[5].split(separator: ":").last == "\(info.st_ino)",
                let pid = Int32(words[4]), pid > 0
            else { continue }
            let name = (HostFile.text("/proc/\(pid)/comm") ?? "").prefix { $0 != "\n" }
            return "process \(pid)" + (name.isEmpty ? "" : " (\(name))")
        }
        return nil
    }
}
