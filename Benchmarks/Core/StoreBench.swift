// `swiftlet-bench-core store DIRECTORY [COUNT]`: the store alone, on the disk that the directory lies on: durable commits with 1, 10 and
// 100 writers, the time to open, and the memory of what is loaded. One line of JSON.
import Glibc
import JSON
import ResourceStore

struct StoreBench: Sendable {
    let directory: String
    let count: Int
    private var path: String { directory + "/store-bench.sqlite" }

    func run() async throws -> JSONValue {
        var figures: JSONValue = ["pod_bytes": .int(Int64(Self.bytes(0).count))]
        for (writers, commits) in [(1, count / 10), (10, count / 4), (100, count)] {
            remove()
            let store = try JournaledStore.sqlite(path: path, options: Self.options)
            let (start, cpu) = (Self.seconds(CLOCK_MONOTONIC), cpuMicroseconds())
            try await write(store, writers: writers, commits: commits)
            figures["commits_per_s_\(writers)"] = .int(Int64(Double(commits) / (Self.seconds(CLOCK_MONOTONIC) - start)))
            figures["commit_cpu_us_\(writers)"] = .int(Int64((cpuMicroseconds() - cpu) / Double(commits)))
            await store.close()
        }
        let start = Self.seconds(CLOCK_MONOTONIC)
        let store = try JournaledStore.sqlite(path: path, options: Self.options)
        figures["open_ms"] = .int(Int64((Self.seconds(CLOCK_MONOTONIC) - start) * 1000))
        figures["objects"] = .int(Int64(try await store.list(group: "", resource: "pods").objects.count))
        figures["resident_mb"] = .int(Self.residentMegabytes)
        await store.close()
        remove()
        return figures
    }

    private static var options: StoreOptions {
        var options = StoreOptions()
        options.indexedFields = [CollectionID(group: "", resource: "pods"): ["spec.nodeName"]]
        return options
    }

    private func write(_ store: JournaledStore, writers: Int, commits: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<writers {
                group.addTask {
                    for number in stride(from: writer, to: commits, by: writers) {
                        let key = ResourceKey(group: "", resource: "pods", namespace: "default", name: "pod-\(number)")
                        let index = ObjectIndex(
                            uid: "00000000-0000-4000-8000-\(100_000_000_000 + number)",
                            labels: ["app": "bench", "kuscia.secretflow/task-id": "task-\(number / 2)"],
                            fields: [
                                "metadata.name": key.name, "metadata.namespace": key.namespace, "status.phase": "Pending",
                                "spec.nodeName": "node-\(number % 5000)",
                            ])
                        try await store.commit([.create(key, bytes: Self.bytes(number), index: index)])
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    private static func bytes(_ number: Int) -> [UInt8] { Samples.pod("pod-\(number)") }

    private static func seconds(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Of /proc/self/statm: pages in memory.
    private static var residentMegabytes: Int64 {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [UInt8](repeating: 0, count: 256)
        let count = fread(&line, 1, line.count, file)
        let words = String(decoding: line[..<count], as: UTF8.self).split(separator: " ")
        return words.count > 1 ? (Int64(words[1]) ?? 0) * Int64(sysconf(Int32(_SC_PAGESIZE))) >> 20 : 0
    }

    private func remove() {
        for suffix in ["", "-wal", "-shm", ".lock"] { unlink(path + suffix) }
    }
}
