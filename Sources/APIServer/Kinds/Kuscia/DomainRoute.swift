// kuscia.secretflow/v1alpha1 DomainRoute, ClusterDomainRoute, Gateway and InteropConfig: how domains reach one another.
import JSON
import KubernetesModel

extension ResourceKind {
    static let domainRoute = ResourceKind(
        resource: .kuscia("domainroutes"), kind: "DomainRoute", singular: "domainroute", shortNames: ["dr"], isCustom: true,
        hasStatus: true, countsGeneration: true,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind DomainRoute -- How one domain reaches another, on one of the two sides.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec DomainRouteSpec! -- What is wanted.
              0 status DomainRouteStatus -- What was last observed; written by the system.
            type DomainRouteSpec
              0 source string!
              0 destination string!
              0 interConnProtocol enum(kuscia|bfia)
              0 endpoint DomainEndpoint
              0 transit Transit
              0 authenticationType enum(Token|MTLS|None)
              0 tokenConfig TokenConfig
              0 bodyEncryption BodyEncryption
              0 mTLSConfig DomainRouteMTLSConfig
              0 sourceWhiteIPList []string
              0 requestHeadersToAdd {}string
            type DomainEndpoint
              0 host string
              0 ports []DomainPort
            type DomainPort
              0 name string
              0 protocol enum(HTTP|GRPC)
              0 pathPrefix string
              0 isTLS bool
              0 port count
            type Transit
              0 transitMethod enum(THIRD-DOMAIN|REVERSE-TUNNEL)
              0 domain DomainTransit
            type DomainTransit
              0 domainID string
            type TokenConfig
              0 sourcePublicKey string
              0 destinationPublicKey string
              0 rollingUpdatePeriod int32
              0 tokenGenMethod string
            type BodyEncryption
              0 algorithm enum(AES|SM4)
            type DomainRouteMTLSConfig
              0 tlsCA string
              0 sourceClientPrivateKey string
              0 sourceClientCert string
            type DomainRouteStatus
              0 isDestinationAuthorized bool
              0 isDestinationUnreachable bool
              0 tokenStatus DomainRouteTokenStatus
            type DomainRouteTokenStatus
              0 revisionInitializer string
              0 revisionToken DomainRouteToken
              0 tokens []DomainRouteToken
            type DomainRouteToken
              0 isReady bool
              0 token string
              0 revision int64
              0 revisionTime time
              0 expirationTime time
              0 heartBeatTime time
              0 effectiveInstances []string
            """#),
        columns: [.name] + routeColumns + [.age], validate: validateRoute)

    static let clusterDomainRoute = ResourceKind(
        resource: .kuscia("clusterdomainroutes"), kind: "ClusterDomainRoute", singular: "clusterdomainroute",
        shortNames: ["cdr"], namespaced: false, isCustom: true, hasStatus: true, countsGeneration: true,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind ClusterDomainRoute -- How one domain reaches another, for both sides.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec ClusterDomainRouteSpec! -- What is wanted.
              0 status ClusterDomainRouteStatus -- What was last observed; written by the system.
            type ClusterDomainRouteSpec
              0 inline DomainRouteSpec
            type ClusterDomainRouteStatus
              0 tokenStatus ClusterDomainRouteTokenStatus
              0 conditions []ClusterDomainRouteCondition
              0 endpointStatuses {}ClusterDomainRouteEndpointStatus
            type ClusterDomainRouteTokenStatus
              0 revision int64
              0 revisionTime time
              0 sourceTokens []DomainRouteToken
              0 destinationTokens []DomainRouteToken
            type ClusterDomainRouteCondition
              0 type string
              0 status string -- What was last observed; written by the system.
              0 lastUpdateTime time
              0 lastTransitionTime time -- When it last changed.
              0 reason string -- Why, in a word.
              0 message string -- Why, for people.
            type ClusterDomainRouteEndpointStatus
              0 endpointHealthy bool
            """#),
        columns: [.name] + routeColumns + [.condition("Ready"), .age], validate: validateRoute)

    static let gateway = ResourceKind(
        resource: .kuscia("gateways"), kind: "Gateway", singular: "gateway", shortNames: ["gw"], isCustom: true, hasStatus: true,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind Gateway -- A domain's gateway, as it reports itself.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 status GatewayStatus -- What was last observed; written by the system.
            type GatewayStatus
              0 address string
              0 uptime time
              0 heartbeatTime time
              0 publicKey string
              0 version string
              0 networkStatus []GatewayEndpointStatus
            type GatewayEndpointStatus
              0 name string
              0 type string
              0 totalEndpointsCount int32
              0 healthyEndpointsCount int32
            """#),
        columns: [
            .name, .text("CreationTime", ["metadata", "creationTimestamp"]), .text("UpTime", ["status", "uptime"]),
            .text("HeartbeatTime", ["status", "heartbeatTime"]), .text("Address", ["status", "address"]),
            .text("Version", ["status", "version"]),
        ])

    static let interopConfig = ResourceKind(
        resource: .kuscia("interopconfigs"), kind: "InteropConfig", singular: "interopconfig", shortNames: ["interop"],
        namespaced: false, isCustom: true, countsGeneration: true,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind InteropConfig -- Which domains behind another master this one works with.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec InteropConfigSpec! -- What is wanted.
            type InteropConfigSpec
              0 host string!
              0 members []string
            """#),
        columns: [.name, .text("Host", ["spec", "host"]), .age])

    private static let routeColumns: [PrinterColumn] = [
        .text("Source", ["spec", "source"]), .text("Destination", ["spec", "destination"]),
        .text("Host", ["spec", "endpoint", "host"]), .text("Authentication", ["spec", "authenticationType"]),
    ]

    @Sendable private static func validateRoute(_ route: JSONValue) -> [FieldError] {
        let spec = route["spec"] ?? [:]
        var errors: [FieldError] = []
        for member in ["source", "destination"] {
            let domain = spec[member]?.stringValue ?? ""
            if !domain.isEmpty, let problem = NameFormat.labelProblem(domain) {
                errors.append(.invalid("spec.\(member)", .string(domain), problem))
            }
        }
        for (index, port) in (spec["endpoint"]?["ports"]?.arrayValue ?? []).enumerated() {
            errors += PortRules.number(port["port"], at: "spec.endpoint.ports[\(index)].port")
        }
        return errors
    }
}
