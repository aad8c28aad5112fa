// Probe and Lifecycle: how a container is asked for its health, and what is run beside its start and end (core/v1).

/// One of `exec`, `httpGet`, `tcpSocket`, `grpc` is set.
public struct Probe: DefaultInitializable, Sendable {
    public var exec: ExecAction?
    public var httpGet: HTTPGetAction?
    public var tcpSocket: TCPSocketAction?
    public var grpc: GRPCAction?
    public var initialDelaySeconds: Int?
    public var timeoutSeconds: Int?
    public var periodSeconds: Int?
    public var successThreshold: Int?
    public var failureThreshold: Int?
    public var terminationGracePeriodSeconds: Int64?

    public init() {}

    public init(
        exec: ExecAction? = nil, httpGet: HTTPGetAction? = nil, tcpSocket: TCPSocketAction? = nil,
        grpc: GRPCAction? = nil, initialDelaySeconds: Int? = nil, timeoutSeconds: Int? = nil,
        periodSeconds: Int? = nil, successThreshold: Int? = nil, failureThreshold: Int? = nil,
        terminationGracePeriodSeconds: Int64? = nil
    ) {
        self.exec = exec
        self.httpGet = httpGet
        self.tcpSocket = tcpSocket
        self.grpc = grpc
        self.initialDelaySeconds = initialDelaySeconds
        self.timeoutSeconds = timeoutSeconds
        self.periodSeconds = periodSeconds
        self.successThreshold = successThreshold
        self.failureThreshold = failureThreshold
        self.terminationGracePeriodSeconds = terminationGracePeriodSeconds
    }
}

public struct ExecAction: DefaultInitializable, Sendable {
    @DefaultEmpty public var command: [String] = []

    public init() {}

    public init(command: [String] = []) {
        self.command = command
    }
}

public struct HTTPGetAction: Sendable, Hashable, Codable {
    public var path: String?
    public var port: IntOrString
    public var host: String?
    public var scheme: String?
    @DefaultEmpty public var httpHeaders: [HTTPHeader] = []

    public init(
        path: String? = nil, port: IntOrString, host: String? = nil, scheme: String? = nil,
        httpHeaders: [HTTPHeader] = []
    ) {
        self.path = path
        self.port = port
        self.host = host
        self.scheme = scheme
        self.httpHeaders = httpHeaders
    }
}

public struct HTTPHeader: Sendable, Hashable, Codable {
    @WrittenEmpty public var name: String = ""
    @WrittenEmpty public var value: String = ""

    public init(name: String = "", value: String = "") {
        self.name = name
        self.value = value
    }
}

public struct TCPSocketAction: Sendable, Hashable, Codable {
    public var port: IntOrString
    public var host: String?

    public init(port: IntOrString, host: String? = nil) {
        self.port = port
        self.host = host
    }
}

public struct GRPCAction: Sendable, Hashable, Codable {
    public var port: Int
    public var service: String?

    public init(port: Int, service: String? = nil) {
        self.port = port
        self.service = service
    }
}

/// What is run right after the container's start and right before its end.
public struct Lifecycle: DefaultInitializable, Sendable {
    public var postStart: LifecycleHandler?
    public var preStop: LifecycleHandler?
    /// "SIGQUIT" etc.: what asks the container to stop, whatever its image says (KEP-4960).
    public var stopSignal: String?

    public init() {}

    public init(postStart: LifecycleHandler? = nil, preStop: LifecycleHandler? = nil, stopSignal: String? = nil) {
        self.postStart = postStart
        self.preStop = preStop
        self.stopSignal = stopSignal
    }
}

/// One of `exec`, `httpGet`, `tcpSocket` (without effect, as in Kubernetes), `sleep` is set.
public struct LifecycleHandler: DefaultInitializable, Sendable {
    public var exec: ExecAction?
    public var httpGet: HTTPGetAction?
    public var tcpSocket: TCPSocketAction?
    public var sleep: SleepAction?

    public init() {}

    public init(
        exec: ExecAction? = nil, httpGet: HTTPGetAction? = nil, tcpSocket: TCPSocketAction? = nil, sleep: SleepAction? = nil
    ) {
        self.exec = exec
        self.httpGet = httpGet
        self.tcpSocket = tcpSocket
        self.sleep = sleep
    }
}

public struct SleepAction: DefaultInitializable, Sendable {
    @WrittenEmpty public var seconds: Int = 0

    public init() {}

    public init(seconds: Int) { self.seconds = seconds }
}
