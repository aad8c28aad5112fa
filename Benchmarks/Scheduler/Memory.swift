// What many pods cost in memory: the store alone, and then with all controllers and their copies.
import Controllers
import Glibc
import JSON
import KubernetesClient
import KubernetesModel
import Logging

enum Memory {
    private static let settled = Duration.seconds(3)

    static func run(directory: String, pods: Int) async throws -> JSONValue {
        let cluster = try await Cluster(directory: directory, nodes: 0)
        let start = residentMiB()
        try await Cluster.inParallel(pods) { [api = cluster.api] index in
            _ = try await api.create(
                Pod.resource, namespace: Cluster.namespace, name: nil, subresource: nil, body: body(index))
        }
        let stored = residentMiB()
        let now: @Sendable () -> MicroTimestamp = { MicroTimestamp(Timestamp(unixSeconds: Int64(time(nil)))) }
        let cpu = PurePlacements.cpuSeconds()
        let manager = ControllerManager(api: cluster.api, now: now, logger: cluster.quiet)
        let running = Task { await manager.run() }
        // Until the copies are there and nothing moves any more.
        var last = 0.0
        var resident = residentMiB()
        while abs(resident - last) > 1 {
            last = resident
            try await Task.sleep(for: settled)  // between two readings; the loop ends when they agree
            resident = residentMiB()
        }
        let used = PurePlacements.cpuSeconds() - cpu
        running.cancel()
        await running.value
        await cluster.close()
        return [
            "pods": .int(Int64(pods)), "empty_mib": .double(start), "stored_mib": .double(stored),
            "with_controllers_mib": .double(resident),
            "controllers_bytes_per_pod": .double((resident - stored) * 1_048_576 / Double(max(pods, 1))),
            "cpu_microseconds_per_pod": .double(used / Double(max(pods, 1)) * 1e6),
        ]
    }

    /// As the load client's: 3.7 KB when stored, of no scheduler here.
    private static func body(_ index: Int) -> [UInt8] {
        let settings = (0..<12).map { #"{"name":"ENGINE_SETTING_\#($0)","value":"value-of-setting-\#($0)"}"# }.joined(
            separator: ",")
        return Array(
            #"""
            {"apiVersion":"v1","kind":"Pod","metadata":{"name":"p-\#(String(index + 1_000_000_000))","namespace":"\#(Cluster.namespace)",
            "labels":{"app":"psi","kuscia.secretflow/task-id":"bench","kuscia.secretflow/party":"alice"},
            "annotations":{"example.org/input":"\#(String(repeating: "x", count: 1400))"}},
            "spec":{"schedulerName":"bench","restartPolicy":"Never","automountServiceAccountToken":false,
            "containers":[{"name":"main","image":"psi:0.9.5","command":["/bin/true"],"env":[\#(settings)],
            "resources":{"requests":{"cpu":"10m","memory":"16Mi"},"limits":{"cpu":"100m","memory":"64Mi"}}}]}}
            """#.utf8)
    }

    private static func residentMiB() -> Double {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        guard fgets(&line, 128, file) != nil else { return 0 }
        let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(separator: " ")
        return words.count > 1 ? (Double(words[1]) ?? 0) * 4096 / 1_048_576 : 0
    }
}
