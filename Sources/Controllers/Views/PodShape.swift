// What the pods of one template have in common: what they take, where they may run, their ports. Kept once for all of them, and
// found again by its text, so that the ten-thousandth pod of a template costs a comparison of bytes.
import JSON
import KubernetesModel
import Scheduling

final class PodShape: Sendable {
    /// Without what is the single pod's: key, uid, times, group, node.
    let description: PodDescription
    /// Of all containers, in order.
    let ports: [ContainerPort]
    let schedulerName: String

    var tolerations: [Toleration] { description.tolerations }

    private init(_ text: ShapeText) {
        let spec = text.spec
        description = PodDescription(Pod(spec: spec))
        ports = spec.containers.flatMap(\.ports)
        schedulerName = spec.schedulerName ?? ""
    }

    private static let memo = TextMemo<PodShape>()

    /// The shape of a pod's `spec`. Throws when a part of it does not fit its type.
    static func read(_ spec: TapeObject) throws -> PodShape {
        var key: [UInt8] = []
        key.reserveCapacity(1024)
        for name in ShapeText.CodingKeys.allCases where name != .containers && name != .initContainers {
            spec.appendText(of: name.rawValue, to: &key)
        }
        for list in [ShapeText.CodingKeys.containers, .initContainers] {
            for container in spec.elements(list.rawValue) {
                for name in ShapeText.Part.CodingKeys.allCases { container.appendText(of: name.rawValue, to: &key) }
                key.append(2)
            }
            key.append(1)
        }
        return try memo.value(of: key) { PodShape(try spec.decode(ShapeText.self) ?? ShapeText()) }
    }
}

/// The members of a spec that make its shape, and no others: what is decoded is what was compared.
private struct ShapeText: Decodable {
    enum CodingKeys: String, CodingKey, CaseIterable {
        case containers, initContainers, nodeSelector, tolerations, affinity, overhead, priority, preemptionPolicy, schedulerName
    }

    struct Part: Decodable {
        enum CodingKeys: String, CodingKey, CaseIterable { case ports, resources, restartPolicy }

        var ports: [ContainerPort]?
        var resources: ResourceRequirements?
        var restartPolicy: String?

        var container: Container { Container(ports: ports ?? [], resources: resources ?? .init(), restartPolicy: restartPolicy) }
    }

    var containers: [Part]?
    var initContainers: [Part]?
    var nodeSelector: [String: String]?
    var tolerations: [Toleration]?
    var affinity: Affinity?
    var overhead: [String: Quantity]?
    var priority: Int?
    var preemptionPolicy: String?
    var schedulerName: String?

    var spec: PodSpec {
        PodSpec(
            initContainers: (initContainers ?? []).map(\.container), containers: (containers ?? []).map(\.container),
            nodeSelector: nodeSelector ?? [:], affinity: affinity, schedulerName: schedulerName, tolerations: tolerations ?? [],
            priority: priority, overhead: overhead ?? [:], preemptionPolicy: preemptionPolicy)
    }
}
