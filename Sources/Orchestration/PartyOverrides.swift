// What a party changes of its deploy template, container by container, and how a job's party shares its resources out among them.
import KubernetesModel
import KusciaModel

extension TaskLayout.Party {
    /// The template's containers with the party's changes, as Kuscia merges them: command and arguments together, variables after
    /// the template's own, resources one by one.
    var containers: [AppImageContainer] {
        let given = spec.template?.spec?.containers ?? []
        return template.spec.containers.enumerated().map { index, container in
            var container = container
            if let own = PartyOverrides.change(of: container, at: index, among: given) {
                if !own.command.isEmpty || !own.args.isEmpty {
                    container.command = own.command
                    container.args = own.args
                }
                container.env = container.env.filter { old in !own.env.contains { $0.name == old.name } } + own.env
                container.resources.limits.merge(own.resources.limits) { $1 }
                // A lower limit lowers the request.
                container.resources.requests.merge(container.resources.limits) { min($0, $1) }
                container.resources.requests.merge(own.resources.requests) { $1 }
            }
            // Where only limits are given, they are the requests too (Kubernetes' default).
            container.resources.requests.merge(container.resources.limits) { request, _ in request }
            return container
        }
    }
}

enum PartyOverrides {
    /// A change with a name is for the container of that name, one without for the container at its place.
    static func change(of container: AppImageContainer, at index: Int, among given: [AppImageContainer]) -> AppImageContainer? {
        given.first { !$0.name.isEmpty && $0.name == container.name }
            ?? (given.indices.contains(index) && given[index].name.isEmpty ? given[index] : nil)
    }

    /// The first change that is for no container of the template.
    static func stray(among given: [AppImageContainer], of containers: [AppImageContainer]) -> Int? {
        given.enumerated().first { index, change in
            change.name.isEmpty ? index >= containers.count : !containers.contains { $0.name == change.name }
        }?.offset
    }

    /// What a job's party may use in all, in equal shares for the containers of its template in all replicas. What cannot be
    /// shared (a device, say) goes whole to each replica's first container.
    static func shares(of resources: ResourceRequirements, _ template: DeployTemplate?) -> [AppImageContainer] {
        guard let template, !template.spec.containers.isEmpty else { return [AppImageContainer(resources: resources)] }
        let parts = template.spec.containers.count.saturatingMultiplied(by: max(1, template.replicas ?? 1))
        return template.spec.containers.enumerated().map { index, container in
            func share(_ amounts: [String: Quantity]) -> [String: Quantity] {
                var shares: [String: Quantity] = [:]
                for (name, amount) in amounts {
                    if let share = PartyResources.share(of: amount, name, among: parts) {
                        shares[name] = share
                    } else if index == 0 {
                        shares[name] = amount
                    }
                }
                return shares
            }
            return AppImageContainer(
                name: container.name,
                resources: ResourceRequirements(limits: share(resources.limits), requests: share(resources.requests)))
        }
    }
}
