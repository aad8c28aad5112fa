// core/v1 Endpoints.
import JSON
import KubernetesModel

extension ResourceKind {
    static let endpoints = ResourceKind(
        resource: GroupVersionResource(resource: "endpoints"), kind: "Endpoints", singular: "endpoints", shortNames: ["ep"],
        types: TypeText(
            package: "io.k8s.api.core.v1",
            #"""
            kind Endpoints -- The addresses behind a service.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 subsets []EndpointSubset
            type EndpointSubset
              1 addresses []EndpointAddress
              2 notReadyAddresses []EndpointAddress
              3 ports []EndpointPort
            type EndpointAddress
              1 ip string!
              3 hostname string
              4 nodeName string?
              2 targetRef ObjectReference
            type EndpointPort
              1 name string
              2 port int32
              3 protocol enum(TCP|UDP|SCTP) =TCP
              4 appProtocol string?
            """#),
        columns: [.name, .computed("Endpoints", EndpointColumns.endpoints), .age],
        validate: { endpoints in
            var errors: [FieldError] = []
            for (index, subset) in (endpoints["subsets"]?.arrayValue ?? []).enumerated() {
                let path = "subsets[\(index)]"
                if (subset["addresses"]?.arrayValue ?? []).isEmpty, (subset["notReadyAddresses"]?.arrayValue ?? []).isEmpty {
                    errors.append(.required(path, "must specify `addresses` or `notReadyAddresses`"))
                }
                let ports = subset["ports"]?.arrayValue ?? []
                for (number, port) in ports.enumerated() {
                    errors += PortRules.number(port["port"], at: "\(path).ports[\(number)].port")
                    if ports.count > 1, (port["name"]?.stringValue ?? "").isEmpty {
                        errors.append(.required("\(path).ports[\(number)].name"))
                    }
                }
            }
            return errors
        })
}
