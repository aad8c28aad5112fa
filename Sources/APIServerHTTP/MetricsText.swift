// The metrics document: the front's counters and what the kernel says of this process, in Prometheus' text format.
import Glibc

struct MetricsText {
    private(set) var text = ""

    mutating func family(_ name: String, _ type: String, _ help: String, _ samples: [(labels: String, value: String)]) {
        guard !samples.isEmpty else { return }
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
        for sample in samples { line(name, sample.labels, sample.value) }
    }

    mutating func gauge(_ name: String, _ help: String, _ value: some CustomStringConvertible) {
        family(name, "gauge", help, [("", "\(value)")])
    }

    /// A family whose lines are made already.
    mutating func append(_ name: String, _ type: String, _ help: String, _ lines: MetricsText) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n" + lines.text
    }

    mutating func line(_ name: String, _ labels: String, _ value: String) {
        text += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
    }
}

extension ServerMetrics {
    func text(tunnels: Int) -> String {
        let state = snapshot
        var document = MetricsText()
        requests(state, &document)
        document.family(
            "apiserver_longrunning_requests", "gauge", "Watches that are open now.",
            state.watches.sorted { $0.key < $1.key }.map { ("verb=\"WATCH\",resource=\"\($0.key)\"", String($0.value)) })
        document.gauge("apiserver_current_inflight_requests", "Requests that are being answered, without watches.", inFlight)
        document.gauge("swiftlet_connections", "Client connections that are open now.", connections)
        document.gauge("swiftlet_node_tunnels", "Nodes whose tunnel is open now.", tunnels)
        ProcessFigures.write(into: &document)
        return document.text
    }

    private func requests(_ state: State, _ document: inout MetricsText) {
        let all = state.requests.sorted { ($0.key.resource, $0.key.verb) < ($1.key.resource, $1.key.verb) }
        func labels(_ series: Series) -> String { "verb=\"\(series.verb)\",resource=\"\(series.resource)\"" }
        document.family(
            "apiserver_request_total", "counter", "Answered requests by verb, resource and status code.",
            all.flatMap { series, counts in
                counts.codes.sorted { $0.key < $1.key }.map { (labels(series) + ",code=\"\($0.key)\"", String($0.value)) }
            })
        let name = "apiserver_request_duration_seconds"
        guard !all.isEmpty else { return }
        var histogram = MetricsText()
        for (series, counts) in all {
            var total = 0
            for (index, bound) in (Self.buckets.map { "\($0)" } + ["+Inf"]).enumerated() {
                total += counts.buckets[index]
                histogram.line("\(name)_bucket", labels(series) + ",le=\"\(bound)\"", String(total))
            }
            histogram.line("\(name)_sum", labels(series), String(counts.seconds))
            histogram.line("\(name)_count", labels(series), String(total))
        }
        document.append(name, "histogram", "From a request's head to its answer's end; for watches their whole life.", histogram)
    }
}

/// Names of Prometheus' process collector.
enum ProcessFigures {
    static func write(into document: inout MetricsText) {
        var usage = rusage()
        if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
            let seconds = Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            let micro = Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
            document.family(
                "process_cpu_seconds_total", "counter", "User and system time.", [("", String(seconds + micro / 1e6))])
        }
        let statm = words("/proc/self/statm").compactMap { Int($0) }
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        if statm.count > 1 {
            document.gauge("process_virtual_memory_bytes", "Virtual memory.", statm[0] * page)
            document.gauge("process_resident_memory_bytes", "Resident memory.", statm[1] * page)
        }
        if let count = openDescriptors() { document.gauge("process_open_fds", "Open file descriptors.", count) }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            document.gauge("process_max_fds", "Limit of open file descriptors.", limit.rlim_cur)
        }
        document.gauge("process_start_time_seconds", "When the process's front was loaded, since 1970.", started)
    }

    private static let started = HTTPDate.now

    /// Called once early, so that the start time is the process's.
    static func noteStart() { _ = started }

    private static func openDescriptors() -> Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        return count - 3  // ".", "..", and the directory itself
    }

    private static func words(_ path: String) -> [Substring] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(file, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split { $0 == " " || $0 == "\n" }
    }
}
