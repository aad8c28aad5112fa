// What the kernel says of the server under load: CPU time, resident memory.
import Glibc

struct ProcessSample: Sendable {
    /// User and system time of the whole process.
    var cpuSeconds: Double
    var residentKiB: Int
    /// The part that is the process's own: what the machine would have more of without it.
    var privateKiB: Int

    /// nil: no such process.
    init?(pid: Int) {
        guard let seconds = Self.cpuSeconds(pid: pid) else { return nil }
        cpuSeconds = seconds
        let rollup = Self.text("/proc/\(pid)/smaps_rollup") ?? ""
        residentKiB = Self.sum(rollup, ["Rss:"])
        privateKiB = Self.sum(rollup, ["Private_Clean:", "Private_Dirty:"])
    }

    static func cpuSeconds(pid: Int) -> Double? {
        guard let stat = text("/proc/\(pid)/stat"), let close = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: close)...].split(separator: " ")
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return nil }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private static func sum(_ text: String, _ names: [String]) -> Int {
        var total = 0
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count >= 2, names.contains(String(words[0])) { total += Int(words[1]) ?? 0 }
        }
        return total
    }

    private static func text(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 8192)
        while case let count = fread(&piece, 1, piece.count, file), count > 0 { bytes += piece[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}
