// discovery.k8s.io/v1 EndpointSlice.
import JSON
import KubernetesModel

extension ResourceKind {
    static let endpointSlice = ResourceKind(
        resource: GroupVersionResource(group: "discovery.k8s.io", resource: "endpointslices"), kind: "EndpointSlice",
        singular: "endpointslice",
        types: TypeText(
            package: "io.k8s.api.discovery.v1",
            #"""
            kind EndpointSlice -- Some of the addresses behind a service.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              4 addressType enum(IPv4|IPv6|FQDN)!
              2 endpoints []Endpoint!
              3 ports []EndpointPort
            type Endpoint
              1 addresses []string! set
              2 conditions EndpointConditions
              3 hostname string?
              4 targetRef core.ObjectReference
              5 deprecatedTopology {}string
              6 nodeName string?
              7 zone string?
              8 hints EndpointHints
            type EndpointConditions
              1 ready bool?
              2 serving bool?
              3 terminating bool?
            type EndpointHints
              1 forZones []ForZone
              2 forNodes []ForNode
            type ForZone
              1 name string
            type ForNode
              1 name string
            type EndpointPort
              1 name string? =
              2 protocol enum(TCP|UDP|SCTP)? =TCP
              3 port int32?
              4 appProtocol string?
            """#),
        columns: [
            .name, .text("AddressType", ["addressType"]), .computed("Ports", EndpointColumns.slicePorts),
            .computed("Endpoints", EndpointColumns.sliceAddresses), .age,
        ],
        validate: { slice in
            var errors: [FieldError] = []
            let endpoints = slice["endpoints"]?.arrayValue ?? []
            if endpoints.count > 1000 {
                errors.append(.tooMany("endpoints", count: endpoints.count, limit: 1000))
            }
            for (index, endpoint) in endpoints.enumerated() {
                let count = endpoint["addresses"]?.arrayValue?.count ?? 0
                if count == 0 { errors.append(.required("endpoints[\(index)].addresses", "must contain at least 1 address")) }
                if count > 100 { errors.append(.tooMany("endpoints[\(index)].addresses", count: count, limit: 100)) }
            }
            let ports = slice["ports"]?.arrayValue ?? []
            errors += DuplicateRules.find(ports, member: "name", at: "ports")
            for (index, port) in ports.enumerated() where port["port"] != nil {
                errors += PortRules.number(port["port"], at: "ports[\(index)].port")
            }
            return errors
        },
        validateUpdate: { immutable($0, $1, "addressType") })
}
