// A pod's record, its range of host ids, its network and its cgroup: made before its containers, removed behind them.

import Cgroups
import JSON
import RuntimeInterface

extension LocalPods {
    /// Calls for one pod take turns: whoever returns finds the record and the network made, and where one call failed the next one
    /// begins anew.
    package func runPodSandbox(_ config: PodSandboxConfig) async throws {
        try RecordName.check("podUID", config.podUID)
        let uid = config.podUID
        let own = state.withLock { state in
            let before = state.making[uid]
            let own = Task(executorPreference: WorkThreads.shared) {
                _ = await before?.result
                try await self.make(config)
            }
            state.making[uid] = own
            return own
        }
        defer { state.withLock { if $0.making[uid] == own { $0.making[uid] = nil } } }
        try await own.value
    }

    private func make(_ config: PodSandboxConfig) async throws {
        if let made = sandbox(config.podUID) { return try await makeNetwork(made.config) }
        if config.hostUsers, !configuration.permitsHostUsers {
            throw RuntimeError.invalid(field: "hostUsers", reason: "is not permitted on this node")
        }
        let record = try reserve(config)
        do {
            let paths = paths
            try await Blocking.run {
                try RecordFiles.makeDirectories(paths.pod(config.podUID))
                try RecordFiles.write(JSON.encode(record), to: paths.sandbox(config.podUID))
            }
        } catch {
            state.withLock { $0.pods.removeSandbox(config.podUID) }
            throw error
        }
        try await makeNetwork(config)
    }

    /// Under the lock before it is written, so that two pods cannot pick the same range.
    private func reserve(_ config: PodSandboxConfig) throws(RuntimeError) -> SandboxRecord {
        let (userNamespaces, ranges) = (configuration.userNamespaces && !config.hostUsers, configuration.idRanges)
        let record: SandboxRecord? = state.withLock { state in
            var record = SandboxRecord(config: config)
            if userNamespaces {
                guard let start = state.pods.pickRange(of: ranges, podUID: config.podUID) else { return nil }
                record.idRangeStart = start
            }
            state.pods.put(record, of: config.podUID)
            return record
        }
        guard let record else { throw RuntimeError.unavailable(stage: "idRange", reason: "every range is taken") }
        return record
    }

    private func makeNetwork(_ config: PodSandboxConfig) async throws {
        let network = network(of: config.podUID)
        guard let wish = config.network, !wish.isHost else { return }
        _ = try await Blocking.run {
            try RecordFiles.makeDirectories(network.directory)
            return try network.make(wish, config: config)
        }
    }

    package func podAddress(podUID: String) async throws -> String? {
        // Asked several times in a pod's life: only one with a CNI network has a file that says more.
        switch sandbox(podUID)?.config.network {
        case .host, .none?: return nil
        case .cni, nil: break
        }
        let network = network(of: podUID)
        return try await Blocking.run { try network.attachment()?.addresses.first }
    }

    package func stopPodSandbox(podUID: String) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for container in containers(of: podUID) { group.addTask { try await container.stop(graceSeconds: 0) } }
            try await group.waitForAll()
        }
    }

    package func removePodSandbox(podUID: String) async throws {
        try RecordName.check("podUID", podUID)
        for container in containers(of: podUID) {
            guard await !container.isRunning else {
                throw RuntimeError.unavailable(stage: "removePodSandbox(\(podUID))", reason: "\(container.id) runs")
            }
            try await removeContainer(container.id)
        }
        let (paths, network, group) = (paths, network(of: podUID), podGroup(podUID))
        try await Blocking.run {
            try network.remove()
            do throws(CgroupError) { try group.remove() } catch { throw error.asRuntimeError }
            if paths.isInMemory { try RecordFiles.removeTree(paths.podScratch(podUID)) }
            try RecordFiles.removeTree(paths.pod(podUID))
        }
        state.withLock { $0.pods.removeSandbox(podUID) }
    }
}
