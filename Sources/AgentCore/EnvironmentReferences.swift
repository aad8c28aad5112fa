// Which ConfigMaps and Secrets environments refer to, and which of them are still to be fetched.
import KubernetesModel

public struct EnvironmentReferences: Sendable, Hashable {
    /// Name -> whether it may be missing.
    public private(set) var configMaps: [String: Bool] = [:]
    public private(set) var secrets: [String: Bool] = [:]

    public var isEmpty: Bool { configMaps.isEmpty && secrets.isEmpty }

    public init(_ containers: [Container]) {
        for container in containers {
            for source in container.envFrom {
                Self.note(source.configMapRef?.name, source.configMapRef?.optional, in: &configMaps)
                Self.note(source.secretRef?.name, source.secretRef?.optional, in: &secrets)
            }
            for source in container.env.compactMap(\.valueFrom) {
                Self.note(source.configMapKeyRef?.name, source.configMapKeyRef?.optional, in: &configMaps)
                Self.note(source.secretKeyRef?.name, source.secretKeyRef?.optional, in: &secrets)
            }
        }
    }

    /// Of all its containers, those that came later for somebody to look into it as well.
    public init(of pod: Pod) { self.init(pod.spec.initContainers + pod.spec.containers + pod.spec.ephemeralContainers) }

    private static func note(_ name: String?, _ optional: Bool?, in names: inout [String: Bool]) {
        guard let name else { return }
        names[name] = (names[name] ?? true) && optional == true
    }

    /// What `container` cannot do without and what was fetched (by name, then key) does not hold: whole objects and those that lack a
    /// key. An ephemeral container came after the fetching, so its optional objects were not looked for yet.
    public static func unmet(
        _ container: Container, isEphemeral: Bool, configMaps: [String: [String: String]], secrets: [String: [String: String]]
    ) -> (configMaps: Set<String>, secrets: Set<String>) {
        let references = EnvironmentReferences([container])
        func absent(_ names: [String: Bool], _ found: [String: [String: String]]) -> Set<String> {
            Set(names.filter { found[$0.key] == nil && (!$0.value || isEphemeral) }.keys)
        }
        func lacking(_ keys: [KeySelector], _ found: [String: [String: String]]) -> Set<String> {
            Set(keys.filter { $0.optional != true && found[$0.name]?[$0.key] == nil }.map(\.name))
        }
        let sources = container.env.compactMap(\.valueFrom)
        return (
            absent(references.configMaps, configMaps).union(lacking(sources.compactMap(\.configMapKeyRef), configMaps)),
            absent(references.secrets, secrets).union(lacking(sources.compactMap(\.secretKeyRef), secrets))
        )
    }
}
