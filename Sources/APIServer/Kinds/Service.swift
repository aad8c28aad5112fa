// core/v1 Service. Cluster addresses come from whoever runs a service network; rules are in Rules/ServiceRules.swift.
import JSON
import KubernetesModel

extension ResourceKind {
    static let service = ResourceKind(
        resource: GroupVersionResource(resource: "services"), kind: "Service", singular: "service", shortNames: ["svc"],
        categories: ["all"], hasStatus: true, nameRule: .label, selectableFields: ["spec.clusterIP", "spec.type"],
        types: TypeText(
            package: "io.k8s.api.core.v1",
            #"""
            kind Service -- A name and an address for a set of pods.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec ServiceSpec! -- What is wanted.
              3 status ServiceStatus -- What was last observed; written by the system.
            type ServiceSpec
              1 ports []ServicePort merge(port) map(port,protocol) -- Ports of the service.
              2 selector {}string -- Labels of the pods behind it.
              3 clusterIP string -- The address; None for a service without one.
              18 clusterIPs []string
              4 type enum(ClusterIP|NodePort|LoadBalancer|ExternalName) =ClusterIP -- ClusterIP, NodePort, LoadBalancer or ExternalName.
              5 externalIPs []string
              7 sessionAffinity enum(ClientIP|None) =None -- ClientIP to keep a client at its pod, or None.
              8 loadBalancerIP string
              9 loadBalancerSourceRanges []string
              10 externalName string -- The name that is given in answer, for type ExternalName.
              11 externalTrafficPolicy enum(Cluster|Local)
              12 healthCheckNodePort int32
              13 publishNotReadyAddresses bool -- Whether pods count before they are ready.
              14 sessionAffinityConfig SessionAffinityConfig
              19 ipFamilies []enum(IPv4|IPv6)
              17 ipFamilyPolicy enum(SingleStack|PreferDualStack|RequireDualStack)?
              20 allocateLoadBalancerNodePorts bool?
              21 loadBalancerClass string?
              22 internalTrafficPolicy enum(Cluster|Local)? =Cluster
              23 trafficDistribution string?
            type ServicePort
              1 name string
              2 protocol enum(TCP|UDP|SCTP) =TCP
              6 appProtocol string?
              3 port int32! -- The number at the service.
              4 targetPort intOrString -- Number or name at the pods.
              5 nodePort int32 -- The number at every node, for types NodePort and LoadBalancer.
            type SessionAffinityConfig
              1 clientIP ClientIPConfig
            type ClientIPConfig
              1 timeoutSeconds int32?
            type ServiceStatus
              1 loadBalancer LoadBalancerStatus
              2 conditions []meta.Condition merge(type)
            type LoadBalancerStatus
              1 ingress []LoadBalancerIngress
            type LoadBalancerIngress
              1 ip string
              2 hostname string
              3 ipMode string?
              4 ports []PortStatus
            type PortStatus
              1 port int32
              2 protocol enum(TCP|UDP|SCTP)
              3 error string?
            """#),
        columns: ServiceColumns.all, applyDefaults: ServiceRules.applyDefaults, validate: ServiceRules.validate,
        validateUpdate: ServiceRules.validateUpdate)
}
