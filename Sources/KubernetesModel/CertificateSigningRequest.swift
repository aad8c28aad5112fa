// CertificateSigningRequest: how a new node gets its client certificate (certificates.k8s.io/v1).

public struct CertificateSigningRequest: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(group: "certificates.k8s.io", resource: "certificatesigningrequests")
    public static let kind = "CertificateSigningRequest"
    public static let namespaced = false

    private var apiVersion = APIVersionField<CertificateSigningRequest>()
    private var kind = KindField<CertificateSigningRequest>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @WrittenEmpty public var spec: CertificateSigningRequestSpec = .init()
    @DefaultEmpty public var status: CertificateSigningRequestStatus = .init()

    public init(
        metadata: ObjectMeta = .init(), spec: CertificateSigningRequestSpec = .init(),
        status: CertificateSigningRequestStatus = .init()
    ) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }
}

public struct CertificateSigningRequestSpec: DefaultInitializable, Sendable {
    /// The PKCS#10 request: base64 of its PEM.
    @WrittenEmpty public var request: String = ""
    /// e.g. "kubernetes.io/kube-apiserver-client-kubelet".
    @WrittenEmpty public var signerName: String = ""
    public var expirationSeconds: Int?
    @DefaultEmpty public var usages: [String] = []
    /// Who asked; filled in by the server.
    public var username: String?
    public var uid: String?
    @DefaultEmpty public var groups: [String] = []

    public init() {}

    public init(
        request: String = "", signerName: String = "", expirationSeconds: Int? = nil, usages: [String] = [],
        username: String? = nil, uid: String? = nil, groups: [String] = []
    ) {
        self.request = request
        self.signerName = signerName
        self.expirationSeconds = expirationSeconds
        self.usages = usages
        self.username = username
        self.uid = uid
        self.groups = groups
    }
}

public struct CertificateSigningRequestStatus: DefaultInitializable, Sendable {
    @DefaultEmpty public var conditions: [CertificateSigningRequestCondition] = []
    /// The issued chain: base64 of its PEM; nil until signed.
    public var certificate: String?

    public init() {}

    public init(conditions: [CertificateSigningRequestCondition] = [], certificate: String? = nil) {
        self.conditions = conditions
        self.certificate = certificate
    }
}

public struct CertificateSigningRequestCondition: Sendable, Hashable, Codable {
    /// "Approved", "Denied" or "Failed".
    @WrittenEmpty public var type: String = ""
    public var status: ConditionStatus
    public var reason: String?
    public var message: String?
    public var lastUpdateTime: Timestamp?
    public var lastTransitionTime: Timestamp?

    public init(
        type: String = "", status: ConditionStatus, reason: String? = nil, message: String? = nil,
        lastUpdateTime: Timestamp? = nil, lastTransitionTime: Timestamp? = nil
    ) {
        self.type = type
        self.status = status
        self.reason = reason
        self.message = message
        self.lastUpdateTime = lastUpdateTime
        self.lastTransitionTime = lastTransitionTime
    }
}
