// How probes and hooks get a connection to a pod.
import KubernetesModel
import RuntimeInterface

/// Connections from the node to an address. Cancelling the task ends the attempt.
public protocol ProbeDialing: Sendable {
    /// `tls`: without a look at the certificate, as a kubelet's probes. Throws with a text that an event can show.
    func connect(host: String, port: UInt16, tls: Bool) async throws -> any ByteStream
}

/// A connection for one pod: to an address when there is one to reach, else through the runtime to the pod's own loopback.
struct PodConnector: Sendable {
    let runtime: any ContainerRuntime
    let dialer: (any ProbeDialing)?

    /// `host`: nil for the pod's own address.
    func connect(_ podUID: String, address: String?, host: String?, port: UInt16, tls: Bool) async throws -> any ByteStream {
        if let dialer, let target = host ?? address { return try await dialer.connect(host: target, port: port, tls: tls) }
        guard host == nil, !tls else {
            throw RuntimeError.unenforceable("a probe by TLS, or of another host, in a pod without an address of its own")
        }
        return try await runtime.portForward(podUID: podUID, port: port)
    }
}

/// Whichever comes first: the work, or the end of its time (nil). The work is then cancelled and not waited for: what hangs in a
/// task's process must not hang the agent.
func withDeadline<T: Sendable>(
    seconds: Int, clock: any AgentClock, _ work: @escaping @Sendable () async throws -> T
) async throws -> T? {
    let (stream, end) = AsyncThrowingStream<T?, any Error>.makeStream(bufferingPolicy: .bufferingOldest(1))
    let working = Task {
        do {
            end.yield(try await work())
            end.finish()
        } catch {
            end.finish(throwing: error)
        }
    }
    let waiting = Task {
        guard (try? await clock.sleep(nanoseconds: Int64(seconds) * 1_000_000_000)) != nil else { return }
        end.yield(nil)
        end.finish()
    }
    defer {
        working.cancel()
        waiting.cancel()
    }
    for try await first in stream { return first }
    return nil
}
