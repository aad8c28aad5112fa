// Event: something worth telling the user about an object (core/v1).

public struct Event: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(resource: "events")
    public static let kind = "Event"
    public static let namespaced = true

    private var apiVersion = APIVersionField<Event>()
    private var kind = KindField<Event>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @WrittenEmpty public var involvedObject: ObjectReference = .init()
    /// One CamelCase word, e.g. "FailedScheduling".
    public var reason: String?
    public var message: String?
    @DefaultEmpty public var source: EventSource = .init()
    public var firstTimestamp: Timestamp?
    public var lastTimestamp: Timestamp?
    public var count: Int?
    /// "Normal" or "Warning".
    public var type: String?
    public var eventTime: MicroTimestamp?
    public var action: String?
    @WrittenEmpty public var reportingComponent: String = ""
    @WrittenEmpty public var reportingInstance: String = ""

    public init(
        metadata: ObjectMeta = .init(), involvedObject: ObjectReference = .init(), reason: String? = nil,
        message: String? = nil, source: EventSource = .init(), firstTimestamp: Timestamp? = nil,
        lastTimestamp: Timestamp? = nil, count: Int? = nil, type: String? = nil, eventTime: MicroTimestamp? = nil,
        action: String? = nil, reportingComponent: String = "", reportingInstance: String = ""
    ) {
        self.metadata = metadata
        self.involvedObject = involvedObject
        self.reason = reason
        self.message = message
        self.source = source
        self.firstTimestamp = firstTimestamp
        self.lastTimestamp = lastTimestamp
        self.count = count
        self.type = type
        self.eventTime = eventTime
        self.action = action
        self.reportingComponent = reportingComponent
        self.reportingInstance = reportingInstance
    }
}

public struct EventSource: DefaultInitializable, Sendable {
    public var component: String?
    public var host: String?

    public init() {}

    public init(component: String? = nil, host: String? = nil) {
        self.component = component
        self.host = host
    }
}
