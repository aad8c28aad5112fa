// A watch's answer as events: a task reads the body as fast as it is consumed and gathers what came.
import AsyncHTTPClient
import JSON
import KubernetesClient
import KubernetesModel
import NIOCore
import Synchronization

final class HTTPWatchStream: WatchStream, Sendable {
    /// The reader pauses while this many bytes of events wait to be taken.
    static let maximumWaitingBytes = 8 << 20

    private enum End {
        case open
        case ended((any Error)?)
    }

    private struct State {
        var events: [RawWatchEvent] = []
        var bytes = 0
        var end = End.open
        var consumer: CheckedContinuation<Void, Never>?
        var reader: CheckedContinuation<Void, Never>?
        var task: Task<Void, Never>?
    }

    private let state = Mutex(State())
    private let what: String

    init(_ response: HTTPClientResponse, what: String) {
        self.what = what
        // The task keeps this object alive while the watch runs; `cancel` and the body's end both end it.
        let task = Task { await self.read(response.body) }
        let isOver = state.withLock { state in
            if case .open = state.end {
                state.task = task
                return false
            }
            return true
        }
        if isOver { task.cancel() }
    }

    func next() async throws -> [RawWatchEvent]? {
        while true {
            let step: Result<[RawWatchEvent]?, any Error>? = state.withLock { state in
                if !state.events.isEmpty {
                    defer {
                        state.events = []
                        state.bytes = 0
                    }
                    return .success(state.events)
                }
                guard case .ended(let error) = state.end else { return nil }
                return error.map { .failure($0) } ?? .success(nil)
            }
            if let step {
                wakeReader()
                return try step.get()
            }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let mayGoOn = state.withLock { state in
                        guard case .open = state.end, state.events.isEmpty else { return true }
                        state.consumer = continuation
                        return false
                    }
                    if mayGoOn { continuation.resume() }
                }
            } onCancel: {
                cancel()
            }
            try Task.checkCancellation()
        }
    }

    func cancel() {
        end(nil)
        let task = state.withLock { state in
            state.events = []
            return state.task
        }
        task?.cancel()
        wakeReader()
    }

    // MARK: The reading task

    private func read(_ body: HTTPClientResponse.Body) async {
        var splitter = LineSplitter()
        do {
            for try await buffer in body {
                var events: [RawWatchEvent] = []
                var failure: (any Error)?
                do {
                    try splitter.append(buffer) { line in events.append(try WatchLine.event(line)) }
                } catch {
                    failure = error
                }
                await deliver(events)
                if let failure { throw failure }
                if case .ended = state.withLock({ $0.end }) { return }
            }
            end(nil)
        } catch let error as KubernetesAPIError {
            end(error)
        } catch {
            end(Task.isCancelled ? nil : KubernetesAPIError.transport("\(what): \(error)"))
        }
    }

    private func deliver(_ events: [RawWatchEvent]) async {
        guard !events.isEmpty else { return }
        let consumer = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard case .open = state.end else { return nil }
            state.events += events
            state.bytes += events.reduce(0) { $0 + $1.object.count }
            defer { state.consumer = nil }
            return state.consumer
        }
        consumer?.resume()
        await withCheckedContinuation { continuation in
            let mayGoOn = state.withLock { state in
                guard case .open = state.end, state.bytes > Self.maximumWaitingBytes else { return true }
                state.reader = continuation
                return false
            }
            if mayGoOn { continuation.resume() }
        }
    }

    private func end(_ error: (any Error)?) {
        let consumer = state.withLock { state -> CheckedContinuation<Void, Never>? in
            if case .open = state.end { state.end = .ended(error) }
            defer { state.consumer = nil }
            return state.consumer
        }
        consumer?.resume()
    }

    private func wakeReader() {
        let reader = state.withLock { state in
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }
}

/// One line: `{"type":"ADDED","object":{...}}`.
enum WatchLine {
    /// Throws `KubernetesAPIError.status` for an ERROR event, `.transport` for a line that is no event.
    static func event(_ line: UnsafeRawBufferPointer) throws -> RawWatchEvent {
        let event = try quick(line) ?? parsed(Array(line))
        guard event.kind == .error else { return event }
        guard let status = try? JSON.decode(APIStatus.self, from: event.object) else {
            throw KubernetesAPIError.transport("a watch error that is no Status")
        }
        throw KubernetesAPIError.status(status)
    }

    private static let prefixes: [(bytes: [UInt8], kind: RawWatchEvent.Kind)] = [.modified, .added, .deleted, .bookmark].map {
        (Array(#"{"type":"\#($0.rawValue)","object":"#.utf8), $0)
    }

    /// The form that every known server writes: nothing needs to be parsed to take the object out.
    private static func quick(_ line: UnsafeRawBufferPointer) -> RawWatchEvent? {
        guard line.last == UInt8(ascii: "}") else { return nil }
        for (prefix, kind) in prefixes where line.count > prefix.count + 2 && line.starts(with: prefix) {
            let object = line[prefix.count..<(line.count - 1)]
            guard object.first == UInt8(ascii: "{"), object.last == UInt8(ascii: "}") else { return nil }
            return RawWatchEvent(kind: kind, object: Array(object))
        }
        return nil
    }

    private static func parsed(_ line: [UInt8]) throws -> RawWatchEvent {
        guard let tape = try? JSONTape(parsing: line), let type = tape.node(at: "type").flatMap({ tape.string($0) }),
            let kind = RawWatchEvent.Kind(rawValue: type), let object = tape.node(at: "object")
        else {
            throw KubernetesAPIError.transport("not a watch event: \(String(decoding: line.prefix(100), as: UTF8.self))")
        }
        return RawWatchEvent(kind: kind, object: Array(tape.rawBytes(object)))
    }
}
