// The client's end of exec, attach and port-forward: messages of numbered channels, as Kubernetes' WebSocket protocols have them
// (v5.channel.k8s.io, v4.channel.k8s.io). Channel numbers are those of `ChannelFrame`.

/// exec or attach, as the query of the API says it.
public struct PodCommand: Sendable, Hashable {
    public enum Verb: String, Sendable, Hashable { case exec, attach }

    public var verb: Verb
    /// "" means the pod's only one.
    public var container: String
    /// Empty for attach.
    public var command: [String]
    public var stdin: Bool
    public var stdout: Bool
    public var stderr: Bool
    public var tty: Bool

    public init(
        verb: Verb, container: String, command: [String] = [], stdin: Bool = false, stdout: Bool = true, stderr: Bool = true,
        tty: Bool = false
    ) {
        self.verb = verb
        self.container = container
        self.command = command
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.tty = tty
    }
}

/// One reader, one writer; `close` from anywhere.
public protocol PodChannels: Sendable {
    /// Whether one channel can be closed alone (v5).
    var closesChannels: Bool { get }
    /// The next message, never without bytes; nil at the other side's end. Throws when the connection broke.
    func receive() async throws -> ChannelFrame?
    /// Suspends while the other side does not take it; throws when it never will again.
    func send(_ frame: ChannelFrame) async throws
    /// Idempotent.
    func close() async
}

/// Throws `KubernetesAPIError` with the server's own words when it will not upgrade.
public protocol PodStreaming: Sendable {
    func open(_ command: PodCommand, namespace: String, pod: String) async throws -> any PodChannels
    /// Channel 0 has the port's bytes, channel 1 an error's text; the port's number, with which each begins on the wire, is left out.
    func openPort(_ port: UInt16, namespace: String, pod: String) async throws -> any PodChannels
}
