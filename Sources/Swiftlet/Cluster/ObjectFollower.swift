// List and watch of one kind for a command that shows what changes; goes on over a restart of the master.
import JSON
import KubernetesClient
import KubernetesModel

enum ObjectChange: Sendable {
    /// Everything there is; what was known before and is missing here is gone.
    case snapshot([JSONValue])
    case changed(JSONValue)
    case deleted(JSONValue)
}

struct ObjectFollower: Sendable {
    let api: any KubernetesAPI
    let resource: GroupVersionResource
    let namespace: String?
    var options = ListOptions()

    /// Waits between tries to reach the master again.
    static let shortestRetry = Duration.milliseconds(300)
    static let longestRetry = Duration.seconds(5)

    /// Calls `handle` for each change until it returns false. Throws what the master refuses; an unreachable master is
    /// tried again until the task is cancelled, and told to `onInterruption`.
    func run(
        onInterruption: @escaping @Sendable (String) async -> Void = { _ in },
        handle: @escaping @Sendable (ObjectChange) async throws -> Bool
    ) async throws {
        var retry = Self.shortestRetry
        while true {
            try Task.checkCancellation()
            do {
                guard try await listAndWatch(handle) else { return }
                retry = Self.shortestRetry
            } catch let error as KubernetesAPIError where error.isTransient {
                await onInterruption("\(error)")
                try await Task.sleep(for: retry)
                retry = min(retry * 2, Self.longestRetry)
            }
        }
    }

    /// Returns whether to go on with a new list.
    private func listAndWatch(_ handle: @escaping @Sendable (ObjectChange) async throws -> Bool) async throws -> Bool {
        var options = options
        let list = try JSONValue(parsing: await api.list(resource, namespace: namespace, options: options))
        guard try await handle(.snapshot(list["items"]?.arrayValue ?? [])) else { return false }
        options.resourceVersion = list[path: "metadata", "resourceVersion"]?.stringValue
        let stream = try await api.watch(resource, namespace: namespace, options: options)
        defer { stream.cancel() }
        return try await withTaskCancellationHandler {
            while let events = try await stream.next() {
                for event in events {
                    guard let change = try ObjectChange(event) else { continue }
                    guard try await handle(change) else { return false }
                }
            }
            return true
        } onCancel: {
            stream.cancel()
        }
    }
}

extension ObjectChange {
    /// nil for what says nothing about an object. An ERROR event ends the watch: the caller lists again.
    fileprivate init?(_ event: RawWatchEvent) throws {
        switch event.kind {
        case .added, .modified: self = .changed(try JSONValue(parsing: event.object))
        case .deleted: self = .deleted(try JSONValue(parsing: event.object))
        case .bookmark: return nil
        case .error: throw KubernetesAPIError.transport("the watch ended: \(String(decoding: event.object, as: UTF8.self))")
        }
    }
}

extension KubernetesAPIError {
    /// Worth another try: not reached, overloaded, or the watched revision is gone.
    var isTransient: Bool {
        switch self {
        case .transport: true
        case .status(let status): [410, 429, 500, 502, 503, 504].contains(status.code ?? 0)
        }
    }
}
