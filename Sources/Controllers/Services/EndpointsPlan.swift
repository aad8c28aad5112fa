// The addresses behind a service, as Endpoints and as EndpointSlices: kube-controller-manager's rules, pure.
import KubernetesModel

/// I-EP-1: every address is of a pod that the service selects, with its port resolved in that pod.
/// I-EP-2: ready is only who is Ready and not being deleted; publishNotReadyAddresses makes all of them ready.
/// I-EP-3: an endpoint stays in the slice that it is in; no slice has more than a hundred.
enum EndpointsPlan {
    static let maximumPerSlice = 100
    /// Addresses of one Endpoints object; more are cut off, with an annotation that says so.
    static let maximumPerEndpoints = 1000
    static let serviceLabel = "kubernetes.io/service-name"
    static let managedByLabel = "endpointslice.kubernetes.io/managed-by"
    static let manager = "endpointslice-controller.k8s.io"
    static let overCapacity = "endpoints.kubernetes.io/over-capacity"

    /// One pod's address with the ports that the service reaches there.
    struct Address: Hashable, Sendable {
        var endpoint: Endpoint
        var ports: [EndpointPort]
        var isIPv6: Bool

        var key: String { (endpoint.targetRef?.uid ?? "") + endpoint.addresses.joined() }
    }

    /// In order of their pods' names. A pod without address or that has finished has none.
    static func addresses(_ service: Service, _ pods: [PodView]) -> [Address] {
        pods.sorted { $0.name < $1.name }.flatMap { pod in addresses(service, pod) }
    }

    private static func addresses(_ service: Service, _ pod: PodView) -> [Address] {
        guard !pod.isFinished else { return [] }
        let serving = pod.isReady
        let terminating = pod.isDeleting
        let ready = service.spec.publishNotReadyAddresses == true || (serving && !terminating)
        let ports = service.spec.ports.compactMap { port in
            number(of: port, in: pod).map { EndpointPort(name: port.name ?? "", port: $0, protocol: port.protocol ?? "TCP") }
        }
        // None of the named ports is here: the pod cannot serve it.
        if ports.isEmpty, !service.spec.ports.isEmpty { return [] }
        let named = pod.hostname.map { !$0.isEmpty } ?? false && pod.subdomain == service.metadata.name
        return pod.addresses.map { ip in
            Address(
                endpoint: Endpoint(
                    addresses: [ip], conditions: EndpointConditions(ready: ready, serving: serving, terminating: terminating),
                    hostname: named ? pod.hostname : nil, nodeName: pod.nodeName,
                    targetRef: ObjectReference(kind: "Pod", namespace: pod.namespace, name: pod.name, uid: pod.uid)),
                ports: ports, isIPv6: ip.contains(":"))
        }
    }

    /// targetPort is a number, the name of a container's port, or absent: then it is the service's own number.
    private static func number(of port: ServicePort, in pod: PodView) -> Int? {
        switch port.targetPort {
        case nil: return port.port
        case .int(let number): return number == 0 ? port.port : number
        case .string(let name):
            let found = pod.shape.ports.first { $0.name == name && ($0.protocol ?? "TCP") == (port.protocol ?? "TCP") }
            return found?.containerPort
        }
    }

    // MARK: Endpoints

    static func subsets(_ addresses: [Address]) -> (subsets: [EndpointSubset], isCut: Bool) {
        // The older kind has one family, and knows no terminating ones.
        let wanted = addresses.filter {
            !$0.isIPv6 && ($0.endpoint.conditions.terminating != true || $0.endpoint.conditions.ready == true)
        }
        var groups: [[EndpointPort]: EndpointSubset] = [:]
        for address in wanted.prefix(maximumPerEndpoints) {
            let one = EndpointAddress(
                ip: address.endpoint.addresses.first ?? "", hostname: address.endpoint.hostname,
                nodeName: address.endpoint.nodeName,
                targetRef: address.endpoint.targetRef)
            // A nameless port has no name in this kind.
            let ports = address.ports.map {
                EndpointPort(name: $0.name?.isEmpty == false ? $0.name : nil, port: $0.port, protocol: $0.protocol)
            }
            if address.endpoint.conditions.ready == true {
                groups[ports, default: EndpointSubset(ports: ports)].addresses.append(one)
            } else {
                groups[ports, default: EndpointSubset(ports: ports)].notReadyAddresses.append(one)
            }
        }
        let ordered = groups.sorted { left, right in
            left.key.map { "\($0.name ?? "")\($0.port)" }.lexicographicallyPrecedes(
                right.key.map { "\($0.name ?? "")\($0.port)" })
        }
        return (ordered.map(\.value), wanted.count > maximumPerEndpoints)
    }

    // MARK: Slices

    struct SliceChanges: Sendable, Hashable {
        var create: [EndpointSlice] = []
        /// Whole, with the metadata of the one that is there.
        var update: [EndpointSlice] = []
        var delete: [EndpointSlice] = []
    }

    /// `existing` are the service's own slices. Everybody stays where they are if they can; holes are filled before a slice
    /// is added; an empty slice goes, but one stays so that the service has one.
    static func slices(_ service: Service, _ addresses: [Address], existing: [EndpointSlice]) -> SliceChanges {
        var changes = SliceChanges()
        var missing = Dictionary(addresses.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
        var kept: [EndpointSlice] = []
        for old in existing.sorted(by: { $0.metadata.name < $1.metadata.name }) {
            var slice = old
            slice.endpoints = old.endpoints.compactMap { endpoint in
                let key = (endpoint.targetRef?.uid ?? "") + endpoint.addresses.joined()
                guard let address = missing[key], address.ports == old.ports, address.isIPv6 == (old.addressType == "IPv6") else {
                    return nil
                }
                missing[key] = nil
                return address.endpoint
            }
            kept.append(slice)
        }
        var made: [EndpointSlice] = []
        for address in missing.values.sorted(by: {
            ($0.endpoint.targetRef?.name ?? "", $0.key) < ($1.endpoint.targetRef?.name ?? "", $1.key)
        }) {
            place(address, &kept, &made, service, taken: Set(existing.map(\.metadata.name)))
        }
        let filled = kept.filter { !$0.endpoints.isEmpty }
        // One stays, even if empty.
        let empty = kept.filter(\.endpoints.isEmpty)
        let spare = filled.isEmpty && made.isEmpty ? empty.first : nil
        if spare == nil, filled.isEmpty, made.isEmpty { made = [slice(of: service, ports: [], isIPv6: false, index: 0)] }
        changes.create = made
        changes.delete = empty.filter { $0.metadata.name != spare?.metadata.name }
        changes.update = (filled + [spare].compactMap(\.self)).filter { slice in !existing.contains(slice) }
        return changes
    }

    private static func place(
        _ address: Address, _ kept: inout [EndpointSlice], _ made: inout [EndpointSlice], _ service: Service, taken: Set<String>
    ) {
        func fits(_ slice: EndpointSlice) -> Bool {
            slice.endpoints.count < maximumPerSlice && (slice.addressType == "IPv6") == address.isIPv6
                && (slice.ports == address.ports || slice.endpoints.isEmpty)
        }
        // The fullest first, so that the fewest change.
        let order = { (left: EndpointSlice, right: EndpointSlice) in left.endpoints.count < right.endpoints.count }
        if let best = kept.filter(fits).max(by: order),
            let index = kept.firstIndex(where: { $0.metadata.name == best.metadata.name })
        {
            kept[index].endpoints.append(address.endpoint)
            kept[index].ports = address.ports
        } else if let index = made.firstIndex(where: fits) {
            made[index].endpoints.append(address.endpoint)
        } else {
            var number = 0
            let used = taken.union(made.map(\.metadata.name))
            while used.contains(name(service, number)) { number += 1 }
            var fresh = slice(of: service, ports: address.ports, isIPv6: address.isIPv6, index: number)
            fresh.endpoints = [address.endpoint]
            made.append(fresh)
        }
    }

    /// Names follow from the service, so that a controller that was killed makes none twice.
    private static func name(_ service: Service, _ index: Int) -> String { "\(service.metadata.name)-\(index)" }

    private static func slice(of service: Service, ports: [EndpointPort], isIPv6: Bool, index: Int) -> EndpointSlice {
        var labels = service.metadata.labels
        labels[serviceLabel] = service.metadata.name
        labels[managedByLabel] = manager
        if service.spec.clusterIP == "None" { labels["service.kubernetes.io/headless"] = "" }
        return EndpointSlice(
            metadata: ObjectMeta(
                name: name(service, index), namespace: service.metadata.namespace, labels: labels,
                ownerReferences: [OwnerReference(controller: service)].compactMap(\.self)),
            addressType: isIPv6 ? "IPv6" : "IPv4", endpoints: [], ports: ports)
    }
}
