// Times and ports of a pod, which the node computes with: beyond what the API permits, sums and products would not fit, and an agent that
// falls over one pod takes all others along. A server checks them too; the node does not rely on it.
import KubernetesModel

public enum PodNumbers {
    /// The API's own bound of an int32; 68 years.
    public static let maximumSeconds = Int64(Int32.max)

    /// The first field that cannot be taken, with what is expected; nil: all of them can.
    public static func problem(_ pod: Pod) -> String? {
        let times: [(String, Int64?, ClosedRange<Int64>)] = [
            ("spec.activeDeadlineSeconds", pod.spec.activeDeadlineSeconds, 1...maximumSeconds),
            ("spec.terminationGracePeriodSeconds", pod.spec.terminationGracePeriodSeconds, 0...maximumSeconds),
            ("metadata.deletionGracePeriodSeconds", pod.metadata.deletionGracePeriodSeconds, 0...maximumSeconds),
        ]
        if let problem = problem(times) ?? problem(ids(of: pod)) { return problem }
        for container in pod.spec.ephemeralContainers where container.lifecycle != nil {
            return "spec.ephemeralContainers[\(container.name)].lifecycle: found hooks, expected none"
        }
        for container in pod.spec.initContainers + pod.spec.containers {
            let place = "spec.containers[\(container.name)]"
            let probes = [
                ("startupProbe", container.startupProbe), ("livenessProbe", container.livenessProbe),
                ("readinessProbe", container.readinessProbe),
            ]
            for (name, probe) in probes {
                if let probe, let problem = problem(probe, "\(place).\(name)") { return problem }
            }
            let hooks = [("postStart", container.lifecycle?.postStart), ("preStop", container.lifecycle?.preStop)]
            if let problem = problem(
                hooks.map {
                    ("\(place).lifecycle.\($0.0).sleep.seconds", $0.1?.sleep.map { Int64($0.seconds) }, 0...maximumSeconds)
                })
            {
                return problem
            }
            for port in container.ports {
                let ports: [(String, Int64?, ClosedRange<Int64>)] = [
                    ("\(place).ports.containerPort", Int64(port.containerPort), 1...65535),
                    ("\(place).ports.hostPort", port.hostPort.map { Int64($0) }, 0...65535),
                ]
                if let problem = problem(ports) { return problem }
            }
        }
        return nil
    }

    private static func ids(of pod: Pod) -> [(field: String, value: Int64?, range: ClosedRange<Int64>)] {
        let context = pod.spec.securityContext
        var ids = [
            ("runAsUser", context?.runAsUser), ("runAsGroup", context?.runAsGroup), ("fsGroup", context?.fsGroup),
        ].map { ("spec.securityContext.\($0.0)", $0.1) }
        ids += (context?.supplementalGroups ?? []).map { ("spec.securityContext.supplementalGroups", $0) }
        for container in pod.spec.initContainers + pod.spec.containers {
            let place = "spec.containers[\(container.name)].securityContext"
            ids += [
                ("\(place).runAsUser", container.securityContext?.runAsUser), ("\(place).runAsGroup", container.securityContext?.runAsGroup),
            ]
        }
        return ids.map { ($0.0, $0.1, 0...Int64(Int32.max)) }
    }

    private static func problem(_ probe: Probe, _ place: String) -> String? {
        let counts = [
            ("initialDelaySeconds", probe.initialDelaySeconds), ("timeoutSeconds", probe.timeoutSeconds),
            ("periodSeconds", probe.periodSeconds),
            ("successThreshold", probe.successThreshold), ("failureThreshold", probe.failureThreshold),
        ]
        return problem(counts.map { ("\(place).\($0.0)", $0.1.map { Int64($0) }, 0...maximumSeconds) })
            ?? problem([("\(place).terminationGracePeriodSeconds", probe.terminationGracePeriodSeconds, 0...maximumSeconds)])
    }

    private static func problem(_ numbers: [(field: String, value: Int64?, range: ClosedRange<Int64>)]) -> String? {
        for (field, value, range) in numbers {
            guard let value, !range.contains(value) else { continue }
            return "\(field): found \(value), expected \(range.lowerBound) to \(range.upperBound)"
        }
        return nil
    }
}
